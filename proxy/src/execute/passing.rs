//! Passing a server's replies on as far as they have been read, without waiting and without a copy of
//! their own: how nearly every answer goes. What is rare is left where it is, for [`super::relay`].

use std::collections::VecDeque;
use std::task::{Context, Poll};

use router::ids::ServerId;

use crate::execute::executor::Executor;
use crate::execute::relay::Expect;
use crate::execute::trouble::Trouble;
use crate::metrics::{Count, rows_of};
use crate::net::peer::Peer;
use crate::server::Connection;

/// Longer runs of rows are passed on without a copy, by the relay.
const MOST_COPIED: usize = 8 * 1024;

/// How far an answer was passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// To its end.
    Whole,
    /// As far as it has been read.
    Part,
    /// As far as it has been read, rows among it, which do not wait for more to come.
    Rows,
    /// To something that the relay must look at.
    Apart,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stir {
    /// The server.
    Server,
    /// The client, or its end.
    Client,
}

impl Executor {
    /// Passes on what a branch's server has answered to the client's pipeline.
    pub fn pass_pipeline(
        &mut self,
        peer: &mut Peer,
        server: ServerId,
        expects: &mut VecDeque<Expect>,
    ) -> Passed {
        let Some(branch) = self.transaction.branches.get_mut(server) else { return Passed::Apart };
        let mut rows = 0;
        let passed = pipeline(&mut branch.connection, peer, expects, &mut branch.preparing, &mut rows);
        branch.connection.traffic.rows(rows);
        self.counters.add(Count::Rows, rows);
        if passed == Passed::Whole {
            branch.unsynced = false;
            self.count_sent(server);
        }
        passed
    }

    /// Passes on what a branch's server has answered to one simple query, up to its ReadyForQuery, which the
    /// client does not get; nor what it has answered to a BEGIN ahead of it, of which this is still owed.
    pub fn pass_query(&mut self, peer: &mut Peer, server: ServerId, begun: &mut &[u8]) -> Passed {
        let Some(branch) = self.transaction.branches.get_mut(server) else { return Passed::Apart };
        let mut rows = 0;
        let passed = match begin(&mut branch.connection, begun) {
            Passed::Whole => query(&mut branch.connection, peer, &mut rows),
            passed => passed,
        };
        branch.connection.traffic.rows(rows);
        self.counters.add(Count::Rows, rows);
        passed
    }

    /// Sends what is unsent to a branch's server, and waits until it has answered something or the client
    /// stirs.
    pub fn poll_answer(
        &mut self,
        peer: &mut Peer,
        server: ServerId,
        task: &mut Context<'_>,
    ) -> Poll<Result<Stir, Trouble>> {
        if let Poll::Ready(read) = self.connection(server).poll_exchange(task) {
            return Poll::Ready(read.map(|()| Stir::Server).map_err(Trouble::from));
        }
        peer.poll_stir(task).map(|()| Ok(Stir::Client))
    }

    /// Tells the client of parameters that differ on the branch's connection.
    pub fn report(&mut self, server: ServerId) {
        if let Some(branch) = self.transaction.branches.get(server) {
            self.reported.note_all(&branch.connection);
        }
    }
}

fn pipeline(
    connection: &mut Connection,
    peer: &mut Peer,
    expects: &mut VecDeque<Expect>,
    preparing: &mut Vec<u128>,
    rows: &mut u64,
) -> Passed {
    let mut part = Passed::Part;
    while let Some(expect) = expects.front() {
        if let Expect::Say(bytes) = expect {
            peer.out().extend_from_slice(bytes);
            expects.pop_front();
            continue;
        }
        if let Expect::Execution = expect {
            match pass_rows(connection, peer) {
                Some(0) => {}
                Some(_) => part = Passed::Rows,
                None => return Passed::Apart,
            }
        }
        let front = match connection.front() {
            Ok(Some(front)) => front,
            Ok(None) => return part,
            Err(_) => return Passed::Apart,
        };
        let seen = match (expect, front[0]) {
            (Expect::Swallow(wanted), tag) if tag == *wanted => false,
            (Expect::Ready, b'Z') => false,
            (Expect::Relay(wanted), tag) if tag == *wanted => true,
            (Expect::Parsed(_), b'1') | (Expect::PortalDescription, b'T' | b'n') => true,
            (Expect::Execution, b'C' | b'I' | b's') => {
                *rows += rows_of(front);
                true
            }
            _ => return Passed::Apart,
        };
        if front[0] == b'1' && !preparing.is_empty() {
            preparing.remove(0);
        }
        if seen {
            peer.out().extend_from_slice(front);
        }
        let size = front.len();
        connection.take_front(size);
        expects.pop_front();
    }
    Passed::Whole
}

/// Takes the answer to a BEGIN off.
fn begin(connection: &mut Connection, begun: &mut &[u8]) -> Passed {
    while let [next, rest @ ..] = begun {
        let size = match connection.front() {
            Ok(Some(front)) if front[0] == *next => front.len(),
            Ok(Some(_)) | Err(_) => return Passed::Apart,
            Ok(None) => return Passed::Part,
        };
        connection.take_front(size);
        *begun = rest;
    }
    Passed::Whole
}

fn query(connection: &mut Connection, peer: &mut Peer, rows: &mut u64) -> Passed {
    let mut part = Passed::Part;
    loop {
        match pass_rows(connection, peer) {
            Some(0) => {}
            Some(_) => part = Passed::Rows,
            None => return Passed::Apart,
        }
        let front = match connection.front() {
            Ok(Some(front)) => front,
            Ok(None) => return part,
            Err(_) => return Passed::Apart,
        };
        let (tag, size) = (front[0], front.len());
        match tag {
            b'T' => peer.out().extend_from_slice(front),
            b'C' => {
                *rows += rows_of(front);
                peer.out().extend_from_slice(front);
            }
            b'Z' => {}
            _ => return Passed::Apart,
        }
        connection.take_front(size);
        if tag == b'Z' {
            return Passed::Whole;
        }
    }
}

/// Passes the rows at the front on, and says how many bytes they are; `None` where they are too many, or too
/// long, to be copied.
fn pass_rows(connection: &mut Connection, peer: &mut Peer) -> Option<usize> {
    let rows = connection.rows_at_front(MOST_COPIED).filter(|_| !peer.is_full())?;
    let size = rows.len();
    if size > 0 {
        peer.out().extend_from_slice(rows);
        connection.take_front(size);
    }
    Some(size)
}
