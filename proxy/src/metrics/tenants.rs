//! What the busiest tenants did: a bounded number of them, found by the space-saving sketch (Metwally,
//! Agrawal, El Abbadi 2005) with randomized admission (Ben-Basat, Einziger, Friedman, Kassner 2017). A tenant that
//! is not among those kept takes the place of the least busy, with its count of transactions as the error that
//! its own may have; but only once in as many transactions as that one has, by the dice. So who is busy has a
//! place soon, and where there are more tenants than places, most transactions of the others change nothing.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use router::ids::TenantKey;

use super::sessions::{Count, Totals};

/// Tenants are spread over so many locks.
const PARTS: usize = 16;
/// How many tenants are kept for one that is shown: the sketch errs less.
const SPARE: usize = 8;
/// The longest label; a longer key is cut.
const LONGEST_LABEL: usize = 64;

/// What is known of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantTotals {
    /// Its key, as text.
    pub tenant: String,
    /// What its transactions did since it was kept.
    pub totals: Totals,
    rank: u64,
}

/// Some of the tenants, under one lock.
#[derive(Debug)]
struct Part {
    kept: HashMap<TenantKey, TenantTotals, FixedState>,
    /// No rank is lower.
    floor: u64,
    dice: u64,
}

impl Default for Part {
    fn default() -> Part {
        Part { kept: HashMap::default(), floor: 0, dice: 0x9e37_79b9_7f4a_7c15 }
    }
}

impl Part {
    /// True for one that is let in where all places are taken.
    fn admits(&mut self, rank: u64) -> bool {
        // Marsaglia's xorshift: fair enough, and the same in each run.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % self.floor.saturating_add(rank) < rank
    }

    /// Sends the least busy away; answers its rank.
    fn make_room(&mut self) -> u64 {
        let least = self.kept.iter().min_by_key(|(_, known)| known.rank).map(|(key, _)| key.clone());
        let rank = least.and_then(|least| self.kept.remove(&least)).map_or(0, |known| known.rank);
        self.floor = rank;
        rank
    }
}

/// The busiest tenants of one database; clones are one.
#[derive(Clone, Debug)]
pub struct Tenants {
    shown: usize,
    parts: Arc<[Mutex<Part>; PARTS]>,
}

impl Tenants {
    /// Shows so many of them; 0: counts nothing.
    pub(super) fn new(shown: usize) -> Tenants {
        Tenants { shown, parts: Arc::default() }
    }

    /// True where tenants are counted at all.
    pub(super) fn counts(&self) -> bool {
        self.shown > 0
    }

    fn part(&self, key: &TenantKey) -> MutexGuard<'_, Part> {
        // Not the tables' own: these bits must not be those that place a key within its table.
        let part = (FixedState::with_seed(1).hash_one(key) % PARTS as u64) as usize;
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what transactions of a tenant did.
    pub(super) fn add(&self, key: &TenantKey, did: &Totals) {
        let room = (self.shown * SPARE).div_ceil(PARTS).max(1);
        let mut part = self.part(key);
        let rank = did.of(Count::Transactions).max(1);
        if let Some(known) = part.kept.get_mut(key) {
            known.totals = known.totals.plus(did);
            known.rank += rank;
            return;
        }
        let full = part.kept.len() >= room;
        if full && !part.admits(rank) {
            return;
        }
        let floor = if full { part.make_room() } else { 0 };
        let tenant: String = key.to_string().chars().take(LONGEST_LABEL).collect();
        part.kept.insert(key.clone(), TenantTotals { tenant, totals: *did, rank: floor + rank });
    }

    /// The busiest, the busiest first.
    pub fn busiest(&self) -> Vec<TenantTotals> {
        let mut all: Vec<TenantTotals> = Vec::new();
        for part in self.parts.iter() {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(part.kept.values().cloned());
        }
        all.sort_by(|one, other| other.rank.cmp(&one.rank).then_with(|| one.tenant.cmp(&other.tenant)));
        all.truncate(self.shown);
        all
    }
}

/// Brings a session's work to its tenants: not each transaction by itself, but what is of one tenant
/// together.
#[derive(Debug)]
pub(super) struct TenantAccount {
    tenants: Tenants,
    current: Option<TenantKey>,
    /// What had been counted when the current tenant's work began, and when its last transaction ended.
    begun: Totals,
    ended: Totals,
    transactions: u32,
}

impl TenantAccount {
    pub(super) fn new(tenants: Tenants) -> TenantAccount {
        let (begun, ended) = (Totals::default(), Totals::default());
        TenantAccount { tenants, current: None, begun, ended, transactions: 0 }
    }

    /// A transaction has ended, of this tenant and no other; or of none, or of several.
    pub(super) fn transaction(&mut self, tenant: Option<&TenantKey>, totals: impl FnOnce() -> Totals) {
        /// So often the sums are brought up to date where the tenant stays the same.
        const MOST: u32 = 64;
        if !self.tenants.counts() {
            return;
        }
        if self.current.as_ref() != tenant {
            self.settle();
            self.current = tenant.cloned();
        }
        self.ended = totals();
        self.transactions += 1;
        if self.transactions >= MOST {
            self.settle();
        }
    }

    /// Brings what is not yet there.
    pub(super) fn settle(&mut self) {
        if let Some(tenant) = &self.current
            && self.transactions > 0
        {
            self.tenants.add(tenant, &self.ended.minus(&self.begun));
        }
        self.begun = self.ended;
        self.transactions = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::SessionBook;

    #[test]
    fn the_busiest_are_kept_whatever_comes_between() {
        let tenants = Tenants::new(3);
        let book = SessionBook::default();
        let mut counters = book.enter("app", "ann", tenants.clone());
        for round in 0..2000_i64 {
            for tenant in [1, 2, round % 2 + 2, 1000 + round] {
                counters.statement(std::time::Duration::ZERO);
                counters.transaction(std::time::Duration::ZERO, Some(&TenantKey::Integer(tenant)));
            }
        }
        drop(counters);
        let busiest: Vec<String> = tenants.busiest().into_iter().map(|tenant| tenant.tenant).collect();
        assert_eq!(busiest, ["2", "1", "3"]);
        let first = &tenants.busiest()[0];
        assert_eq!((first.totals.of(Count::Transactions), first.totals.of(Count::Statements)), (3000, 3000));
    }

    #[test]
    fn who_becomes_busy_is_found_where_all_places_are_taken() {
        let tenants = Tenants::new(3);
        let mut counters = SessionBook::default().enter("app", "ann", tenants.clone());
        let mut transaction = |tenant| {
            counters.transaction(std::time::Duration::ZERO, Some(&TenantKey::Integer(tenant)));
        };
        (0..20_000).for_each(|round| transaction(round % 200));
        for round in 0..2000 {
            transaction(777);
            transaction(round % 200);
        }
        drop(counters);
        let busiest = tenants.busiest();
        assert_eq!(busiest[0].tenant, "777");
        assert!(busiest[0].totals.of(Count::Transactions) > 1000, "{busiest:?}");
    }

    #[test]
    fn nothing_is_counted_where_none_is_to_be_shown() {
        let tenants = Tenants::new(0);
        let mut counters = SessionBook::default().enter("app", "ann", tenants.clone());
        counters.transaction(std::time::Duration::ZERO, Some(&TenantKey::Integer(1)));
        drop(counters);
        assert!(tenants.busiest().is_empty());
    }
}
