//! Passes: which transactions run under which version of the directory.
//!
//! A pass is noted first and the directory's version looked at then; who publishes a version does
//! it first and looks for older passes then. So of the two at least one sees the other: a pass is
//! found by whoever waits for it, or refused because the directory moved on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use router::directory::{Directory, MoveMark};
use router::ids::ServerId;
use router::plan::Tenants;
use smallvec::SmallVec;
use tokio::sync::Notify;

/// Parts of the table, each with its own lock.
const PARTS: usize = 16;

/// The directory has a newer version than the one planned with: plan again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory has moved on")]
pub struct MovedOn;

/// A transaction's permit to run where a version of the directory sends it. Given back on drop.
#[derive(Debug)]
#[must_use = "the permit ends when this is dropped"]
pub struct Pass {
    passes: Arc<Passes>,
    part: usize,
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
        self.passes.leave(self.part, self.slot);
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

/// All passes that are out.
#[derive(Debug, Default)]
pub(super) struct Passes {
    parts: [Mutex<Part>; PARTS],
    next: AtomicUsize,
    waiting: AtomicUsize,
    left: Notify,
}

#[derive(Debug, Default)]
struct Part {
    slots: Vec<Option<Touch>>,
    free: Vec<usize>,
}

impl Passes {
    /// Notes a pass; the caller then asks whether the directory moved on, and drops it if so.
    pub(super) fn note(self: &Arc<Self>, version: u64, servers: &[ServerId], tenants: &Tenants) -> Pass {
        let touch = Touch { version, servers: servers.into(), tenants: tenants.clone() };
        let part = self.next.fetch_add(1, Ordering::Relaxed) % PARTS;
        let mut table = self.lock(part);
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
        Pass { passes: Arc::clone(self), part, slot, version }
    }

    fn leave(&self, part: usize, slot: usize) {
        let mut table = self.lock(part);
        table.slots[slot] = None;
        table.free.push(slot);
        drop(table);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.left.notify_waiters();
        }
    }

    /// Resolves when no pass older than `version` concerns the mark's scope on the server.
    pub(super) async fn drained(
        &self,
        version: u64,
        server: ServerId,
        directory: &Directory,
        mark: &MoveMark,
    ) {
        let _waiting = Waiting::begin(&self.waiting);
        loop {
            let left = self.left.notified();
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
        (0..PARTS).map(|part| self.lock(part)).map(|table| table.slots.len() - table.free.len()).sum()
    }

    fn any(&self, predicate: impl Fn(&Touch) -> bool) -> bool {
        (0..PARTS).any(|part| self.lock(part).slots.iter().flatten().any(&predicate))
    }

    fn lock(&self, part: usize) -> MutexGuard<'_, Part> {
        self.parts[part].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
