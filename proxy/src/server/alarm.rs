//! Wakes who waits for a node that was given up: TCP itself would say nothing for a long time.
//!
//! Waiting costs no timer: who waits leaves its waker, and whoever gives the node up calls it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// One connection's alarm; one task at a time waits on it.
#[derive(Debug, Default)]
pub struct Alarm {
    raised: AtomicBool,
    waiting: AtomicWaker,
}

impl Alarm {
    /// No answer will come any more.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.waiting.wake();
    }

    /// True once it was raised; else the task is woken when it is.
    pub(super) fn is_raised(&self, task: &Context<'_>) -> bool {
        self.waiting.register(task.waker());
        self.raised.load(Ordering::Acquire)
    }
}

/// The alarms of a node's connections.
#[derive(Debug, Default)]
pub struct Alarms(Vec<Weak<Alarm>>);

impl Alarms {
    /// One more connection.
    pub fn add(&mut self, alarm: &Arc<Alarm>) {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|alarm| alarm.strong_count() > 0);
        }
        self.0.push(Arc::downgrade(alarm));
    }

    /// Raises all of them, once.
    pub fn raise(&mut self) {
        self.0.drain(..).filter_map(|alarm| alarm.upgrade()).for_each(|alarm| alarm.raise());
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken() {
        let alarm = Arc::new(Alarm::default());
        let waited = Arc::clone(&alarm);
        let raised = std::future::poll_fn(move |task| match waited.is_raised(task) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        let waiting = tokio::spawn(raised);
        tokio::task::yield_now().await;
        let mut alarms = Alarms::default();
        alarms.add(&alarm);
        alarms.raise();
        waiting.await.expect("it was woken");
    }
}
