//! What a client must pass to get in: TLS, credentials, room. Made from a configuration, and made
//! again when it is reloaded; the count of clients goes over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::roles::Credentials;
use crate::config::Config;
use crate::error::ClientError;
use crate::net::tls::ClientTls;

/// What a client must pass.
pub struct Gate {
    /// The configuration that it was made from.
    pub config: Arc<Config>,
    pub(super) tls: Option<ClientTls>,
    pub(super) credentials: Arc<Credentials>,
    slots: Slots,
    secret: [u8; 32],
}

impl Gate {
    /// The gate of a configuration; nobody is inside yet.
    pub fn new(config: Arc<Config>, tls: Option<ClientTls>) -> Gate {
        let secret = rand::random();
        let credentials = Arc::new(Credentials::new(&config, secret));
        Gate { config, tls, credentials, slots: Slots::default(), secret }
    }

    /// The gate of a newer configuration, with the same clients inside.
    pub fn reloaded(&self, config: Arc<Config>, tls: Option<ClientTls>) -> Gate {
        let credentials = Arc::new(Credentials::new(&config, self.secret));
        Gate { config, tls, credentials, slots: self.slots.clone(), secret: self.secret }
    }

    /// Hashes the passwords of the configuration, which takes a millisecond each: for a thread that
    /// has the time.
    pub fn warm(&self) -> impl FnOnce() + Send + 'static {
        let credentials = Arc::clone(&self.credentials);
        move || credentials.warm()
    }

    /// Room for one client more; `None` where `max_client_connections` are inside.
    pub(super) fn enter(&self) -> Option<Slot> {
        self.slots.take(self.config.proxy.max_client_connections)
    }

    /// Room among the clients of this user and of this database.
    ///
    /// # Errors
    /// 53300 where as many are inside as may be.
    pub(super) fn enter_as(&self, mut slot: Slot, user: &str, database: &str) -> Result<Slot, ClientError> {
        let most_of_user = self.config.user(user).map_or(0, |user| user.max_client_connections);
        let most_of_database = self.config.database(database).map_or(0, |known| known.max_client_connections);
        let slots = slot.slots.clone();
        let mut named = slots.named();
        let of_user = Whose::User(user.to_owned());
        let of_database = Whose::Database(database.to_owned());
        let full =
            |whose: &Whose, most: usize| most > 0 && named.get(whose).is_some_and(|inside| *inside >= most);
        if full(&of_user, most_of_user) {
            return Err(ClientError::too_many_of_user(user));
        }
        if full(&of_database, most_of_database) {
            return Err(ClientError::too_many_of_database(database));
        }
        for whose in [&of_user, &of_database] {
            *named.entry(whose.clone()).or_default() += 1;
        }
        drop(named);
        slot.names = vec![of_user, of_database];
        Ok(slot)
    }

    /// Room for the admin, whatever the limit.
    pub(super) fn enter_console(&self) -> Option<Slot> {
        self.slots.take(usize::MAX)
    }
}

/// Who is inside.
#[derive(Clone, Default)]
struct Slots(Arc<Inside>);

#[derive(Default)]
struct Inside {
    all: AtomicUsize,
    named: Mutex<HashMap<Whose, usize>>,
}

/// Whose clients are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    User(String),
    Database(String),
}

impl Slots {
    fn take(&self, limit: usize) -> Option<Slot> {
        let more = |inside| (inside < limit).then_some(inside + 1);
        self.0.all.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Slot { slots: self.clone(), names: Vec::new() })
    }

    fn named(&self) -> MutexGuard<'_, HashMap<Whose, usize>> {
        self.0.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's room, given back when dropped.
pub struct Slot {
    slots: Slots,
    /// Among whose clients it is counted, once it is known who it is.
    names: Vec<Whose>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.0.all.fetch_sub(1, Ordering::AcqRel);
        if self.names.is_empty() {
            return;
        }
        let mut named = self.slots.named();
        for whose in &self.names {
            if let Some(inside) = named.get_mut(whose) {
                *inside -= 1;
                if *inside == 0 {
                    named.remove(whose);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ProxyConfig, UserConfig};

    #[test]
    fn room_is_given_back() {
        let proxy = ProxyConfig { max_client_connections: 1, ..ProxyConfig::default() };
        let gate = Gate::new(Arc::new(Config { proxy, ..Config::default() }), None);
        let slot = gate.enter();
        assert!(slot.is_some() && gate.enter().is_none() && gate.enter_console().is_some());
        drop(slot);
        assert!(gate.enter().is_some());
    }

    #[test]
    fn a_user_s_room_is_counted_by_itself_and_given_back() {
        let user = UserConfig { name: "app".into(), max_client_connections: 1, ..UserConfig::default() };
        let gate = Gate::new(Arc::new(Config { users: vec![user], ..Config::default() }), None);
        let enter = |user: &str| gate.enter_as(gate.enter().unwrap(), user, "app");
        let first = enter("app").ok();
        assert_eq!(enter("app").err().map(|error| error.sqlstate), Some("53300"));
        assert!(enter("other").is_ok(), "another user has room");
        drop(first);
        assert!(enter("app").is_ok());
    }
}
