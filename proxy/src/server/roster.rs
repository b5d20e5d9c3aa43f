//! Which connections there are, for who wants to look at them one by one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
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
}

impl Card {
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
        let (target, since, lent) = (Arc::clone(target), SystemTime::now(), AtomicBool::default());
        let card = Arc::new(Card { id, target, process, encrypted, since, lent });
        self.cards().insert(id, Arc::clone(&card));
        Enrolled { card, roster: self.clone() }
    }

    /// All of them, the oldest first.
    pub fn list(&self) -> Vec<Arc<Card>> {
        self.cards().values().cloned().collect()
    }
}

impl Enrolled {
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
