//! Who is there: the clients by number, for `SHOW CLIENTS`, and their cancel keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::SystemTime;

use dashmap::DashMap;

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
}

/// The clients of one daemon.
#[derive(Debug, Default)]
pub struct Registry {
    next: AtomicI32,
    clients: DashMap<i32, (ClientEntry, i32, Arc<Cancellable>)>,
}

impl Registry {
    /// A client came in, whose requests to cancel end this; answers its number and its secret.
    pub fn enter(&self, mut entry: ClientEntry, cancellable: Arc<Cancellable>) -> (i32, i32) {
        let id = self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & i32::MAX;
        let secret: i32 = rand::random();
        entry.id = id;
        self.clients.insert(id, (entry, secret, cancellable));
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

    /// A cancel request came in: what runs for the client is cancelled on its servers. A wrong
    /// secret is ignored, as PostgreSQL does.
    pub async fn cancel(&self, id: i32, secret: i32) {
        let cancellable = match self.clients.get(&id) {
            Some(client) if client.1 == secret => Arc::clone(&client.2),
            _ => return,
        };
        cancellable.cancel().await;
    }
}
