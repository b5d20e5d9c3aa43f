//! One connection to one node: what is applied and prepared on it, and what the server still owes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::runtime::{Handle, Id};

use super::alarm::Alarm;
use super::applied::Applied;
use super::cancel::{CancelHandle, Gate, Reach};
use super::handshake::Welcome;
use super::prepared::PreparedStatements;
use super::roster::Enrolled;
use super::status::{NumbersOf, TransactionStatus};
use super::target::Target;
use crate::metrics::Traffic;
use crate::net::Stream;
use crate::wire::view::Fields;
use crate::wire::{Encoding, Frame, write};

/// The least that is asked for in one read.
pub(super) const READ_LEAST: usize = 8 << 10;

/// One connection to one node.
#[derive(Debug)]
pub struct Connection {
    /// What is prepared on it.
    pub statements: PreparedStatements,
    /// The session settings applied on it. Who lends it keeps them.
    pub settings: Applied,
    /// When it was made.
    pub created: Instant,
    /// When it was last lent.
    pub lent_at: Instant,
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
    pub(super) target: Arc<Target>,
    pub(super) stream: Stream,
    pub(super) inbound: BytesMut,
    /// How many bytes are still to come of a row whose beginning was taken.
    pub(super) rest: usize,
    pub(super) outbound: BytesMut,
    pub(super) unflushed: bool,
    pub(super) read_size: usize,
    pub(super) status: TransactionStatus,
    pub(super) owed: u32,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) parameters_changed: u64,
    pub(super) encoding: Encoding,
    pub(super) parting: Option<Box<Fields>>,
    pub(super) lost: bool,
    pub(super) reach: Arc<Reach>,
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
            lent_at: now,
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
}

/// How a server that reports these settings reads texts.
pub(super) fn encoding_of(parameters: &BTreeMap<String, String>) -> Encoding {
    parameters.get("client_encoding").and_then(|name| Encoding::named(name)).unwrap_or_default()
}

/// A statement as the server reads it. Where it cannot be written so, what the server gets is no
/// statement: another one than the client's must never run.
fn written(encoding: Encoding, text: &str) -> Cow<'_, [u8]> {
    encoding.write(text).unwrap_or(Cow::Borrowed(b"characters that client_encoding cannot write"))
}
