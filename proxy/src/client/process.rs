//! `pg_backend_pid`, `pg_cancel_backend` and `pg_terminate_backend` of sessions. A session keeps the process
//! id that its client was told; what the servers call so is a connection, which is another client's next.
//!
//! Sessions' numbers are larger than any process id of an operating system, so none is mistaken for the
//! other: a smaller number is a server's process, and PostgreSQL's to answer.

use std::sync::Arc;

use router::ids::quote_identifier;
use router::plan::Parameter;
use router::sql::{Learned, ProcessAsk, ProcessName, Statement};

use crate::client::registry::ClientEntry;
use crate::client::session::Session;
use crate::error::ClientError;
use crate::execute::trouble::Trouble;

impl Session {
    /// Does what a statement asks of a session, and answers the statement that says so; `None` where it
    /// asks nothing of one.
    ///
    /// # Errors
    /// 42501 where the session is another role's; what ends this session, where it is its own.
    pub(super) async fn answer_of_process(
        &mut self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Arc<Statement>>, Trouble> {
        let Some(call) = statement.process_call() else { return Ok(None) };
        let answer = match call.asks {
            ProcessAsk::Own => self.entry.id.to_string(),
            ProcessAsk::Cancel(name) => {
                let Some(other) = self.session_of(name, parameters) else { return Ok(None) };
                self.check_signal(&other, "cancel query of", "whose query is being canceled")?;
                if other.id == self.entry.id {
                    return Err(ClientError::query_canceled().into());
                }
                self.executor.fleet.registry.interrupt(other.id).await;
                "true".to_owned()
            }
            ProcessAsk::Terminate(name) => {
                let Some(other) = self.session_of(name, parameters) else { return Ok(None) };
                self.check_signal(&other, "terminate process of", "whose process is being terminated")?;
                if other.id == self.entry.id {
                    return Err(ClientError::dismissed().into());
                }
                self.executor.fleet.registry.dismiss(other.id).await;
                "true".to_owned()
            }
        };
        let text = format!("SELECT {answer} AS {}", quote_identifier(&call.column));
        match &*self.executor.learn(&text) {
            Learned::Statements(statements) => Ok(statements.first().cloned()),
            Learned::SyntaxError | Learned::TooComplex | Learned::Empty => {
                Err(ClientError::internal("the answer about a process cannot be read").into())
            }
        }
    }

    /// The client of this daemon that is meant.
    fn session_of(&self, name: ProcessName, parameters: &[Parameter<'_>]) -> Option<ClientEntry> {
        let id = match name {
            ProcessName::Own => self.entry.id,
            ProcessName::Number(id) => id,
            ProcessName::Parameter(number) => integer(parameters.get(usize::from(number).checked_sub(1)?)?)?,
        };
        self.executor.fleet.registry.client(id)
    }

    /// PostgreSQL's rule, as far as a proxy knows roles: one's own sessions, and all for a superuser.
    fn check_signal(&self, other: &ClientEntry, what: &str, whose: &str) -> Result<(), ClientError> {
        let superuser = self.executor.reported.value("is_superuser") == Some("on");
        match superuser || other.user == self.entry.user {
            true => Ok(()),
            false => {
                let message = format!("must be the role {whose}, or a superuser");
                Err(ClientError::new("42501", message).detail(format!(
                    "Only they may {what} the session of client {} through pgherd.",
                    other.id
                )))
            }
        }
    }
}

/// A parameter that is a whole number.
fn integer(parameter: &Parameter<'_>) -> Option<i32> {
    let value = parameter.value?;
    match parameter.binary {
        true => value.try_into().ok().map(i32::from_be_bytes),
        false => std::str::from_utf8(value).ok()?.trim().parse().ok(),
    }
}
