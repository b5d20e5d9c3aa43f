//! Which connections there are, for who wants to look at them one by one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::target::Target;

/// What is known of one connection.
#[derive(Debug)]
pub struct Card {
    /// Its number.
    pub id: u64,
    /// Where it goes, and as whom.
    pub target: Arc<Target>,
    /// The server's process.
    pub process: i32,
    /// True where it is encrypted.
    pub encrypted: bool,
    /// When it was made.
    pub since: SystemTime,
    lent: AtomicBool,
    user: AtomicI32,
}

impl Card {
    /// The client that uses it: the process id that it was told.
    pub fn user(&self) -> Option<i32> {
        let user = self.user.load(Ordering::Relaxed);
        (self.is_lent() && user != 0).then_some(user)
    }

    /// True while somebody uses it.
    pub fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed)
    }
}

/// The connections that are open; clones are one roster.
#[derive(Clone, Debug, Default)]
pub struct Roster(Arc<Mutex<BTreeMap<u64, Arc<Card>>>>);

/// A connection's place in the roster, for as long as it is open.
#[derive(Debug)]
pub struct Enrolled {
    card: Arc<Card>,
    roster: Roster,
}

impl Roster {
    fn cards(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Card>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection was made.
    pub fn enrol(&self, id: u64, target: &Arc<Target>, process: i32, encrypted: bool) -> Enrolled {
        let (target, since) = (Arc::clone(target), SystemTime::now());
        let (lent, user) = (AtomicBool::default(), AtomicI32::default());
        let card = Arc::new(Card { id, target, process, encrypted, since, lent, user });
        self.cards().insert(id, Arc::clone(&card));
        Enrolled { card, roster: self.clone() }
    }

    /// All of them, the oldest first.
    pub fn list(&self) -> Vec<Arc<Card>> {
        self.cards().values().cloned().collect()
    }
}

impl Enrolled {
    /// A client uses it from now on: the process id that it was told.
    pub fn note_user(&self, client: i32) {
        self.card.user.store(client, Ordering::Relaxed);
    }

    /// The client that uses a process of this connection's node, or was the last to use it.
    pub fn user_of(&self, process: i32) -> Option<i32> {
        let here = &self.card.target;
        let is_meant = |card: &&Arc<Card>| {
            card.process == process && card.target.host == here.host && card.target.port == here.port
        };
        let user = self.roster.cards().values().find(is_meant)?.user.load(Ordering::Relaxed);
        (user != 0).then_some(user)
    }

    /// Somebody uses it, or nobody does.
    pub fn note_lent(&self, lent: bool) {
        self.card.lent.store(lent, Ordering::Relaxed);
    }
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        self.roster.cards().remove(&self.card.id);
    }
}
