//! The room that a transaction takes for what it holds. It is handed on from one that ends to the next of
//! the same thread, so that a transaction allocates none, and a silent client has none.

use std::cell::RefCell;

use router::ids::ServerId;
use router::plan::Tenants;

use crate::execute::branches::Branches;
use crate::execute::transaction::Permit;

/// So much room waits on a thread at most, in transactions.
const MOST: usize = 64;

thread_local! {
    static ROOM: RefCell<Vec<Room>> = const { RefCell::new(Vec::new()) };
}

/// What is empty, and has allocated.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) branches: Branches,
    pub(super) passes: Vec<Permit>,
    pub(super) wrote: Vec<(ServerId, Tenants)>,
}

impl Room {
    /// Room for a transaction.
    pub(super) fn take() -> Room {
        ROOM.with_borrow_mut(Vec::pop)
            .unwrap_or_else(|| Room { passes: Vec::with_capacity(1), ..Room::default() })
    }

    /// Leaves the room to others. What was in it is dropped here, outside of where others look.
    pub(super) fn put(mut self) {
        self.branches.clear();
        self.passes.clear();
        self.wrote.clear();
        ROOM.with_borrow_mut(|waiting| {
            if waiting.len() < MOST {
                waiting.push(self);
            }
        });
    }
}
