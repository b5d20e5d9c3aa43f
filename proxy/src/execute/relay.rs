//! Bringing a server's replies to the client: as bytes, in bulk where they are rows, and with an eye
//! on the few that change the session.
//!
//! While it waits for the server it watches the client: one that goes away has its query cancelled by
//! the connection's being dropped.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::ClientError;
use crate::execute::aim::Aim;
use crate::execute::cancel::cancelled_for;
use crate::execute::described::Reading;
use crate::execute::reported::Reported;
use crate::execute::trouble::Trouble;
use crate::execute::two_phase::shows_rows_written;
use crate::metrics::rows_of;
use crate::net::peer::{Copied, Peer};
use crate::server::{Connection, Reply};
use crate::wire::frame::Frame;
use crate::wire::{view, write};

/// How much COPY data may wait for a server.
const COPY_AHEAD: usize = 256 * 1024;

/// A reply that the server owes.
#[derive(Debug)]
pub enum Expect {
    /// One message with this tag, asked for by the proxy itself.
    Swallow(u8),
    /// One message with this tag, asked for by the client.
    Relay(u8),
    /// ParseComplete for the statement that the client calls so.
    Parsed(Arc<str>),
    /// ParameterDescription, then RowDescription or NoData, by which the client reads all later rows.
    StatementDescription(Reading),
    /// RowDescription or NoData, to be compared with what the client was told before.
    Confirmation(Reading),
    /// The same, for a client that asked for the rows only.
    RowsOfStatement,
    /// RowDescription or NoData.
    PortalDescription,
    /// The same, by which the client reads all later rows of its statement.
    FirstPortalDescription(Reading),
    /// Rows or COPY data up to CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execution,
    /// Nothing of the server's: what the proxy says in this place.
    Say(Bytes),
    /// ReadyForQuery, which the proxy answers itself.
    Ready,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy)]
enum Last {
    /// With one message of this tag, which the client does not see.
    Swallowed(u8),
    /// With one message of this tag, for the client.
    Relayed(u8),
    /// With RowDescription or NoData, which is for the caller to relay.
    Description,
    /// With CommandComplete, EmptyQueryResponse or PortalSuspended.
    Completion,
}

/// What a relayed statement left.
#[derive(Debug, Default)]
pub struct Relayed {
    /// The last CommandComplete, held back until the transaction's end is certain.
    pub completion: Option<Bytes>,
}

/// A server connection and the client that it answers.
pub struct Relay<'a> {
    /// The server's side.
    pub connection: &'a mut Connection,
    /// The client's side.
    pub peer: &'a mut Peer,
    /// What the client was told of the server's parameters.
    pub reported: &'a mut Reported,
    /// True where a simple query's rows are announced by a RowDescription.
    pub describe: bool,
    /// How many rows commands of the extended protocol returned or changed.
    pub rows: u64,
    /// True where one of them wrote rows.
    pub wrote: bool,
    /// The class of the error that the client was told.
    pub class: Option<[u8; 2]>,
    /// Where errors point, where the server got another text than the client sent.
    pub aim: Option<Aim<'a>>,
    early: Option<Frame>,
}

