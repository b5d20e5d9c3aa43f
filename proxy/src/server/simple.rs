//! Small statements of the proxy's own: `SET`, `BEGIN`, a check that somebody answers.

use bytes::BytesMut;

use super::connection::Connection;
use super::gone::ServerGone;
use crate::wire::view::{Fields, Row, command_tag, error_fields};
use crate::wire::{Frame, write};

/// What a simple query came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimpleOutcome {
    /// The rows of all its statements, as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// The tags of the statements that were done.
    pub tags: Vec<String>,
    /// The first error.
    pub error: Option<Fields>,
    /// The notices, as messages.
    pub notices: BytesMut,
}

impl SimpleOutcome {
    /// The only value of the only row.
    pub fn value(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }

    /// The outcome, or the server's error.
    pub fn ok(self) -> Result<SimpleOutcome, Fields> {
        match self.error {
            None => Ok(self),
            Some(error) => Err(error),
        }
    }

    fn note(&mut self, frame: &Frame) {
        match frame.tag() {
            b'D' => {
                self.rows.extend(Row::read(frame).map(|row| row.map_while(Result::ok).map(text).collect()))
            }
            b'C' => self.tags.push(command_tag(frame).to_owned()),
            b'N' => self.notices.extend_from_slice(frame.bytes()),
            b'E' => self.error = self.error.take().or_else(|| Some(error_fields(frame))),
            _ => {}
        }
    }
}

fn text(value: Option<&[u8]>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value).into_owned())
}

impl Connection {
    /// Runs a simple query to its ReadyForQuery. Nothing may be owed before. A COPY from the
    /// client is refused to the server. Not cancel-safe: what was left unread stays owed.
    pub async fn simple(&mut self, sql: &str) -> Result<SimpleOutcome, ServerGone> {
        self.queue_query(sql);
        let mut outcome = SimpleOutcome::default();
        while self.owed() > 0 {
            let frame = self.frame().await?;
            if frame.tag() == b'G' {
                write::copy_fail(self.out(), "no rows were prepared for this COPY");
            }
            if frame.tag() == b'A' {
                let message = self.as_clients_know(&frame);
                self.news.unsplit(message);
            }
            outcome.note(&frame);
        }
        Ok(outcome)
    }
}
