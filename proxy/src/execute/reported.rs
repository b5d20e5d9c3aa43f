//! What a client was told of the servers' parameters.
//!
//! As PostgreSQL since version 14, a session tells what has changed when it is ready again: what a message
//! sets and what its end undoes is never told.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;

use crate::server::Connection;
use crate::wire::write;

/// So many states of connections are remembered as told.
const MOST_KNOWN: usize = 32;

/// The parameters as the client knows them.
#[derive(Debug, Default)]
pub struct Reported {
    told: Arc<BTreeMap<String, String>>,
    /// What holds now.
    values: Arc<BTreeMap<String, String>>,
    /// States of connections that have no news for the client, the latest found last.
    known: Vec<(u64, u64)>,
    /// True where the open transaction has changed a value: its end may change it back.
    changed: bool,
}

impl Reported {
    /// The client was just told these.
    pub fn new(values: Arc<BTreeMap<String, String>>) -> Reported {
        Reported { told: Arc::clone(&values), values, known: Vec::new(), changed: false }
    }

    /// A parameter's value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// True where the open transaction has changed a value.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Every setting is what it was at the session's start.
    pub fn note_reset(&mut self) {
        self.changed = true;
    }

    /// Notes what differs on this connection.
    pub fn note_all(&mut self, connection: &Connection) {
        let state = connection.parameters_state();
        if self.known.contains(&state) {
            return;
        }
        for (name, value) in connection.parameters() {
            self.note(name, value);
        }
        if self.known.len() == MOST_KNOWN {
            self.known.remove(0);
        }
        if self.known.capacity() == 0 {
            self.known.reserve_exact(1);
        }
        self.known.push(state);
    }

    /// Notes a parameter's value.
    pub fn note(&mut self, name: &str, value: &str) {
        if name == "in_hot_standby" || self.values.get(name).is_some_and(|known| known == value) {
            return;
        }
        self.known.clear();
        self.changed = true;
        Arc::make_mut(&mut self.values).insert(name.to_owned(), value.to_owned());
    }

    /// The transaction has ended on this connection, which has the values that hold now.
    pub fn note_end(&mut self, connection: &Connection) {
        if self.changed {
            self.note_all(connection);
            self.changed = false;
        }
    }

    /// Tells the client what has changed since it was told.
    pub fn announce(&mut self, out: &mut BytesMut, in_transaction: bool) {
        self.changed &= in_transaction;
        if Arc::ptr_eq(&self.told, &self.values) {
            return;
        }
        for (name, value) in self.values.iter().filter(|(name, value)| self.told.get(*name) != Some(value)) {
            write::parameter_status(out, name, value);
        }
        self.told = Arc::clone(&self.values);
    }
}
