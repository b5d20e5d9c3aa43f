//! Frames in and out of one connection, and what the server still owes.
//!
//! Writes and reads advance together, so two peers with full buffers never wait for one another.
//! Everything that is half done lives in the connection: every future here may be dropped and
//! asked for again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::runtime::{Handle, Id};

use super::alarm::Alarm;
use super::applied::Applied;
use super::cancel::{CancelHandle, Gate, Reach};
use super::handshake::Welcome;
use super::prepared::PreparedStatements;
use super::roster::Enrolled;
use super::target::Target;
use crate::metrics::{Traffic, rows_of};
use crate::net::Stream;
use crate::wire::frame::{SERVER_LIMIT, front, next_tag, run};
use crate::wire::view::{Fields, error_fields, parameter_status, ready_status};
use crate::wire::{Encoding, Frame, WireFault, cut, cut_begun, cut_rest, cut_run, write};

/// The least that is asked for in one read.
const READ_LEAST: usize = 8 << 10;
/// The most that is asked for in one read, once reads come back full.
const READ_MOST: usize = 128 << 10;
/// A row of which so much has come is passed on before it is whole.
const LONG_ROW: usize = 64 << 10;
/// A flush reads no more answers than this ahead of who takes them.
const READ_AHEAD: usize = 1 << 20;

/// The transaction status of a server's last ReadyForQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Outside a transaction block.
    Idle,
    /// Inside one.
    InTransaction,
    /// Inside one that failed.
    Failed,
}

impl TransactionStatus {
    /// The status by ReadyForQuery's byte; an unknown byte counts as failed.
    pub fn of(byte: u8) -> TransactionStatus {
        match byte {
            b'I' => TransactionStatus::Idle,
            b'T' => TransactionStatus::InTransaction,
            _ => TransactionStatus::Failed,
        }
    }

    /// ReadyForQuery's byte.
    pub fn byte(self) -> u8 {
        match self {
            TransactionStatus::Idle => b'I',
            TransactionStatus::InTransaction => b'T',
            TransactionStatus::Failed => b'E',
        }
    }
}

/// A connection is lost.
#[derive(Clone, Debug, thiserror::Error)]
#[error("lost the connection to server {server} at {node}: {why}")]
pub struct ServerGone {
    /// The server's name.
    pub server: String,
    /// The node, `host:port`.
    pub node: String,
    /// How.
    pub why: WhyGone,
}

/// How a connection was lost.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WhyGone {
    /// The node closed it, perhaps after a last FATAL error.
    #[error("closed by the server{}", .0.as_ref().map(|fields| format!(": {fields}")).unwrap_or_default())]
    Closed(Option<Box<Fields>>),
    /// The network failed.
    #[error("{0}")]
    Network(Arc<io::Error>),
    /// The node has been silent for too long.
    #[error("the node does not answer any more")]
    Silent,
    /// What the node said is not the protocol.
    #[error("{0}")]
    Protocol(#[from] WireFault),
}

/// What a server says to who relays it.
#[derive(Debug)]
pub enum Reply {
    /// A message that is not a row.
    Frame(Frame),
    /// Rows, or pieces of COPY, as they came; the last may be a part of a long one.
    Rows(BytesMut),
}

/// Whose numbers a connection remembers, drawn from sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumbersOf {
    /// Nobody's.
    Nobody,
    /// This session's alone, by its number.
    Session(u64),
    /// Several sessions'.
    Several,
}

impl NumbersOf {
    /// The same once a session uses the connection.
    pub fn and(self, session: u64) -> NumbersOf {
        match self {
            NumbersOf::Nobody => NumbersOf::Session(session),
            NumbersOf::Session(known) if known == session => self,
            NumbersOf::Session(_) | NumbersOf::Several => NumbersOf::Several,
        }
    }
}

