//! What a client is told when something fails: the one place that makes ErrorResponses.
//!
//! SQLSTATEs are those of PostgreSQL's list (appendix A of its manual). Constructors are named by
//! what happened; whoever raises an error says what it means for the client, never how it looks
//! on the wire.

use bytes::BytesMut;
use pgwire::messages::Message;
use pgwire::messages::response::ErrorResponse;
use router::plan::Refusal;

/// Whether the session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed; the session goes on.
    Error,
    /// The session ends with this message.
    Fatal,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }
}

/// An error as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ClientError {
    /// Whether the session goes on.
    pub severity: Severity,
    /// Five characters of PostgreSQL's list.
    pub sqlstate: &'static str,
    /// What happened: lower case, no full stop.
    pub message: String,
    /// More about it.
    pub detail: Option<Box<str>>,
    /// What to do.
    pub hint: Option<Box<str>>,
    /// Where it happened, as PostgreSQL's CONTEXT says it.
    pub context: Option<Box<str>>,
    /// The character of the statement, from 1.
    pub position: Option<u32>,
    /// The routine of PostgreSQL that says the same, where drivers look at it.
    pub routine: Option<&'static str>,
}

impl ClientError {
    /// An error after which the session goes on.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> ClientError {
        let message = message.into();
        ClientError {
            severity: Severity::Error,
            sqlstate,
            message,
            detail: None,
            hint: None,
            context: None,
            position: None,
            routine: None,
        }
    }

    /// An error that ends the session.
    pub fn fatal(sqlstate: &'static str, message: impl Into<String>) -> ClientError {
        ClientError { severity: Severity::Fatal, ..ClientError::new(sqlstate, message) }
    }

    /// With more about what happened.
    pub fn detail(self, detail: impl Into<String>) -> ClientError {
        ClientError { detail: Some(detail.into().into_boxed_str()), ..self }
    }

    /// With what to do.
    pub fn hint(self, hint: impl Into<String>) -> ClientError {
        ClientError { hint: Some(hint.into().into_boxed_str()), ..self }
    }

    /// With where it happened.
    pub fn context(self, context: impl Into<String>) -> ClientError {
        ClientError { context: Some(context.into().into_boxed_str()), ..self }
    }

    /// With the place in the statement, in characters from 1.
    pub fn position(self, position: usize) -> ClientError {
        ClientError { position: u32::try_from(position).ok(), ..self }
    }

    /// True where the session ends with it.
    pub fn is_fatal(&self) -> bool {
        self.severity == Severity::Fatal
    }

    /// The SQLSTATE's class, its first two characters: what metrics count by.
    pub fn class(&self) -> &'static str {
        self.sqlstate.get(..2).unwrap_or("XX")
    }

    /// Appends the ErrorResponse.
    pub fn encode(&self, out: &mut BytesMut) {
        let severity = self.severity.word();
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', self.sqlstate.to_owned()),
            (b'M', cleaned(&self.message)),
        ];
        fields.extend(self.detail.as_deref().map(|detail| (b'D', cleaned(detail))));
        fields.extend(self.hint.as_deref().map(|hint| (b'H', cleaned(hint))));
        fields.extend(self.context.as_deref().map(|context| (b'W', cleaned(context))));
        fields.extend(self.position.map(|position| (b'P', position.to_string())));
        fields.extend(self.routine.map(|routine| (b'R', routine.to_owned())));
        ErrorResponse::new(fields).encode(out).expect("an error is far smaller than the largest message");
    }
}

/// A field ends at its first NUL byte, and an error is no place for megabytes.
fn cleaned(text: &str) -> String {
    const MOST: usize = 8 << 10;
    text.chars().take(MOST).map(|character| if character == '\0' { '\u{FFFD}' } else { character }).collect()
}

/// What a statement can meet.
impl ClientError {
    /// 0A000: what is not built, with what to do instead.
    pub fn unsupported(message: impl Into<String>, hint: impl Into<String>) -> ClientError {
        ClientError::new("0A000", message).hint(hint)
    }

