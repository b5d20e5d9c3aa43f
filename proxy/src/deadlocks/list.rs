//! The transactions of a database that have branches on several servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use router::ids::ServerId;

use crate::execute::cancel::Cancellable;

/// The list.
#[derive(Debug, Default)]
pub struct Transactions {
    all: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

/// A transaction.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) since: Instant,
    /// For what can be run again, and nobody notices: how often it has given way.
    pub(super) gave_way: Option<u32>,
    /// Its server processes.
    pub(super) processes: Vec<(ServerId, i32)>,
    pub(super) cancellable: Arc<Cancellable>,
}

/// A transaction's place on the list, until this is dropped.
#[derive(Debug)]
pub struct Listed {
    list: Arc<Transactions>,
    number: u64,
}

impl Transactions {
    fn list(&self) -> MutexGuard<'_, List> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction gets its second branch; `processes` are all that it has. `gave_way` says how often what it
    /// runs did, where that can be run again.
    pub fn enter(
        self: &Arc<Self>,
        processes: Vec<(ServerId, i32)>,
        cancellable: &Arc<Cancellable>,
        gave_way: Option<u32>,
    ) -> Listed {
        let since = Instant::now();
        let entry = Entry { since, gave_way, processes, cancellable: Arc::clone(cancellable) };
        let mut list = self.list();
        list.next += 1;
        let number = list.next;
        list.entries.insert(number, entry);
        Listed { list: Arc::clone(self), number }
    }

    /// True where all of these are still on the list.
    pub(super) fn has_all(&self, numbers: &BTreeSet<u64>) -> bool {
        let list = self.list();
        numbers.iter().all(|number| list.entries.contains_key(number))
    }

    /// Those that last longer than this, by their numbers: the youngest has the highest.
    pub(super) fn longer_than(&self, age: Duration) -> BTreeMap<u64, Entry> {
        let list = self.list();
        let old = list.entries.iter().filter(|(_, entry)| entry.since.elapsed() >= age);
        old.map(|(number, entry)| (*number, entry.clone())).collect()
    }
}

impl Listed {
    /// One more branch.
    pub fn add(&self, server: ServerId, process: i32) {
        if let Some(entry) = self.list.list().entries.get_mut(&self.number) {
            entry.processes.push((server, process));
        }
    }

    /// What it ran stands in it: it cannot be run again.
    pub fn stays(&self) {
        if let Some(entry) = self.list.list().entries.get_mut(&self.number) {
            entry.gave_way = None;
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.list.list().entries.remove(&self.number);
    }
}
