//! A command's text -> what is asked. Words are case-insensitive; values stand bare, in single quotes,
//! or, where they are names, in double quotes; a semicolon at the end is allowed.

use router::ids::MoveId;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Nothing: an empty text.
    Nothing,
    /// SHOW and its subject, in upper case.
    Show(String),
    /// Later commands mean this database.
    Use(String),
    /// Where a tenant lives.
    Where(String),
    /// Is the fleet ready?
    Check,
    /// Read the configuration again.
    Reload,
    /// Change a key until the configuration is read again.
    Set(String, String),
    /// Lend no connections any more, and wait until all are back.
    Pause(Option<String>),
    /// Lend again.
    Resume(Option<String>),
    /// Close every connection as soon as it is not used.
    Reconnect(Option<String>),
    /// Drop all clients and server connections, and pause.
    Kill(Option<String>),
    /// Drop one client.
    KillClient(i32),
    /// Let no new clients in.
    Disable(String),
    /// Let them in again.
    Enable(String),
    /// Wait until no connection from before the last change is open.
    WaitClose(Option<String>),
    /// End the daemon.
    Shutdown(Patience),
    /// A driver's own settings at its start: accepted, and without any effect.
    Courtesy(&'static str),
    /// What PgBouncer has and pgherd does not.
    Unknown(&'static str, &'static str),
    /// Begin moves.
    MoveStart {
        /// Tenants, separated by commas.
        tenants: Option<String>,
        /// Shards, as `0-99,200`.
        shards: Option<String>,
        /// The target's name.
        to: String,
        /// Only say what would refuse it.
        dry_run: bool,
    },
    /// One move.
    MoveShow(MoveId),
    /// Undo a move.
    MoveAbort(MoveId),
    /// Remove what is left over.
    MoveGc,
    /// Bring sequences apart.
    SpreadSequences,
    /// Go on with an unfinished change of the schema.
    ResumeSchema(i64),
    /// Let one be.
    ForgetSchema(i64),
}

/// For whom a shutdown waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// For nobody.
    Nobody,
    /// For transactions.
    Servers,
    /// Until the last client has left by itself.
    Clients,
}

impl Command {
    /// True where it changes something at once and then only waits.
    pub(super) fn waits(&self) -> bool {
        matches!(self, Command::Pause(_) | Command::WaitClose(_))
    }

    /// True where it only looks: what a stats user may do.
    pub(super) fn only_looks(&self) -> bool {
        match self {
            Command::Nothing
            | Command::Show(_)
            | Command::Use(_)
            | Command::Where(_)
            | Command::Courtesy(_)
            | Command::Unknown(..)
            | Command::MoveShow(_) => true,
            Command::Check
            | Command::Reload
            | Command::Set(..)
            | Command::Pause(_)
            | Command::Resume(_)
            | Command::Reconnect(_)
            | Command::Kill(_)
            | Command::KillClient(_)
            | Command::Disable(_)
            | Command::Enable(_)
            | Command::WaitClose(_)
            | Command::Shutdown(_)
            | Command::MoveStart { .. }
            | Command::MoveAbort(_)
            | Command::MoveGc
            | Command::SpreadSequences
            | Command::ResumeSchema(_)
            | Command::ForgetSchema(_) => false,
        }
    }
}

/// The text is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("syntax error at or near \"{0}\"")]
pub(super) struct NoCommand(pub(super) String);

/// Settings that drivers set by themselves when they connect.
const COURTESIES: [&str; 6] = [
    "CLIENT_ENCODING",
    "APPLICATION_NAME",
    "EXTRA_FLOAT_DIGITS",
    "DATESTYLE",
    "TIMEZONE",
    "STANDARD_CONFORMING_STRINGS",
];