impl<'a> Relay<'a> {
    /// A relay between these two.
    pub fn new(connection: &'a mut Connection, peer: &'a mut Peer, reported: &'a mut Reported) -> Relay<'a> {
        let (rows, wrote, class) = (0, false, None);
        Relay { connection, peer, reported, describe: true, rows, wrote, class, aim: None, early: None }
    }

    /// The next reply of the server; notes parameters. The client's departure ends it.
    async fn reply(&mut self) -> Result<Frame, Trouble> {
        if let Some(frame) = self.early.take() {
            return Ok(frame);
        }
        tokio::select! {
            biased;
            frame = self.connection.frame() => frame.map_err(Trouble::from),
            gone = self.peer.departure() => Err(Trouble::Gone(gone)),
        }
    }

    /// As [`Self::reply`], with the rows before it passed on. Rows and notices do not wait here for
    /// more to come.
    async fn reply_after_rows(&mut self) -> Result<Frame, Trouble> {
        if let Some(frame) = self.early.take() {
            return Ok(frame);
        }
        loop {
            let reply = tokio::select! {
                biased;
                reply = self.connection.reply() => reply?,
                gone = self.peer.departure() => return Err(gone.into()),
            };
            match reply {
                Reply::Frame(frame) => return Ok(frame),
                Reply::Rows(rows) => self.peer.relay(rows, self.connection.rest()).await?,
            }
            if !self.connection.has_read() {
                self.peer.flush().await?;
            }
        }
    }

    /// Relays the replies to one simple query up to its ReadyForQuery, which is not relayed.
    ///
    /// # Errors
    /// [`Trouble::Told`] where the server answered with an error (read up to ReadyForQuery).
    pub async fn simple(&mut self) -> Result<Relayed, Trouble> {
        let mut relayed = Relayed::default();
        let mut failed = false;
        loop {
            let frame = match self.reply_after_rows().await {
                Ok(frame) => frame,
                // A server that says why before it closes has told the client.
                Err(Trouble::Relay(_) | Trouble::Tell(_)) if failed => return Err(Trouble::Told),
                Err(trouble) => return Err(trouble),
            };
            match frame.tag() {
                b'Z' => break,
                b'T' if !self.describe => {}
                b'C' => {
                    if let Some(earlier) = relayed.completion.replace(frame.into_bytes()) {
                        self.peer.out().extend_from_slice(&earlier);
                    }
                }
                b'E' => {
                    failed = true;
                    self.error(&frame)?;
                }
                b'G' => Box::pin(self.copy_in(frame)).await?,
                _ => self.pass(frame).await?,
            }
        }
        if failed { Err(Trouble::Told) } else { Ok(relayed) }
    }

    /// Relays the replies that are owed, in their order. `preparing` names the statements whose
    /// ParseComplete is among them.
    ///
    /// # Errors
    /// [`Trouble::Told`] where the server answered with an error; the connection is read up to
    /// ReadyForQuery then. Of what was expected, the client's statements that were not prepared remain.
    pub async fn extended(
        &mut self,
        expects: &mut VecDeque<Expect>,
        preparing: &mut Vec<u128>,
    ) -> Result<(), Trouble> {
        while let Some(expect) = expects.pop_front() {
            if let Err(trouble) = self.answer(&expect, preparing).await {
                expects.push_front(expect);
                if let Trouble::Told = trouble {
                    for fingerprint in preparing.drain(..) {
                        self.connection.statements.forget(fingerprint);
                    }
                    self.connection.statements.closes_skipped();
                    let synced = expects.iter().any(|expect| matches!(expect, Expect::Ready));
                    Box::pin(self.resynchronise(synced)).await?;
                }
                expects.retain(|expect| matches!(expect, Expect::Parsed(_)));
                return Err(trouble);
            }
        }
        Ok(())
    }

    async fn answer(&mut self, expect: &Expect, preparing: &mut Vec<u128>) -> Result<(), Trouble> {
        match expect {
            Expect::Say(bytes) => {
                self.peer.out().extend_from_slice(bytes);
                Ok(())
            }
            Expect::Swallow(tag) => self.until(Last::Swallowed(*tag), preparing).await.map(drop),
            Expect::Relay(tag) => self.until(Last::Relayed(*tag), preparing).await.map(drop),
            Expect::Parsed(_) => self.until(Last::Relayed(b'1'), preparing).await.map(drop),
            Expect::Ready => self.until(Last::Swallowed(b'Z'), preparing).await.map(drop),
            Expect::StatementDescription(reading) => {
                self.until(Last::Relayed(b't'), preparing).await?;
                self.tell(reading, preparing).await
            }
            Expect::FirstPortalDescription(reading) => self.tell(reading, preparing).await,
            Expect::Confirmation(reading) => {
                reading.confirm(&self.until(Last::Description, preparing).await?);
                Ok(())
            }
            Expect::RowsOfStatement => {
                self.until(Last::Swallowed(b't'), preparing).await?;
                self.relay_description(preparing).await
            }
            Expect::PortalDescription => self.relay_description(preparing).await,
            Expect::Execution => self.until(Last::Completion, preparing).await.map(drop),
        }
    }

    async fn tell(&mut self, reading: &Reading, preparing: &mut Vec<u128>) -> Result<(), Trouble> {
        let description = self.until(Last::Description, preparing).await?;
        reading.tell(&description);
        self.peer.out().extend_from_slice(description.bytes());
        Ok(())
    }

    async fn relay_description(&mut self, preparing: &mut Vec<u128>) -> Result<(), Trouble> {
        let description = self.until(Last::Description, preparing).await?;
        self.peer.out().extend_from_slice(description.bytes());
        Ok(())
    }

    /// Relays messages up to the last one of an answer, which is the result; asynchronous ones are passed
    /// on.
    async fn until(&mut self, last: Last, preparing: &mut Vec<u128>) -> Result<Frame, Trouble> {
        loop {
            let frame = match last {
                Last::Completion => self.reply_after_rows().await?,
                Last::Swallowed(_) | Last::Relayed(_) | Last::Description => match self.read_already()? {
                    Some(frame) => frame,
                    None => self.reply().await?,
                },
            };
            match (frame.tag(), last) {
                (b'E', _) => {
                    self.error(&frame)?;
                    return Err(Trouble::Told);
                }
                (b'N' | b'S' | b'A', _) => self.pass(frame).await?,
                (tag, Last::Swallowed(wanted) | Last::Relayed(wanted)) if tag == wanted => {
                    if tag == b'1' && !preparing.is_empty() {
                        preparing.remove(0);
                    }
                    if let Last::Relayed(_) = last {
                        self.peer.out().extend_from_slice(frame.bytes());
                    }
                    return Ok(frame);
                }
                (b'T' | b'n', Last::Description) => return Ok(frame),
                (b'C' | b'I' | b's', Last::Completion) => {
                    self.rows += rows_of(frame.bytes());
                    self.wrote |= shows_rows_written(frame.bytes());
                    self.peer.out().extend_from_slice(frame.bytes());
                    return Ok(frame);
                }
                (b'G', Last::Completion) => {
                    Box::pin(self.copy_in(frame)).await?;
                    // While it copied, the server heard no Flush: without this one it keeps its word.
                    write::flush(self.connection.out());
                }
                (b'Z', Last::Completion) => return Err(out_of_step(b'Z')),
                (_, Last::Completion) => self.pass(frame).await?,
                (found, Last::Swallowed(_) | Last::Relayed(_) | Last::Description) => {
                    return Err(out_of_step(found));
                }
            }
        }
    }

    /// The next reply if it is here.
    fn read_already(&mut self) -> Result<Option<Frame>, Trouble> {
        match self.early.take() {
            Some(frame) => Ok(Some(frame)),
            None => Ok(self.connection.buffered_frame()?),
        }
    }

    /// Reads to the ReadyForQuery that ends a failed pipeline; asks for it where nobody did. A server
    /// that ends its connection instead has told the client why.
    async fn resynchronise(&mut self, synced: bool) -> Result<(), Trouble> {
        if !synced {
            self.connection.queue_sync();
        }
        loop {
            match self.reply().await {
                Ok(frame) if frame.tag() == b'Z' => return Ok(()),
                Ok(frame) if frame.tag() == b'S' => self.parameter(&frame),
                Ok(_) => {}
                Err(Trouble::Gone(gone)) => return Err(gone.into()),
                Err(_) => return Ok(()),
            }
        }
    }

    /// Passes a message on.
    async fn pass(&mut self, frame: Frame) -> Result<(), Trouble> {
        match frame.tag() {
            b'S' => self.parameter(&frame),
            b'A' => self.peer.out().unsplit(self.connection.as_clients_know(&frame)),
            _ => self.peer.out().extend_from_slice(frame.bytes()),
        }
        match frame.tag() {
            // Who raises a notice wants it to be seen now.
            b'N' if !self.connection.has_read() => Ok(self.peer.flush().await?),
            _ => Ok(self.peer.relieve().await?),
        }
    }

    /// A parameter changed; the client hears it if it is news and the same on every node.
    fn parameter(&mut self, frame: &Frame) {
        if let Some((name, value)) = view::parameter_status(frame) {
            self.reported.note(name, value);
        }
    }

    /// Passes an error on. One that ends the server's connection does not end the client's session: the
    /// caller tells it, and closes the connection.
    fn error(&mut self, frame: &Frame) -> Result<(), Trouble> {
        let fields = view::error_fields(frame);
        if fields.is_fatal() {
            return Err(fields.into());
        }
        self.class = fields.sqlstate().as_bytes().first_chunk::<2>().copied();
        if fields.sqlstate() == "57014"
            && let Some(why) = self.connection.take_timed_out()
        {
            let error = cancelled_for(why);
            if error.is_fatal() {
                return Err(error.into());
            }
            error.encode(self.peer.out());
            return Ok(());
        }
        match self.aim {
            Some(aim) => write::error(self.peer.out(), &aim.correct(&fields)),
            None => self.peer.out().extend_from_slice(frame.bytes()),
        }
        Ok(())
    }

    /// COPY FROM STDIN: the client's data goes to the server until one of them ends it.
    async fn copy_in(&mut self, invitation: Frame) -> Result<(), Trouble> {
        self.peer.out().extend_from_slice(invitation.bytes());
        self.peer.flush().await?;
        loop {
            // Here and not beside the reading: what waits for an answer does not see that there is room again.
            if self.connection.unsent() >= COPY_AHEAD {
                self.connection.flush().await?;
            }
            let roomy = self.connection.unsent() < COPY_AHEAD;
            tokio::select! {
                biased;
                frame = self.connection.frame() => {
                    let frame = frame.map_err(Trouble::from)?;
                    match frame.tag() {
                        // A trigger speaks while rows come: the COPY goes on.
                        b'N' | b'S' | b'A' => self.pass(frame).await?,
                        // The server has given up; what the client still sends is dropped by the session.
                        _ => {
                            self.early = Some(frame);
                            return Ok(());
                        }
                    }
                }
                copied = self.peer.copied(), if roomy => match copied? {
                    // Where one message ends and the next begins means nothing to a server.
                    Copied::Data(part) => write::copy_data(self.connection.out(), &part),
                    Copied::Frame(frame) => match frame.tag() {
                        b'd' => self.connection.out().extend_from_slice(frame.bytes()),
                        b'c' | b'f' => {
                            self.connection.out().extend_from_slice(frame.bytes());
                            return Ok(());
                        }
                        b'S' | b'H' => {}
                        tag => {
                            let message = format!("unexpected message type 0x{tag:02X} during COPY from stdin");
                            return Err(ClientError::protocol(message).into());
                        }
                    }
                }
            }
        }
    }
}

fn out_of_step(found: u8) -> Trouble {
    Trouble::Tell(ClientError::new("08P01", format!("the server sent \"{}\" out of turn", found as char)))
}
