//! Reads over several servers, and commits over several servers, one side at a time: a read takes its
//! snapshots on all servers between such commits, so that it sees each of them whole or not at all.
//!
//! A read looks whether a commit showed itself meanwhile; only where one did, it is done again behind the
//! gate. So reads cost no waiting where nothing commits over several servers, and statements of one server
//! never come here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a commit waits for reads. A read may wait for a lock of the very transaction that commits: then it
/// sees that a commit went by, and takes its snapshots again.
const PATIENCE: Duration = Duration::from_millis(300);

/// The gate of one database.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Commits that show themselves now: on some servers already, perhaps not on all.
    showing: usize,
    /// Commits that ever began to.
    begun: u64,
    /// Reads that are taking their snapshots.
    reading: usize,
    /// Reads that wait until nothing shows itself.
    waiting: usize,
}

/// A commit that shows itself, until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Showing(Arc<Gate>);

/// A read that takes its snapshots, until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Reading {
    gate: Arc<Gate>,
    /// How many commits had begun to show themselves when it began.
    pub since: u64,
}

/// A read that waits.
struct Waiting<'a>(&'a Gate);

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many commits ever began to show themselves; `None` where one does now.
    pub fn quiet(&self) -> Option<u64> {
        let state = self.state();
        (state.showing == 0).then_some(state.begun)
    }

    /// How many commits ever began to show themselves.
    pub fn begun(&self) -> u64 {
        self.state().begun
    }

    /// A commit may show itself: no read takes its snapshots, or they took too long. Cancel-safe.
    pub async fn show(self: &Arc<Self>) -> Showing {
        let begin = |state: &mut State| {
            state.showing += 1;
            state.begun += 1;
        };
        let free = self.enter(|state| {
            let free = state.reading == 0 && state.waiting == 0;
            free.then(|| begin(state))
        });
        if tokio::time::timeout(PATIENCE, free).await.is_err() {
            begin(&mut self.state());
        }
        Showing(Arc::clone(self))
    }

    /// A read may take its snapshots: no commit shows itself, and none begins to. Cancel-safe.
    pub async fn read(self: &Arc<Self>) -> Reading {
        self.state().waiting += 1;
        let waiting = Waiting(self);
        let enter = |state: &mut State| {
            let free = state.showing == 0;
            free.then(|| {
                state.reading += 1;
                state.begun
            })
        };
        let since = self.enter(enter).await;
        drop(waiting);
        Reading { gate: Arc::clone(self), since }
    }

    /// Waits until it may enter, and enters in the same moment.
    async fn enter<T>(&self, mut enter: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let entered = enter(&mut self.state());
            match entered {
                Some(entered) => return entered,
                None => changed.await,
            }
        }
    }
}

impl Drop for Showing {
    fn drop(&mut self) {
        self.0.state().showing -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.gate.state().reading -= 1;
        self.gate.changed.notify_waiters();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn reads_and_commits_do_not_meet() {
        let gate = Arc::new(Gate::default());
        let showing = gate.show().await;
        assert_eq!(gate.quiet(), None);
        let mut read = Box::pin(gate.read());
        assert!((&mut read).now_or_never().is_none(), "a read waits for what shows itself");
        drop(showing);
        let reading = read.await;
        let mut commit = Box::pin(gate.show());
        assert!((&mut commit).now_or_never().is_none(), "a commit waits for snapshots");
        drop(reading);
        drop(commit.await);
        assert_eq!(gate.quiet(), Some(2));
    }

    #[tokio::test]
    async fn a_read_that_waits_for_a_commit_does_not_hold_it_up_for_ever() {
        let gate = Arc::new(Gate::default());
        let reading = gate.read().await;
        drop(gate.show().await);
        assert_ne!(gate.begun(), reading.since, "the read can tell");
    }
}
