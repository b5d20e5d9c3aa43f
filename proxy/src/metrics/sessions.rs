//! What each session did, and the sums over those of a database and user.
//!
//! A session's counters are written by its own task only, so counting is a plain load and store; who
//! asks for the sums reads those of all sessions that are there and adds what the others left.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use router::ids::TenantKey;

use super::tenants::{TenantAccount, Tenants};

/// What is counted; times are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Times that a session was lent a server connection.
    Assignments,
    /// Transactions that ran on servers.
    Transactions,
    /// Statements, those that pgherd answered itself too.
    Statements,
    /// Rows that servers returned or changed.
    Rows,
    /// Bytes from clients.
    Received,
    /// Bytes to clients.
    Sent,
    /// Time that transactions held server connections.
    TransactionTime,
    /// Time of statements, from the first byte here to the last byte back.
    StatementTime,
    /// Time that was waited for server connections.
    WaitTime,
    /// Parse messages of clients.
    ClientParses,
    /// Parse messages to servers.
    ServerParses,
    /// Bind messages of clients.
    Binds,
    /// Errors that clients were told.
    Errors,
    /// Logins.
    Logins,
}

impl Count {
    /// All of them, in the order of their declaration.
    pub const ALL: [Count; 14] = [
        Count::Assignments,
        Count::Transactions,
        Count::Statements,
        Count::Rows,
        Count::Received,
        Count::Sent,
        Count::TransactionTime,
        Count::StatementTime,
        Count::WaitTime,
        Count::ClientParses,
        Count::ServerParses,
        Count::Binds,
        Count::Errors,
        Count::Logins,
    ];
}

/// Whose sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Whose {
    /// Their database.
    pub database: String,
    /// Their user.
    pub user: String,
}

/// What was counted up to one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals([u64; Count::ALL.len()]);

impl Totals {
    /// One of the numbers.
    pub fn of(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// Both together.
    pub fn plus(mut self, other: &Totals) -> Totals {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
        self
    }

    pub(super) fn minus(mut self, earlier: &Totals) -> Totals {
        self.0.iter_mut().zip(earlier.0).for_each(|(mine, theirs)| *mine = mine.saturating_sub(theirs));
        self
    }
}

/// The sums of one database and user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// Since the start.
    pub totals: Totals,
    /// During the last whole period.
    pub lately: Totals,
    /// How long that period was.
    pub period: Duration,
}

#[derive(Debug, Default)]
struct Tally([AtomicU64; Count::ALL.len()]);

impl Tally {
    fn read(&self) -> Totals {
        Totals(self.0.each_ref().map(|cell| cell.load(Ordering::Relaxed)))
    }
}

/// One session's counters. Only the session's own task counts with it.
#[derive(Debug)]
pub struct SessionCounters {
    tally: Arc<Tally>,
    number: u64,
    book: SessionBook,
    account: TenantAccount,
}