/// One connection to one node.
#[derive(Debug)]
pub struct Connection {
    /// What is prepared on it.
    pub statements: PreparedStatements,
    /// The session settings applied on it. Who lends it keeps them.
    pub settings: Applied,
    /// When it was made.
    pub created: Instant,
    /// When it was last given back.
    pub last_used: Instant,
    /// Its number among the connections of its pools; 0 outside them.
    pub id: u64,
    /// The runtime that wakes who waits for it.
    home: Id,
    /// Raised when the node is given up: an answer that it still owes will not come.
    pub alarm: Arc<Alarm>,
    /// The session whose numbers `currval` and `lastval` tell here.
    pub numbers_of: NumbersOf,
    /// What went over it; of pools' connections it is shown.
    pub traffic: Traffic,
    /// Its place among those that an operator can look at.
    pub enrolled: Option<Enrolled>,
    /// Notifications that came while a statement of the proxy's own ran, as messages.
    pub news: BytesMut,
    target: Arc<Target>,
    stream: Stream,
    inbound: BytesMut,
    /// How many bytes are still to come of a row whose beginning was taken.
    rest: usize,
    outbound: BytesMut,
    unflushed: bool,
    read_size: usize,
    status: TransactionStatus,
    owed: u32,
    parameters: BTreeMap<String, String>,
    parameters_changed: u64,
    encoding: Encoding,
    parting: Option<Box<Fields>>,
    lost: bool,
    reach: Arc<Reach>,
}

impl Connection {
    pub(super) fn new(target: Arc<Target>, welcome: Welcome, gate: Arc<Gate>) -> Connection {
        const STATEMENTS: usize = 500;
        let now = Instant::now();
        let (process, key) = (welcome.process, welcome.key);
        Connection {
            reach: Arc::new(Reach { target: Arc::clone(&target), process, key, gate }),
            statements: PreparedStatements::new(STATEMENTS),
            traffic: Traffic::default(),
            settings: Applied::default(),
            created: now,
            last_used: now,
            id: 0,
            alarm: Arc::default(),
            numbers_of: NumbersOf::Nobody,
            home: Handle::current().id(),
            news: BytesMut::new(),
            target,
            stream: welcome.stream,
            inbound: welcome.inbound,
            rest: 0,
            outbound: BytesMut::new(),
            unflushed: false,
            read_size: READ_LEAST,
            status: TransactionStatus::Idle,
            owed: 0,
            encoding: encoding_of(&welcome.parameters),
            parameters: welcome.parameters,
            parameters_changed: 0,
            parting: None,
            lost: false,
            enrolled: None,
        }
    }

    /// Where it was dialed to.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The node's host and port.
    pub fn node(&self) -> (&str, u16) {
        (&self.target.host, self.target.port)
    }

    /// The server's process, as in `pg_stat_activity`.
    pub fn process(&self) -> i32 {
        self.reach.process
    }

    /// A message that came unasked, for the client: a notification names the client that sent it, where
    /// it came by a process of this proxy's, for that client knows no other name of itself.
    pub fn as_clients_know(&self, frame: &Frame) -> BytesMut {
        let mut message = BytesMut::from(&frame.bytes()[..]);
        if frame.tag() == b'A'
            && let Some((_, [a, b, c, d, ..])) = message.split_at_mut_checked(5)
            && let Some(enrolled) = &self.enrolled
            && let Some(client) = enrolled.user_of(i32::from_be_bytes([*a, *b, *c, *d]))
        {
            [*a, *b, *c, *d] = client.to_be_bytes();
        }
        message
    }

    /// The settings that the server reports, as of the last frame taken.
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// How texts are written to it, as of the last frame taken.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Names what [`Self::parameters`] holds: the same as long as nothing in it changes, and no other
    /// connection's.
    pub fn parameters_state(&self) -> (u64, u64) {
        (self.id, self.parameters_changed)
    }