    /// 0A000: what is not built for texts in an encoding other than UTF-8.
    pub fn encoding_unsupported(what: &str, encoding: &str) -> ClientError {
        let message = format!("{what} cannot be answered in client_encoding {encoding}");
        ClientError::unsupported(message, "Set client_encoding to UTF8 for it, or name a tenant.")
    }

    /// 0A000: DDL has changed the columns that the client was told of. Drivers know it by the routine,
    /// and prepare the statement again.
    pub fn result_type_changed() -> ClientError {
        let error = ClientError::new("0A000", "cached plan must not change result type");
        ClientError { routine: Some("RevalidateCachedQuery"), ..error }
    }

    /// 57014: the client canceled the statement.
    pub fn query_canceled() -> ClientError {
        ClientError::new("57014", "canceling statement due to user request")
    }

    /// 25P02: a statement after one that failed, in the same transaction.
    pub fn failed_transaction() -> ClientError {
        let message = "current transaction is aborted, commands ignored until end of transaction block";
        ClientError::new("25P02", message)
    }

    /// 53300: no connection to the server came free in time.
    pub fn pool_exhausted(server: &str) -> ClientError {
        ClientError::new("53300", format!("no connection to server {server} came free in time"))
            .hint("raise [pool] size, or end transactions sooner")
    }

    /// 53400: a tenant has, or wants, more than it may.
    pub fn tenant_limit(most: usize, of: &str) -> ClientError {
        ClientError::new("53400", format!("the tenant may have no more than {most} {of}"))
            .hint("send less at once, or raise the limit in its [[database.tenant]]")
    }

    /// 57P03: the database is paused, and was not resumed in time.
    pub fn paused(database: &str) -> ClientError {
        ClientError::new("57P03", format!("database \"{database}\" is paused"))
            .hint("an operator resumes it with RESUME in the console")
    }

    /// 57P03: no primary in time.
    pub fn no_primary(server: &str) -> ClientError {
        ClientError::new("57P03", format!("server {server} has no primary at present"))
            .hint("the statement was not run: it can be sent again")
    }

    /// 08006: a connection to a server cannot be made.
    pub fn cannot_connect(server: &str, why: impl Into<String>) -> ClientError {
        ClientError::new("08006", format!("could not connect to server {server}")).detail(why)
    }

    /// 08006: a connection to a server broke while a statement ran there.
    pub fn server_gone(server: &str) -> ClientError {
        ClientError::new("08006", format!("the connection to server {server} was lost"))
            .detail("whether the statement took effect is not known")
    }

    /// 26000: a prepared statement that the session does not have.
    pub fn no_such_statement(name: &str) -> ClientError {
        match name {
            "" => ClientError::new("26000", "unnamed prepared statement does not exist"),
            _ => ClientError::new("26000", format!("prepared statement \"{name}\" does not exist")),
        }
    }

    /// 42P05: a prepared statement's name is taken.
    pub fn duplicate_statement(name: &str) -> ClientError {
        ClientError::new("42P05", format!("prepared statement \"{name}\" already exists"))
    }

    /// 34000: a portal that the session does not have.
    pub fn no_such_portal(name: &str) -> ClientError {
        ClientError::new("34000", format!("portal \"{name}\" does not exist"))
    }

    /// XX000: an invariant of ours broke.
    pub fn internal(message: impl Into<String>) -> ClientError {
        ClientError::new("XX000", message)
    }
}

/// What ends a session.
impl ClientError {
    /// 08P01: the client does not speak the protocol.
    pub fn protocol(message: impl Into<String>) -> ClientError {
        ClientError::fatal("08P01", message)
    }

    /// 28P01: the password is wrong, or there is no such user: one answer for both.
    pub fn password(user: &str) -> ClientError {
        ClientError::fatal("28P01", format!("password authentication failed for user \"{user}\""))
    }

    /// 28000: this user may not do this, whatever the password.
    pub fn not_authorized(message: impl Into<String>) -> ClientError {
        ClientError::fatal("28000", message)
    }

