//! What is prepared on a connection: a statement's fingerprint -> its name there.
//!
//! Names are the proxy's own and never used twice on one connection, so a Close that comes late
//! closes nothing that is in use. The least recently used go first when there are too many.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

/// The statements prepared on one connection.
#[derive(Debug)]
pub struct PreparedStatements {
    names: HashMap<u128, Entry, RandomState>,
    by_use: BTreeMap<u64, u128>,
    evicted: Vec<Arc<str>>,
    /// Handed out to be closed, and not yet known to be.
    closing: Vec<Arc<str>>,
    limit: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    used: u64,
}

impl PreparedStatements {
    /// Keeps at most `limit` statements, and at least one.
    pub fn new(limit: usize) -> PreparedStatements {
        PreparedStatements {
            names: HashMap::default(),
            by_use: BTreeMap::new(),
            evicted: Vec::new(),
            closing: Vec::new(),
            limit: limit.max(1),
            clock: 0,
        }
    }

    /// Sets the bound; what is too many is evicted at the next insert.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }

    /// The fingerprint of a statement: its text and its parameters' types as the client gave them.
    pub fn fingerprint(text: &[u8], types: &[u32]) -> u128 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        hasher.update(text);
        hasher.update(&[0]);
        types.iter().for_each(|oid| hasher.update(&oid.to_be_bytes()));
        hasher.digest128()
    }

    /// The statement's name on this connection, if it is prepared; it counts as used now.
    pub fn get(&mut self, fingerprint: u128) -> Option<Arc<str>> {
        let entry = self.names.get_mut(&fingerprint)?;
        if entry.used == self.clock {
            return Some(entry.name.clone());
        }
        self.by_use.remove(&entry.used);
        self.clock += 1;
        entry.used = self.clock;
        self.by_use.insert(self.clock, fingerprint);
        Some(entry.name.clone())
    }

    /// A fresh name for a statement; the caller sends its Parse, and calls [`Self::forget`] if that
    /// fails or is skipped.
    pub fn insert(&mut self, fingerprint: u128) -> Arc<str> {
        self.forget(fingerprint);
        self.clock += 1;
        let name: Arc<str> = format!("pgherd_{}", self.clock).into();
        self.names.insert(fingerprint, Entry { name: name.clone(), used: self.clock });
        self.by_use.insert(self.clock, fingerprint);
        while self.names.len() > self.limit {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.evicted.extend(self.names.remove(&oldest).map(|entry| entry.name));
        }
        name
    }

    /// Forgets a statement that is not there after all (a failed Parse, a DEALLOCATE), or no longer
    /// good (0A000 after DDL, 26000). Its name is not closed on the server.
    pub fn forget(&mut self, fingerprint: u128) -> Option<Arc<str>> {
        let entry = self.names.remove(&fingerprint)?;
        self.by_use.remove(&entry.used);
        Some(entry.name)
    }

    /// Forgets all: after DISCARD ALL or DEALLOCATE ALL on the connection.
    pub fn clear(&mut self) {
        self.names.clear();
        self.by_use.clear();
        self.evicted.clear();
        self.closing.clear();
    }

    /// The names to Close on the server, each handed out once, unless the Close is skipped.
    pub fn take_evicted(&mut self) -> Vec<Arc<str>> {
        let evicted = std::mem::take(&mut self.evicted);
        self.closing.extend(evicted.iter().cloned());
        evicted
    }

    /// After an error the server skips messages, perhaps these Closes: the names are handed out again.
    /// To close one twice is no error, and no name is used twice.
    pub fn closes_skipped(&mut self) {
        self.evicted.append(&mut self.closing);
    }

    /// The server has heard everything: what was handed out is closed.
    pub fn closes_heard(&mut self) {
        self.closing.clear();
    }

    /// How many statements are prepared.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True where none is.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_statement_goes_first() {
        let mut statements = PreparedStatements::new(2);
        let first = statements.insert(1);
        let second = statements.insert(2);
        assert_eq!(statements.get(1), Some(first));
        statements.insert(3);
        assert_eq!(statements.get(2), None);
        assert_eq!(statements.take_evicted(), [second]);
        assert!(statements.take_evicted().is_empty());
        assert_eq!(statements.len(), 2);
    }

    #[test]
    fn a_close_that_was_skipped_is_sent_again() {
        let mut statements = PreparedStatements::new(1);
        let first = statements.insert(1);
        statements.insert(2);
        assert_eq!(statements.take_evicted(), std::slice::from_ref(&first));
        statements.closes_skipped();
        assert_eq!(statements.take_evicted(), [first]);
        statements.closes_heard();
        statements.closes_skipped();
        assert!(statements.take_evicted().is_empty());
    }

    #[test]
    fn a_name_is_never_used_twice() {
        let mut statements = PreparedStatements::new(2);
        let name = statements.insert(1);
        statements.forget(1);
        assert_ne!(statements.insert(1), name);
    }

    #[test]
    fn types_are_part_of_a_statement() {
        let fingerprint = PreparedStatements::fingerprint;
        assert_ne!(fingerprint(b"select $1", &[23]), fingerprint(b"select $1", &[25]));
        assert_ne!(fingerprint(b"select $1", &[]), fingerprint(b"select $1", &[0]));
    }
}
