//! Wakes whoever waits for lent connections to come back; while nobody does, it costs a look at a
//! number.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Tells of connections that came back.
#[derive(Debug, Default)]
pub(super) struct Returns {
    notify: Notify,
    watchers: AtomicUsize,
}

/// Somebody waits, until this is dropped.
struct Watching<'a>(&'a AtomicUsize);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Returns {
    /// Something came back. Called after the node's lock is given up.
    pub(super) fn tell(&self) {
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.notify.notify_waiters();
        }
    }

    /// Waits until this is true, looking again whenever something came back.
    pub(super) async fn until(&self, done: impl Fn() -> bool) {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        let _watching = Watching(&self.watchers);
        loop {
            let told = self.notify.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if done() {
                return;
            }
            told.await;
        }
    }
}
