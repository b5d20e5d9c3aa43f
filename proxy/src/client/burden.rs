//! What a thread and its clients know of each other: how many are at work there, and how many of those are to
//! go to another thread.
//!
//! A client tells when it waits for its next message, and goes then; so who is silent is not counted, and stays.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// One thread's.
#[derive(Debug, Default)]
pub struct Burden {
    /// The number of the look at the clients that is under way.
    look: AtomicU32,
    /// Those that were heard since it began.
    at_work: AtomicU32,
    /// So many are still to go.
    leaving: AtomicU32,
    /// To the thread of this number.
    to: AtomicUsize,
}

/// A client's view of its thread's.
#[derive(Debug, Default)]
pub(super) struct Desk {
    look: u32,
}

impl Burden {
    /// Begins a new look; answers how many clients were heard during the last one. Nobody is to go any more.
    pub fn look(&self) -> u32 {
        self.leaving.store(0, Ordering::Relaxed);
        self.look.fetch_add(1, Ordering::Relaxed);
        self.at_work.swap(0, Ordering::Relaxed)
    }

    /// So many of those who are at work are to go to the thread of this number.
    pub fn send(&self, clients: u32, to: usize) {
        self.to.store(to, Ordering::Relaxed);
        self.leaving.store(clients, Ordering::Release);
    }

    /// The thread that a client which goes is to go to.
    pub fn to(&self) -> usize {
        self.to.load(Ordering::Relaxed)
    }

    /// A client waits for its next message; true where some are to go.
    pub(super) fn heard(&self, desk: &mut Desk) -> bool {
        let look = self.look.load(Ordering::Relaxed);
        if desk.look != look {
            desk.look = look;
            self.at_work.fetch_add(1, Ordering::Relaxed);
        }
        self.leaving.load(Ordering::Relaxed) > 0
    }

    /// True where the client that asks is one of those who go.
    pub(super) fn lets_go(&self) -> bool {
        let less = |leaving: u32| leaving.checked_sub(1);
        self.leaving.fetch_update(Ordering::Acquire, Ordering::Relaxed, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_counts_once_a_look_and_only_so_many_go() {
        let (burden, mut one, mut other) = (Burden::default(), Desk::default(), Desk::default());
        burden.look();
        assert!(!burden.heard(&mut one) && !burden.heard(&mut one) && !burden.heard(&mut other));
        assert_eq!((burden.look(), burden.look()), (2, 0));
        burden.send(1, 3);
        assert!(burden.heard(&mut one) && burden.lets_go() && burden.to() == 3);
        assert!(!burden.lets_go() && !burden.heard(&mut other));
        burden.send(7, 3);
        assert_eq!(burden.look(), 2);
        assert!(!burden.lets_go(), "a new look ends what was asked for");
    }
}