/// Reads a command.
pub(super) fn read(text: &str) -> Result<Command, NoCommand> {
    let tokens = tokens(text)?;
    let words: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
    let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
    let database = || tokens.get(1).cloned();
    match upper.as_slice() {
        [] => Ok(Command::Nothing),
        ["SHOW"] => Ok(Command::Show("HELP".to_owned())),
        ["SHOW", subject] => Ok(Command::Show((*subject).to_owned())),
        ["USE", _] => Ok(Command::Use(tokens[1].clone())),
        ["WHERE", _] => Ok(Command::Where(tokens[1].clone())),
        ["CHECK"] => Ok(Command::Check),
        ["SEQUENCES", "SPREAD"] => Ok(Command::SpreadSequences),
        ["SCHEMA", "RESUME", _] => change_id(words[2]).map(Command::ResumeSchema),
        ["SCHEMA", "FORGET", _] => change_id(words[2]).map(Command::ForgetSchema),
        ["RELOAD"] => Ok(Command::Reload),
        ["PAUSE"] | ["PAUSE", _] => Ok(Command::Pause(database())),
        ["RESUME"] | ["RESUME", _] => Ok(Command::Resume(database())),
        ["RECONNECT"] | ["RECONNECT", _] => Ok(Command::Reconnect(database())),
        ["KILL"] | ["KILL", _] => Ok(Command::Kill(database())),
        ["KILL_CLIENT", _] => client_id(words[1]).map(Command::KillClient),
        ["DISABLE", _] => Ok(Command::Disable(tokens[1].clone())),
        ["ENABLE", _] => Ok(Command::Enable(tokens[1].clone())),
        ["WAIT_CLOSE"] | ["WAIT_CLOSE", _] => Ok(Command::WaitClose(database())),
        ["SHUTDOWN"] => Ok(Command::Shutdown(Patience::Nobody)),
        ["SHUTDOWN", "WAIT_FOR_SERVERS"] => Ok(Command::Shutdown(Patience::Servers)),
        ["SHUTDOWN", "WAIT_FOR_CLIENTS"] => Ok(Command::Shutdown(Patience::Clients)),
        ["SUSPEND"] => Ok(Command::Unknown(
            "SUSPEND is not supported",
            "PAUSE holds statements; so_reuseport or a socket of systemd's lets another process take over.",
        )),
        ["SET", name, ..] if COURTESIES.contains(&name.split('=').next().unwrap_or_default()) => {
            Ok(Command::Courtesy("SET"))
        }
        ["SET", ..] => {
            setting(text).ok_or_else(|| NoCommand(words.last().copied().unwrap_or_default().to_owned()))
        }
        ["BEGIN", ..] | ["START", "TRANSACTION", ..] => Ok(Command::Courtesy("BEGIN")),
        ["COMMIT"] => Ok(Command::Courtesy("COMMIT")),
        ["ROLLBACK"] => Ok(Command::Courtesy("ROLLBACK")),
        ["MOVE", "GC"] => Ok(Command::MoveGc),
        ["MOVE", "SHOW", _] => move_id(words[2]).map(Command::MoveShow),
        ["MOVE", "ABORT", _] => move_id(words[2]).map(Command::MoveAbort),
        ["MOVE", "START", kind @ ("TENANTS" | "SHARDS"), _, "TO", _, options @ ..] => {
            let value = Some(tokens[3].clone());
            let (tenants, shards) = if *kind == "TENANTS" { (value, None) } else { (None, value) };
            let dry_run = match options {
                [] | ["CONFIRM"] => false,
                ["DRY", "RUN"] | ["DRY", "RUN", "CONFIRM"] => true,
                [other, ..] => return Err(NoCommand((*other).to_owned())),
            };
            Ok(Command::MoveStart { tenants, shards, to: tokens[5].clone(), dry_run })
        }
        _ => Err(NoCommand(words.iter().rev().take(1).copied().collect())),
    }
}

