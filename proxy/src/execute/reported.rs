//! What a client was told of the servers' parameters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::net::peer::Peer;
use crate::server::Connection;
use crate::wire::write;

/// So many states of connections are remembered as told.
const MOST_KNOWN: usize = 32;

/// What clients were told at their logins: most are told the same, and share it.
#[derive(Debug, Default)]
pub struct Told(Mutex<Vec<Arc<BTreeMap<String, String>>>>);

impl Told {
    /// The same parameters, shared with the clients of late that were told just these.
    pub fn share(&self, values: BTreeMap<String, String>) -> Arc<BTreeMap<String, String>> {
        /// So many different ones are compared.
        const MOST: usize = 8;
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = told.iter().find(|known| ***known == values) {
            return Arc::clone(known);
        }
        if told.len() == MOST {
            told.remove(0);
        }
        let values = Arc::new(values);
        told.push(Arc::clone(&values));
        values
    }
}

/// The parameters as the client knows them.
#[derive(Debug, Default)]
pub struct Reported {
    values: Arc<BTreeMap<String, String>>,
    /// States of connections that have no news for the client, the latest found last.
    known: Vec<(u64, u64)>,
}

impl Reported {
    /// The client was just told these.
    pub fn new(values: Arc<BTreeMap<String, String>>) -> Reported {
        Reported { values, known: Vec::new() }
    }

    /// A parameter's value as the client knows it.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Tells the client of what differs on this connection.
    pub fn tell_all(&mut self, peer: &mut Peer, connection: &Connection) {
        let state = connection.parameters_state();
        if self.known.contains(&state) {
            return;
        }
        for (name, value) in connection.parameters() {
            self.tell(peer, name, value);
        }
        if self.known.len() == MOST_KNOWN {
            self.known.remove(0);
        }
        self.known.push(state);
    }

    /// Tells the client of a parameter's new value where it is news.
    pub fn tell(&mut self, peer: &mut Peer, name: &str, value: &str) {
        if name == "in_hot_standby" || self.values.get(name).is_some_and(|known| known == value) {
            return;
        }
        self.known.clear();
        Arc::make_mut(&mut self.values).insert(name.to_owned(), value.to_owned());
        write::parameter_status(peer.out(), name, value);
    }
}