impl SessionCounters {
    /// Counts something.
    pub fn add(&self, count: Count, more: u64) {
        let cell = &self.tally.0[count as usize];
        // Nobody else writes, so nothing is lost between these two.
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    /// Adds to one of the times.
    pub fn add_time(&self, count: Count, time: Duration) {
        self.add(count, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What the session has received and sent since its start, in bytes.
    pub fn traffic(&self, received: u64, sent: u64) {
        self.tally.0[Count::Received as usize].store(received, Ordering::Relaxed);
        self.tally.0[Count::Sent as usize].store(sent, Ordering::Relaxed);
    }

    /// A statement was answered, well or badly.
    pub fn statement(&self, took: Duration) {
        self.add(Count::Statements, 1);
        self.add_time(Count::StatementTime, took);
    }

    /// A transaction gave its connections back; `tenant` is whose it was, where it was of one.
    pub fn transaction(&mut self, took: Duration, tenant: Option<&TenantKey>) {
        self.add(Count::Transactions, 1);
        self.add_time(Count::TransactionTime, took);
        let tally = &self.tally;
        self.account.transaction(tenant, || tally.read());
    }

    /// A connection was lent after this time.
    pub fn assigned(&self, waited: Duration) {
        self.add(Count::Assignments, 1);
        self.add_time(Count::WaitTime, waited);
    }

    /// A command came to its end with this tag: `SELECT 5`, `INSERT 0 3`.
    pub fn completed(&self, tag: &[u8]) {
        self.add(Count::Rows, rows_of(tag));
    }

    /// What it has counted so far.
    pub fn totals(&self) -> Totals {
        self.tally.read()
    }
}

impl Drop for SessionCounters {
    fn drop(&mut self) {
        self.account.settle();
        let mut pages = self.book.pages();
        if let Some((whose, tally)) = pages.present.remove(&self.number) {
            let totals = tally.read();
            let gone = pages.gone.entry(whose).or_default();
            *gone = gone.plus(&totals);
        }
    }
}

/// The number at the end of a command's tag.
pub fn rows_of(tag: &[u8]) -> u64 {
    let digits = tag.iter().rev().skip_while(|byte| **byte == 0).take_while(|byte| byte.is_ascii_digit());
    digits
        .fold((0_u64, 1_u64), |(sum, place), digit| {
            (sum.saturating_add(u64::from(digit - b'0').saturating_mul(place)), place.saturating_mul(10))
        })
        .0
}

/// The counters of all sessions; clones are one book.
#[derive(Clone, Debug, Default)]
pub struct SessionBook(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    next: u64,
    present: HashMap<u64, (Arc<Whose>, Arc<Tally>)>,
    /// What sessions that have left did; every pair that ever came has its line.
    gone: BTreeMap<Arc<Whose>, Totals>,
    period: Period,
}

/// The last whole period, and what the sums were at its ends.
#[derive(Debug, Default)]
struct Period {
    ended: Option<Instant>,
    length: Duration,
    at_begin: BTreeMap<Arc<Whose>, Totals>,
    at_end: BTreeMap<Arc<Whose>, Totals>,
}

impl SessionBook {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters of a session that begins; what its transactions do for tenants is brought to `tenants`.
    pub fn enter(&self, database: &str, user: &str, tenants: Tenants) -> SessionCounters {
        let whose = Whose { database: database.to_owned(), user: user.to_owned() };
        let mut pages = self.pages();
        let known = pages.gone.get_key_value(&whose).map(|(known, _)| Arc::clone(known));
        let whose = known.unwrap_or_else(|| Arc::new(whose));
        pages.gone.entry(Arc::clone(&whose)).or_default();
        pages.next += 1;
        let (number, tally) = (pages.next, Arc::new(Tally::default()));
        pages.present.insert(number, (whose, Arc::clone(&tally)));
        drop(pages);
        let counters =
            SessionCounters { tally, number, book: self.clone(), account: TenantAccount::new(tenants) };
        counters.add(Count::Logins, 1);
        counters
    }

    /// The sums of every database and user.
    pub fn sums(&self) -> BTreeMap<Whose, Sums> {
        let pages = self.pages();
        let (totals, period) = (pages.totals(), &pages.period);
        let lately = |whose: &Arc<Whose>| {
            let begun = period.at_begin.get(whose).copied().unwrap_or_default();
            period.at_end.get(whose).copied().unwrap_or_default().minus(&begun)
        };
        let sums = |whose: &Arc<Whose>, totals: Totals| Sums {
            totals,
            lately: lately(whose),
            period: period.length,
        };
        totals.into_iter().map(|(whose, totals)| ((*whose).clone(), sums(&whose, totals))).collect()
    }

    /// Ends a period where the last has lasted this long.
    pub fn turn(&self, period: Duration) {
        let mut pages = self.pages();
        let since = *pages.period.ended.get_or_insert_with(Instant::now);
        if since.elapsed() >= period {
            let totals = pages.totals();
            pages.period.at_begin = std::mem::replace(&mut pages.period.at_end, totals);
            pages.period.length = since.elapsed();
            pages.period.ended = Some(Instant::now());
        }
    }
}

impl Pages {
    fn totals(&self) -> BTreeMap<Arc<Whose>, Totals> {
        let mut totals = self.gone.clone();
        for (whose, tally) in self.present.values() {
            if let Some(sum) = totals.get_mut(whose) {
                *sum = sum.plus(&tally.read());
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_did_stays_when_it_leaves() {
        let book = SessionBook::default();
        let (one, other) =
            (book.enter("app", "ann", Tenants::new(0)), book.enter("app", "ann", Tenants::new(0)));
        one.statement(Duration::from_micros(7));
        one.completed(b"INSERT 0 3\0");
        other.statement(Duration::from_micros(5));
        let whose = Whose { database: "app".into(), user: "ann".into() };
        let of = |count| book.sums()[&whose].totals.of(count);
        let before = [Count::Statements, Count::StatementTime, Count::Rows, Count::Logins].map(of);
        assert_eq!(before, [2, 12, 3, 2]);
        drop(one);
        assert_eq!([Count::Statements, Count::StatementTime, Count::Rows, Count::Logins].map(of), before);
    }

    #[test]
    fn a_period_counts_what_happened_within_it() {
        let book = SessionBook::default();
        let counters = book.enter("app", "ann", Tenants::new(0));
        let lately = || book.sums().values().map(|sums| sums.lately.of(Count::Statements)).sum::<u64>();
        book.turn(Duration::ZERO);
        counters.statement(Duration::ZERO);
        assert_eq!(lately(), 0);
        book.turn(Duration::ZERO);
        assert_eq!(lately(), 1);
        book.turn(Duration::ZERO);
        assert_eq!(lately(), 0);
    }

    #[test]
    fn a_tag_says_how_many_rows() {
        let tags: [(&[u8], u64); 5] = [
            (b"SELECT 15", 15),
            (b"INSERT 0 3\0", 3),
            (b"BEGIN", 0),
            (b"", 0),
            (b"UPDATE 99999999999999999999999", u64::MAX),
        ];
        for (tag, expected) in tags {
            assert_eq!(rows_of(tag), expected);
        }
    }
}
