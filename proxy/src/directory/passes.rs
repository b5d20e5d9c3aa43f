//! Passes: which transactions run under which version of the directory.
//!
//! A pass is noted first and the directory's version looked at then; who publishes a version does
//! it first and looks for older passes then. So of the two at least one sees the other: a pass is
//! found by whoever waits for it, or refused because the directory moved on.

use std::array;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use router::directory::{Directory, MoveMark};
use router::ids::ServerId;
use router::plan::Tenants;
use smallvec::SmallVec;
use tokio::sync::Notify;

use crate::metrics::{Apart, STRIPES, stripe};

/// The directory has a newer version than the one planned with: plan again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory has moved on")]
pub struct MovedOn;

/// A transaction's permit to run where a version of the directory sends it. Given back on drop.
#[derive(Debug)]
#[must_use = "the permit ends when this is dropped"]
pub struct Pass {
    part: Arc<Apart<Part>>,
    slot: usize,
    version: u64,
}

impl Pass {
    /// The version that it was taken under.
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.part.0.leave(self.slot);
    }
}

/// What a pass is for: what a waiting mover must know of it.
#[derive(Clone, Debug)]
pub struct Touch {
    version: u64,
    servers: SmallVec<[ServerId; 4]>,
    tenants: Tenants,
}

impl Touch {
    /// True where it may concern rows of the move's scope on the server.
    fn concerns(&self, server: ServerId, directory: &Directory, mark: &MoveMark) -> bool {
        self.servers.contains(&server)
            && match &self.tenants {
                Tenants::None => false,
                Tenants::All => true,
                Tenants::Some(keys) => keys.iter().any(|key| directory.in_scope(mark, key)),
            }
    }
}

/// All passes that are out: each thread notes its own in a part that others seldom look at.
#[derive(Debug)]
pub(super) struct Passes {
    parts: [Arc<Apart<Part>>; STRIPES],
    watch: Arc<Watch>,
}

#[derive(Debug)]
struct Part {
    table: Mutex<Table>,
    watch: Arc<Watch>,
}

#[derive(Debug, Default)]
struct Table {
    slots: Vec<Option<Touch>>,
    free: Vec<usize>,
}

/// Who waits for passes to be given back.
#[derive(Debug, Default)]
struct Watch {
    waiting: AtomicUsize,
    left: Notify,
}

impl Default for Passes {
    fn default() -> Passes {
        let watch = Arc::<Watch>::default();
        let part = |_| Arc::new(Apart(Part { table: Mutex::default(), watch: Arc::clone(&watch) }));
        Passes { parts: array::from_fn(part), watch }
    }
}

impl Passes {
    /// Notes a pass; the caller then asks whether the directory moved on, and drops it if so.
    pub(super) fn note(&self, version: u64, servers: &[ServerId], tenants: &Tenants) -> Pass {
        let touch = Touch { version, servers: SmallVec::from_slice(servers), tenants: tenants.clone() };
        let part = Arc::clone(&self.parts[stripe()]);
        let mut table = part.0.lock();
        let slot = match table.free.pop() {
            Some(slot) => {
                table.slots[slot] = Some(touch);
                slot
            }
            None => {
                table.slots.push(Some(touch));
                table.slots.len() - 1
            }
        };
        drop(table);
        Pass { part, slot, version }
    }

    /// Resolves when no pass older than `version` concerns the mark's scope on the server.
    pub(super) async fn drained(
        &self,
        version: u64,
        server: ServerId,
        directory: &Directory,
        mark: &MoveMark,
    ) {
        let _waiting = Waiting::begin(&self.watch.waiting);
        loop {
            let left = self.watch.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            let older = |touch: &Touch| touch.version < version && touch.concerns(server, directory, mark);
            if !self.any(older) {
                return;
            }
            left.await;
        }
    }

    /// How many passes are out.
    pub(super) fn count(&self) -> usize {
        let tables = self.parts.iter().map(|part| part.0.lock());
        tables.map(|table| table.slots.len() - table.free.len()).sum()
    }

    fn any(&self, predicate: impl Fn(&Touch) -> bool) -> bool {
        self.parts.iter().any(|part| part.0.lock().slots.iter().flatten().any(&predicate))
    }
}

impl Part {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, slot: usize) {
        let mut table = self.lock();
        table.slots[slot] = None;
        table.free.push(slot);
        drop(table);
        if self.watch.waiting.load(Ordering::SeqCst) > 0 {
            self.watch.left.notify_waiters();
        }
    }
}

/// Counts who waits, so that a pass that is given back need not wake nobody.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Waiting<'a> {
        count.fetch_add(1, Ordering::SeqCst);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