    /// 3D000: the configuration has no such database.
    pub fn no_such_database(database: &str) -> ClientError {
        ClientError::fatal("3D000", format!("database \"{database}\" does not exist"))
    }

    /// 53300: `max_client_connections` are there already.
    pub fn too_many_connections() -> ClientError {
        ClientError::fatal("53300", "sorry, too many clients already")
            .hint("raise [proxy] max_client_connections")
    }

    /// 57P01: the daemon is ending.
    pub fn shutting_down() -> ClientError {
        ClientError::fatal("57P01", "terminating connection due to administrator command")
            .detail("pgherd is shutting down")
    }

    /// 57P01: the operator sent the client away.
    pub fn dismissed() -> ClientError {
        ClientError::fatal("57P01", "terminating connection due to administrator command")
    }

    /// 55000: the operator lets no new clients into a database.
    pub fn not_accepting(database: &str) -> ClientError {
        ClientError::fatal("55000", format!("database \"{database}\" is not currently accepting connections"))
    }

    /// 57P03: the daemon is not ready yet.
    pub fn starting_up() -> ClientError {
        ClientError::fatal("57P03", "the database system is starting up")
    }

    /// 57P05: the client said nothing for `client_idle_timeout`.
    pub fn idle_session_timeout() -> ClientError {
        ClientError::fatal("57P05", "terminating connection due to idle-session timeout")
    }

    /// 25P04: the transaction was open for longer than `transaction_timeout`.
    pub fn transaction_timeout() -> ClientError {
        ClientError::fatal("25P04", "terminating connection due to transaction timeout")
    }

    /// 53300: `max_user_client_connections` are there already.
    pub fn too_many_of_user(user: &str) -> ClientError {
        ClientError::fatal("53300", format!("too many connections for role \"{user}\""))
            .hint("raise max_user_client_connections in its [[user]]")
    }

    /// 53300: `max_db_client_connections` are there already.
    pub fn too_many_of_database(database: &str) -> ClientError {
        ClientError::fatal("53300", format!("too many connections for database \"{database}\""))
            .hint("raise max_db_client_connections in its [[database]]")
    }

    /// 57P01: the server ended a connection that the session keeps.
    pub fn kept_connection_lost() -> ClientError {
        ClientError::fatal("57P01", "the connection that this session needs to keep was lost")
    }

    /// 25P03: the client said nothing for `idle_transaction_timeout` inside a transaction.
    pub fn idle_transaction_timeout() -> ClientError {
        ClientError::fatal("25P03", "terminating connection due to idle-in-transaction timeout")
    }
}

impl From<Refusal> for ClientError {
    fn from(refusal: Refusal) -> ClientError {
        let hint = (!refusal.hint.is_empty()).then_some(refusal.hint);
        let hint = hint.map(String::into_boxed_str);
        ClientError { hint, ..ClientError::new(refusal.sqlstate, refusal.message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_frame_with_its_fields() {
        let mut out = BytesMut::new();
        ClientError::unsupported("no \0 here", "do without").position(7).encode(&mut out);
        let length = u32::from_be_bytes([out[1], out[2], out[3], out[4]]) as usize;
        assert_eq!((out[0], length + 1), (b'E', out.len()));
        let fields: Vec<&[u8]> = out[5..].split(|byte| *byte == 0).collect();
        let expected: [&[u8]; 6] =
            [b"SERROR", b"VERROR", b"C0A000", "Mno \u{FFFD} here".as_bytes(), b"Hdo without", b"P7"];
        assert_eq!(fields[..6], expected);
    }

    #[test]
    fn a_refusal_keeps_its_words() {
        let error = ClientError::from(Refusal::unsupported("windows over all tenants", "name a tenant"));
        assert_eq!((error.sqlstate, error.class(), error.is_fatal()), ("0A000", "0A", false));
        assert_eq!(error.hint.as_deref(), Some("name a tenant"));
    }
}
