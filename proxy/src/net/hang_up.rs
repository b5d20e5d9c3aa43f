//! The end of a connection to who takes nothing any more, from outside its task: a client that reads no
//! answer holds its server, and the server hears no cancel request while it waits to be read.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// Whether a connection is given up.
#[derive(Debug, Default)]
pub struct HangUp {
    given_up: AtomicBool,
    /// The task that waits for the other end.
    waiting: AtomicWaker,
}

impl HangUp {
    /// From now on, what would wait for the other end to read fails instead.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
        self.waiting.wake();
    }

    /// Resolves when the connection is given up. Cancel-safe; for one task at a time.
    pub async fn given_up(&self) {
        poll_fn(|task| {
            self.waiting.register(task.waker());
            match self.given_up.load(Ordering::SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await
    }
}
