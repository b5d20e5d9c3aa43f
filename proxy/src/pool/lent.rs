//! What is lent, and how it comes back.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::{Handle, Id};

use super::node::{Computing, Node};
use super::shares::TenantHash;
use crate::server::Connection;

/// What becomes of a connection that is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Others may use it, if it is clean.
    Keep,
    /// It is closed.
    Close,
}

/// How far a connection is whose place in a pool is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is being made.
    Login,
    /// It is lent.
    Lent,
}

/// A place in a pool that is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Which pool of the node.
    pub(super) pool: usize,
    /// By whom.
    pub(super) tenant: TenantHash,
    /// The pool's generation when it was taken.
    pub(super) generation: u64,
    /// For what.
    pub(super) stage: Stage,
}

/// The right to have one connection of a pool open. Dropped, somebody else may.
#[derive(Debug)]
pub(super) struct Slot {
    owner: Option<(Arc<Node>, Place)>,
}

impl Slot {
    pub(super) fn new(node: Arc<Node>, place: Place) -> Slot {
        Slot { owner: Some((node, place)) }
    }

    /// The right, for who hands it on by himself.
    pub(super) fn take(&mut self) -> Option<(Arc<Node>, Place)> {
        self.owner.take()
    }

    /// The connection was made.
    pub(super) fn logged_in(&mut self) {
        if let Some((_, place)) = &mut self.owner {
            place.stage = Stage::Lent;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some((node, place)) = self.owner.take() {
            node.give_back(place, None);
        }
    }
}

/// A connection lent to a transaction. Give it back with [`super::Pools::checkin`]; dropped, it is
/// closed, and what runs on it is canceled as well as can be.
#[derive(Debug)]
pub struct Lent {
    /// Present until it is given back or dropped.
    connection: Option<Box<Connection>>,
    slot: Slot,
}

impl Lent {
    pub(super) fn new(mut connection: Box<Connection>, slot: Slot, now: Instant) -> Lent {
        connection.lent_at = now;
        connection.enrolled.iter().for_each(|enrolled| enrolled.note_lent(true));
        Lent { connection: Some(connection), slot }
    }

    /// How busy its server is: connections that are lent there, those who wait for one, and statements that are computed
    /// there over rows of several servers.
    pub fn load(&self) -> usize {
        self.slot.owner.as_ref().map_or(0, |(node, _)| node.load())
    }

    /// Its server computes a statement over rows of several servers, until what this gives is dropped.
    pub fn computes(&self) -> Option<Computing> {
        self.slot.owner.as_ref().map(|(node, _)| Computing::on(Arc::clone(node)))
    }

    /// Has it woken by the runtime of the calling task, which is this; false where it is lost over that.
    pub(super) fn move_here(&mut self, here: Id) -> bool {
        if self.home() != here {
            self.connection = self.connection.take().and_then(|connection| connection.move_to(here).ok());
        }
        self.connection.is_some()
    }

    /// Gives it back.
    pub(super) fn end(mut self, fate: Fate) {
        let Some(mut connection) = self.connection.take() else { return };
        let clean = connection.is_clean();
        // The lease ends in any case: a cancel that is under way must hit nobody else.
        let quiet = connection.end_lease();
        if fate == Fate::Close || !clean || !quiet {
            self.connection = Some(connection);
            return;
        }
        connection.enrolled.iter().for_each(|enrolled| enrolled.note_lent(false));
        if let Some((node, place)) = self.slot.take() {
            node.give_back(place, Some(connection));
        }
    }

    /// Takes the connection, within the node's lock, where nothing may be dropped: the place is the
    /// caller's.
    pub(super) fn into_connection(mut self) -> Option<Box<Connection>> {
        self.slot.take();
        self.connection.take()
    }
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a lent connection is there until it is given back")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a lent connection is there until it is given back")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let runs = connection.owed() > 0 && !connection.is_lost();
        match (runs, Handle::try_current(), self.slot.take()) {
            (true, Ok(runtime), Some((node, place))) => {
                let tasks = node.tasks.clone();
                let slot = Slot::new(node, place);
                // The slot stays taken until the server is free of the statement.
                tasks.spawn_on(
                    async move {
                        connection.cancel_handle().cancel().await;
                        drop((connection, slot));
                    },
                    &runtime,
                );
            }
            (_, _, owner) => {
                self.slot = Slot { owner };
                connection.close();
            }
        }
    }
}
