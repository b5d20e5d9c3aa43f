//! Who is there: the clients by number, for `SHOW CLIENTS`, and their cancel keys.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::SystemTime;

use dashmap::DashMap;

use crate::server::CancelHandle;

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
}

/// The clients of one daemon.
#[derive(Debug, Default)]
pub struct Registry {
    next: AtomicI32,
    clients: DashMap<i32, (ClientEntry, i32, Mutex<Cancellable>)>,
}

/// What a cancel request for a client would do now.
#[derive(Debug, Default)]
struct Cancellable {
    running: Vec<CancelHandle>,
    requested: bool,
}

impl Registry {
    /// A client came in; answers its number and its secret.
    pub fn enter(&self, mut entry: ClientEntry) -> (i32, i32) {
        let id = self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & i32::MAX;
        let secret: i32 = rand::random();
        entry.id = id;
        self.clients.insert(id, (entry, secret, Mutex::default()));
        (id, secret)
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
        let mut entries: Vec<ClientEntry> = self.clients.iter().map(|client| client.0.clone()).collect();
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    /// The connections on which a client's statement runs from now on; none: nothing is running.
    pub fn running(&self, id: i32, handles: Vec<CancelHandle>) {
        if let Some(client) = self.clients.get(&id)
            && let Ok(mut cancellable) = client.2.lock()
        {
            cancellable.running = handles;
        }
    }

    /// True once where a cancel request came in for the client.
    pub fn take_cancel(&self, id: i32) -> bool {
        let Some(client) = self.clients.get(&id) else { return false };
        client.2.lock().is_ok_and(|mut cancellable| std::mem::take(&mut cancellable.requested))
    }

    /// A cancel request came in: what runs for the client is cancelled on its servers. A wrong
    /// secret is ignored, as PostgreSQL does.
    pub async fn cancel(&self, id: i32, secret: i32) {
        let handles = match self.clients.get(&id) {
            Some(client) if client.1 == secret => match client.2.lock() {
                Ok(mut cancellable) => {
                    cancellable.requested = !cancellable.running.is_empty();
                    cancellable.running.clone()
                }
                Err(_) => return,
            },
            _ => return,
        };
        for handle in handles {
            handle.cancel().await;
        }
    }
}