    /// Cancels what runs here until the connection is given back.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle { lease: self.reach.gate.lease(), reach: Arc::clone(&self.reach) }
    }

    /// Ends the lease: cancel handles of it do nothing any more. False where one is under way: the
    /// connection must be closed.
    pub fn end_lease(&mut self) -> bool {
        self.last_used = Instant::now();
        self.reach.gate.end_lease()
    }

    /// Why what ran was canceled, where it had taken too long; answered once.
    pub fn take_timed_out(&self) -> Option<&'static str> {
        self.reach.gate.take_timed_out()
    }

    /// What is still to be written: append messages here. Whoever appends a Query, Sync or
    /// FunctionCall also calls [`Self::owe_ready`].
    pub fn out(&mut self) -> &mut BytesMut {
        &mut self.outbound
    }

    /// One more ReadyForQuery is owed.
    pub fn owe_ready(&mut self) {
        self.owed += 1;
    }

    /// Appends a Sync, and counts it.
    pub fn queue_sync(&mut self) {
        write::sync(&mut self.outbound);
        self.owe_ready();
    }

    /// Appends a simple Query, and counts it.
    pub fn queue_query(&mut self, text: &str) {
        write::query(&mut self.outbound, &written(self.encoding, text));
        self.owe_ready();
    }

    /// Appends a Parse.
    pub fn queue_parse(&mut self, name: &str, text: &str, types: &[u32]) {
        write::parse(&mut self.outbound, name.as_bytes(), &written(self.encoding, text), types);
    }

    /// How many ReadyForQuery are owed.
    pub fn owed(&self) -> u32 {
        self.owed
    }

    /// The status of the last ReadyForQuery.
    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    /// How many bytes are still to be written.
    pub fn unsent(&self) -> usize {
        self.outbound.len()
    }

    /// True where the next user would find nothing of this one: outside a transaction, nothing
    /// owed, unsent or unread. Settings and prepared statements are counted elsewhere.
    pub fn is_clean(&self) -> bool {
        !self.lost
            && self.status == TransactionStatus::Idle
            && self.owed == 0
            && self.outbound.is_empty()
            && self.inbound.is_empty()
    }

    /// The runtime that wakes who waits for this connection.
    pub fn home(&self) -> Id {
        self.home
    }

    /// The same connection, woken from now on by the runtime of the calling task, which is `here`.
    ///
    /// # Errors
    /// The connection could not be moved, and is closed.
    pub fn move_to(self: Box<Self>, here: Id) -> io::Result<Box<Connection>> {
        let mut connection = *self;
        connection.stream = connection.stream.move_here()?;
        connection.home = here;
        Ok(Box::new(connection))
    }

    /// True where it is encrypted.
    pub fn is_secure(&self) -> bool {
        self.stream.is_secure()
    }

    /// True once the connection is lost.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// The next frame from the server, writing what is unsent meanwhile. Keeps status, parameters
    /// and what is owed up to date. Cancel-safe.
    pub async fn frame(&mut self) -> Result<Frame, ServerGone> {
        loop {
            if let Some(frame) = self.buffered_frame()? {
                return Ok(frame);
            }
            std::future::poll_fn(|task| self.poll_exchange(task)).await?;
        }
    }

    /// As [`Self::frame`], but a row, or a piece of COPY, that is too long to be held is not waited for:
    /// it is given as far as it has come, and [`Self::rest`] says what is missing.
    pub async fn reply(&mut self) -> Result<Reply, ServerGone> {
        std::future::poll_fn(|task| self.poll_reply(task)).await
    }

    /// As [`Self::reply`], for who waits for several connections at once. Cancel-safe.
    pub fn poll_reply(&mut self, task: &mut Context<'_>) -> Poll<Result<Reply, ServerGone>> {
        loop {
            if let Some(rows) = self.buffered_rows() {
                return Poll::Ready(Ok(Reply::Rows(rows)));
            }
            if let Some(frame) = self.buffered_frame()? {
                return Poll::Ready(Ok(Reply::Frame(frame)));
            }
            std::task::ready!(self.poll_exchange(task))?;
        }
    }

    /// How many bytes are missing of the last row that [`Self::buffered_rows`] gave.
    pub fn rest(&self) -> usize {
        self.rest
    }

    /// The next frame if it has been read already. What is missing of a row that was taken in part is
    /// dropped.
    pub fn buffered_frame(&mut self) -> Result<Option<Frame>, ServerGone> {
        if self.rest > 0 {
            cut_rest(&mut self.inbound, &mut self.rest);
            if self.rest > 0 {
                return Ok(None);
            }
        }
        let frame = cut(&mut self.inbound, SERVER_LIMIT).map_err(|fault| self.gone(fault.into()))?;
        if let Some(frame) = &frame {
            self.note(frame);
        }
        Ok(frame)
    }

    /// The message at the front of what has been read, where all of it is there.
    ///
    /// # Errors
    /// What was read is no message, or is the rest of one.
    pub fn front(&self) -> Result<Option<&[u8]>, WireFault> {
        front(&self.inbound, SERVER_LIMIT)
    }

    /// The whole rows at the front of what has been read; `None` where they are longer than `most` bytes, or
    /// one of them is too long to be waited for.
    pub fn rows_at_front(&self, most: usize) -> Option<&[u8]> {
        let rows = run(&self.inbound, b"D");
        let begun = &self.inbound[rows..];
        let long = begun.len() >= LONG_ROW && begun.first() == Some(&b'D');
        (self.rest == 0 && rows <= most && !long).then(|| &self.inbound[..rows])
    }

    /// Takes what was looked at by [`Self::front`] or [`Self::rows_at_front`]: no error, and nothing that
    /// changes the connection but ReadyForQuery.
    pub fn take_front(&mut self, size: usize) {
        if let [b'Z', _, _, _, _, status, ..] = self.inbound[..] {
            self.note_ready(status);
        }
        self.inbound.advance(size.min(self.inbound.len()));
    }

    /// True where something has been read that nobody took yet.
    pub fn has_read(&self) -> bool {
        !self.inbound.is_empty()
    }

    /// All the rows (or pieces of COPY) at the front of what has been read, as one piece of bytes to
    /// relay; the last may be a part of a long one.
    pub fn buffered_rows(&mut self) -> Option<BytesMut> {
        if self.rest > 0 {
            return Some(cut_rest(&mut self.inbound, &mut self.rest)).filter(|piece| !piece.is_empty());
        }
        let tag = [next_tag(&self.inbound).filter(|tag| matches!(tag, b'D' | b'd'))?];
        if let Some(rows) = cut_run(&mut self.inbound, &tag) {
            return Some(rows);
        }
        let (piece, rest) = cut_begun(&mut self.inbound, &tag, LONG_ROW)?;
        self.rest = rest;
        Some(piece)
    }

    /// Writes what is unsent. Where the server does not read because its own answers wait, they
    /// are read into memory up to a bound; beyond it this returns early with [`Self::unsent`] > 0,
    /// and the caller must take frames, which goes on writing. Cancel-safe.
    pub async fn flush(&mut self) -> Result<(), ServerGone> {
        std::future::poll_fn(|task| self.poll_flush(task)).await
    }

    fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<Result<(), ServerGone>> {
        loop {
            if self.poll_write_out(task)?.is_ready() || self.inbound.len() >= READ_AHEAD {
                return Poll::Ready(Ok(()));
            }
            match self.poll_read_in(task) {
                Poll::Pending => return self.unless_given_up(task),
                Poll::Ready(read) => read?,
            }
        }
    }

    /// Takes in what the server said while nobody listened: settings, notices, or good-bye. False
    /// where the connection can not be used.
    pub fn still_there(&mut self) -> bool {
        loop {
            match self.buffered_frame() {
                Ok(Some(frame)) if matches!(frame.tag(), b'S' | b'N' | b'A') => {}
                Ok(Some(_)) | Err(_) => return false,
                Ok(None) => match self.stream.read_buf(&mut self.inbound).now_or_never() {
                    None => return self.inbound.is_empty(),
                    Some(Ok(1..)) => {}
                    Some(Ok(0) | Err(_)) => return false,
                },
            }
        }
    }

    /// Says good-bye as far as that needs no waiting, and closes.
    pub fn close(mut self) {
        if !self.lost && self.outbound.is_empty() {
            write::terminate(&mut self.outbound);
            let _ = self.flush().now_or_never();
        }
    }

    /// Writes and reads at once; ready when something was read. Cancel-safe.
    pub fn poll_exchange(&mut self, task: &mut Context<'_>) -> Poll<Result<(), ServerGone>> {
        if self.lost {
            return Poll::Ready(Err(self.gone(WhyGone::Closed(None))));
        }
        // A server that closes often says why first: the reason is read even if writing fails.
        let written = self.poll_write_out(task);
        match (self.poll_read_in(task), written) {
            (Poll::Pending, Err(gone)) => Poll::Ready(Err(gone)),
            (Poll::Pending, Ok(_)) => self.unless_given_up(task),
            (read, _) => read,
        }
    }

    fn unless_given_up(&mut self, task: &Context<'_>) -> Poll<Result<(), ServerGone>> {
        match self.alarm.is_raised(task) {
            false => Poll::Pending,
            true => Poll::Ready(Err(self.gone(WhyGone::Silent))),
        }
    }

    /// Ready when all is written and flushed.
    fn poll_write_out(&mut self, task: &mut Context<'_>) -> Result<Poll<()>, ServerGone> {
        while !self.outbound.is_empty() {
            match Pin::new(&mut self.stream).poll_write(task, &self.outbound) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(0)) => return Err(self.gone(WhyGone::Closed(None))),
                Poll::Ready(Ok(written)) => {
                    self.traffic.sent(written);
                    self.outbound.advance(written);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Err(self.gone(WhyGone::Network(Arc::new(error)))),
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(task) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Err(self.gone(WhyGone::Network(Arc::new(error)))),
            }
        }
        Ok(Poll::Ready(()))
    }

    fn poll_read_in(&mut self, task: &mut Context<'_>) -> Poll<Result<(), ServerGone>> {
        self.inbound.reserve(self.read_size);
        let room = self.inbound.capacity() - self.inbound.len();
        let read = std::task::ready!(pin!(self.stream.read_buf(&mut self.inbound)).poll(task));
        Poll::Ready(match read {
            Ok(0) => Err(self.gone(WhyGone::Closed(None))),
            Ok(count) => {
                self.traffic.received(count);
                self.read_size = if count == room {
                    (self.read_size * 2).min(READ_MOST)
                } else {
                    (self.read_size / 2).max(READ_LEAST)
                };
                Ok(())
            }
            Err(error) => Err(self.gone(WhyGone::Network(Arc::new(error)))),
        })
    }

    fn note_ready(&mut self, status: u8) {
        self.status = TransactionStatus::of(status);
        self.owed = self.owed.saturating_sub(1);
        self.statements.closes_heard();
    }

    fn note(&mut self, frame: &Frame) {
        match frame.tag() {
            b'Z' => self.note_ready(ready_status(frame)),
            b'C' => self.traffic.rows(rows_of(frame.body())),
            b'S' => {
                if let Some((name, value)) = parameter_status(frame) {
                    self.parameters.insert(name.to_owned(), value.to_owned());
                    self.parameters_changed += 1;
                    self.encoding = encoding_of(&self.parameters);
                }
            }
            b'E' => {
                let fields = error_fields(frame);
                if fields.is_fatal() {
                    self.parting = Some(Box::new(fields));
                }
            }
            _ => {}
        }
    }

    /// Marks the connection lost; a FATAL that the server sent before is the better reason.
    fn gone(&mut self, why: WhyGone) -> ServerGone {
        self.lost = true;
        let why = match self.parting.take() {
            Some(fields) => WhyGone::Closed(Some(fields)),
            None => why,
        };
        ServerGone { server: self.target.server.clone(), node: self.target.node(), why }
    }
}

/// How a server that reports these settings reads texts.
fn encoding_of(parameters: &BTreeMap<String, String>) -> Encoding {
    parameters.get("client_encoding").and_then(|name| Encoding::named(name)).unwrap_or_default()
}

/// A statement as the server reads it. Where it cannot be written so, what the server gets is no
/// statement: another one than the client's must never run.
fn written(encoding: Encoding, text: &str) -> Cow<'_, [u8]> {
    encoding.write(text).unwrap_or(Cow::Borrowed(b"characters that client_encoding cannot write"))
}
