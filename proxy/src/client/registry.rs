//! Who is there: the clients by number, for `SHOW CLIENTS`, and their cancel keys.
//!
//! A key is the number and a secret: 4 bytes in protocol 3.0, 32 since 3.2. The number names the
//! client's daemon in both, so that a request which another one got can be passed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, SystemTime};

use dashmap::{DashMap, Entry};
use subtle::ConstantTimeEq;

use crate::client::packet::ProtocolVersion;
use crate::client::startup::Startup;
use crate::config::CONSOLE;
use crate::execute::cancel::Cancellable;

/// What is known of one client.
#[derive(Debug, Clone)]
pub struct ClientEntry {
    /// Its number, the process id that it was told.
    pub id: i32,
    /// Its user.
    pub user: String,
    /// Its database.
    pub database: String,
    /// Where it came from.
    pub address: String,
    /// What it calls itself.
    pub application_name: String,
    /// When it came.
    pub connected: SystemTime,
    /// True where its stream is encrypted.
    pub encrypted: bool,
    /// What it speaks.
    pub protocol: ProtocolVersion,
    /// True while it holds server connections.
    pub running: bool,
    /// For how long it has waited for one, if it does.
    pub waited: Option<Duration>,
}

impl ClientEntry {
    /// What a start-up says of its client, which has no number yet.
    pub fn of(startup: &Startup) -> ClientEntry {
        ClientEntry {
            id: 0,
            user: startup.user.clone(),
            database: startup.database.clone(),
            address: startup.address.clone(),
            application_name: startup.application_name.clone(),
            connected: SystemTime::now(),
            encrypted: startup.stream.is_secure(),
            protocol: startup.protocol,
            running: false,
            waited: None,
        }
    }
}

/// One client and what ends its statements.
#[derive(Debug)]
struct Client {
    entry: Arc<ClientEntry>,
    secret: Box<[u8]>,
    cancellable: Arc<Cancellable>,
}

impl Client {
    fn entry(&self) -> ClientEntry {
        let (running, waited) = (self.cancellable.is_running(), self.cancellable.waited());
        ClientEntry { running, waited, ..(*self.entry).clone() }
    }
}

/// The clients of one daemon.
#[derive(Debug, Default)]
pub struct Registry {
    /// The number of this daemon, which is the upper part of its clients' numbers; 0: it is alone.
    peer: u8,
    next: AtomicI32,
    clients: DashMap<i32, Client>,
    closing: AtomicBool,
}

/// A client's number has this many bits of its own. Above them is the daemon's, so that it is larger than any
/// process id of a server: those have 22 bits.
const OWN_BITS: u32 = 24;
const OWN_MASK: i32 = (1 << OWN_BITS) - 1;

impl Registry {
    /// The clients of the daemon of this number among several; 0: it is alone.
    pub fn of_peer(peer: u8) -> Registry {
        Registry { peer, ..Registry::default() }
    }

    /// A client came in, whose requests to cancel end this; answers its entry, with its number, and its
    /// secret.
    pub fn enter(
        &self,
        mut entry: ClientEntry,
        cancellable: Arc<Cancellable>,
    ) -> (Arc<ClientEntry>, Box<[u8]>) {
        let secret = secret(entry.protocol);
        loop {
            let id = self.number(self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(1));
            entry.id = id;
            // After many clients the numbers begin anew, and some of the first may still be there.
            if id & OWN_MASK != 0
                && let Entry::Vacant(place) = self.clients.entry(id)
            {
                let entry = Arc::new(entry);
                place.insert(Client { entry: Arc::clone(&entry), secret: secret.clone(), cancellable });
                return (entry, secret);
            }
        }
    }

    fn number(&self, sequence: i32) -> i32 {
        i32::from(self.peer.max(1)) << OWN_BITS | sequence & OWN_MASK
    }

    /// The daemon whose client has this number; `None` where it is this one.
    pub fn peer_of(&self, id: i32) -> Option<u8> {
        let peer = u8::try_from(id >> OWN_BITS).ok()?;
        (self.peer != 0 && peer != self.peer).then_some(peer)
    }

    /// A client of an application, by its number.
    pub fn client(&self, id: i32) -> Option<ClientEntry> {
        let client = self.clients.get(&id).filter(|client| client.entry.database != CONSOLE)?;
        Some(client.entry())
    }

    /// What runs for a client is cancelled.
    pub async fn interrupt(&self, id: i32) {
        let cancellable = self.clients.get(&id).map(|client| Arc::clone(&client.cancellable));
        if let Some(cancellable) = cancellable {
            cancellable.cancel().await;
        }
    }

    /// A client left.
    pub fn leave(&self, id: i32) {
        self.clients.remove(&id);
    }

    /// How many are there.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// True where nobody is there.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Everybody, by number.
    pub fn list(&self) -> Vec<ClientEntry> {
        let mut entries: Vec<ClientEntry> = self.clients.iter().map(|client| client.entry()).collect();
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    /// Tells a client to end.
    pub async fn dismiss(&self, id: i32) -> bool {
        let Some(cancellable) = self.clients.get(&id).map(|client| Arc::clone(&client.cancellable)) else {
            return false;
        };
        cancellable.dismiss().await;
        true
    }

    /// Tells all clients of a database, or of every one but the console, to end.
    pub async fn dismiss_all(&self, database: Option<&str>) {
        let is_of = |client: &Client| match database {
            Some(database) => client.entry.database == database,
            None => client.entry.database != CONSOLE,
        };
        let of = self.clients.iter().filter(|client| is_of(client));
        let cancellables: Vec<Arc<Cancellable>> = of.map(|client| Arc::clone(&client.cancellable)).collect();
        futures_util::future::join_all(cancellables.iter().map(|cancellable| cancellable.dismiss())).await;
    }

    /// The daemon ends: who waits for a client's next transaction hears of it.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.clients.iter().for_each(|client| client.cancellable.wake());
    }

    /// True once the daemon ends.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// A cancel request came in: what runs for the client is cancelled on its servers. A wrong
    /// secret is ignored, as PostgreSQL does, and how long that takes says nothing about the right one.
    pub async fn cancel(&self, id: i32, secret: &[u8]) {
        let cancellable = match self.clients.get(&id) {
            Some(client) if bool::from(client.secret.ct_eq(secret)) => Arc::clone(&client.cancellable),
            Some(_) | None => return,
        };
        cancellable.cancel().await;
    }
}

/// As long as PostgreSQL's own.
fn secret(protocol: ProtocolVersion) -> Box<[u8]> {
    match protocol >= ProtocolVersion::V3_2 {
        true => rand::random::<[u8; 32]>().into(),
        false => rand::random::<[u8; 4]>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> ClientEntry {
        ClientEntry {
            id: 0,
            user: "app".into(),
            database: "app".into(),
            address: "[local]".into(),
            application_name: String::new(),
            connected: SystemTime::now(),
            encrypted: false,
            protocol: ProtocolVersion::V3_0,
            running: false,
            waited: None,
        }
    }

    #[test]
    fn a_clients_number_names_its_daemon() {
        let (second, alone) = (Registry::of_peer(2), Registry::default());
        let id = second.enter(entry(), Arc::default()).0.id;
        assert_eq!(
            (Registry::of_peer(127).peer_of(id), second.peer_of(id), alone.peer_of(id)),
            (Some(2), None, None)
        );
        assert!(id > 0 && Registry::of_peer(127).enter(entry(), Arc::default()).0.id > 0);
    }
}