/// `SET key = value`.
fn setting(text: &str) -> Option<Command> {
    let rest = text.trim().trim_end_matches(';').get("SET".len()..)?;
    let (key, value) = rest.split_once('=')?;
    let value = value.trim();
    let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    let (key, value) =
        (key.trim(), quoted.map_or_else(|| value.to_owned(), |value| value.replace("''", "'")));
    (!key.is_empty() && !key.contains(char::is_whitespace)).then(|| Command::Set(key.to_owned(), value))
}

fn move_id(word: &str) -> Result<MoveId, NoCommand> {
    word.parse().map(MoveId).map_err(|_| NoCommand(word.to_owned()))
}

fn change_id(word: &str) -> Result<i64, NoCommand> {
    word.parse().map_err(|_| NoCommand(word.to_owned()))
}

fn client_id(word: &str) -> Result<i32, NoCommand> {
    word.parse().map_err(|_| NoCommand(word.to_owned()))
}

/// Cuts a text into words and quoted values.
fn tokens(text: &str) -> Result<Vec<String>, NoCommand> {
    let mut tokens = Vec::new();
    let mut rest = text.trim().trim_end_matches(';').trim_end();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' | '"' => quoted_token(&rest[1..], first).ok_or_else(|| NoCommand(rest.to_owned()))?,
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// A token up to its closing mark; a mark that stands twice is one of its letters.
fn quoted_token(quoted: &str, mark: char) -> Option<(String, &str)> {
    let mut token = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find(mark)?;
        token.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(mark) {
            Some(more) => {
                token.push(mark);
                rest = more;
            }
            None => return Some((token, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_whatever_their_case() {
        assert_eq!(read("show pools;"), Ok(Command::Show("POOLS".into())));
        assert_eq!(read("WHERE 'o''neil'"), Ok(Command::Where("o'neil".into())));
        assert_eq!(read("pause \"my \"\"db\"\"\""), Ok(Command::Pause(Some("my \"db\"".into()))));
        assert_eq!(read("PAUSE;"), Ok(Command::Pause(None)));
        assert_eq!(read("shutdown wait_for_clients"), Ok(Command::Shutdown(Patience::Clients)));
        assert_eq!(read("SET client_encoding='UTF8'"), Ok(Command::Courtesy("SET")));
        let set = |key: &str, value: &str| Ok(Command::Set(key.to_owned(), value.to_owned()));
        assert_eq!(read("SET default_pool_size=5;"), set("default_pool_size", "5"));
        assert_eq!(read("set pool.reset_query = 'RESET \"a\"'"), set("pool.reset_query", "RESET \"a\""));
        assert_eq!(read("move abort 7"), Ok(Command::MoveAbort(MoveId(7))));
        assert_eq!(read("  ;"), Ok(Command::Nothing));
        assert_eq!(
            read("MOVE START TENANTS '1,2' TO beta DRY RUN"),
            Ok(Command::MoveStart {
                tenants: Some("1,2".into()),
                shards: None,
                to: "beta".into(),
                dry_run: true
            })
        );
    }

    #[test]
    fn what_is_no_command_is_named() {
        let none = [
            "SELECT 1",
            "MOVE ABORT x",
            "WHERE 'open",
            "MOVE START TENANTS 1 TO beta AT once",
            "KILL_CLIENT me",
            "DISABLE",
            "SHUTDOWN now",
            "PAUSE a b",
            "SET pool.size 5",
            "SET pool.size",
        ];
        for text in none {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn who_may_only_look_changes_nothing() {
        for text in ["SHOW POOLS", "WHERE 1", "USE app", ""] {
            assert!(read(text).is_ok_and(|command| command.only_looks()), "{text}");
        }
        for text in [
            "PAUSE",
            "KILL_CLIENT 1",
            "SHUTDOWN",
            "RELOAD",
            "MOVE GC",
            "DISABLE app",
            "CHECK",
            "SCHEMA RESUME 1",
            "SET a = b",
        ] {
            assert!(read(text).is_ok_and(|command| !command.only_looks()), "{text}");
        }
    }
}
