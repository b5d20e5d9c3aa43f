//! What a client was told of the servers' parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::net::peer::Peer;
use crate::server::Connection;
use crate::wire::write;

/// So many states of connections are remembered as told.
const MOST_KNOWN: usize = 32;

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
        if self.known.capacity() == 0 {
            self.known.reserve_exact(1);
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
