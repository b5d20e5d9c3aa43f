//! What a client must pass to get in: TLS, credentials, room. Made from a configuration, and made
//! again when it is reloaded; the count of clients goes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio_rustls::TlsAcceptor;

use super::auth::Credentials;
use crate::config::Config;

/// TLS for clients.
#[derive(Clone)]
pub struct GateTls {
    /// Speaks TLS.
    pub acceptor: TlsAcceptor,
    /// Its certificate in PEM: SCRAM's channel binding is to it.
    pub certificate: Bytes,
}

/// What a client must pass.
pub struct Gate {
    pub(super) config: Arc<Config>,
    pub(super) tls: Option<GateTls>,
    pub(super) credentials: Credentials,
    slots: Slots,
    secret: [u8; 32],
}

impl Gate {
    /// The gate of a configuration; nobody is inside yet.
    pub fn new(config: Arc<Config>, tls: Option<GateTls>) -> Gate {
        let secret = rand::random();
        let credentials = Credentials::new(&config, secret);
        Gate { config, tls, credentials, slots: Slots::default(), secret }
    }

    /// The gate of a newer configuration, with the same clients inside.
    pub fn reloaded(&self, config: Arc<Config>, tls: Option<GateTls>) -> Gate {
        let credentials = Credentials::new(&config, self.secret);
        Gate { config, tls, credentials, slots: self.slots.clone(), secret: self.secret }
    }

    /// Room for one client more; `None` where `max_client_connections` are inside.
    pub(super) fn enter(&self) -> Option<Slot> {
        self.slots.take(self.config.proxy.max_client_connections)
    }

    /// Room for the admin, whatever the limit.
    pub(super) fn enter_console(&self) -> Option<Slot> {
        self.slots.take(usize::MAX)
    }
}

#[derive(Clone, Default)]
struct Slots(Arc<AtomicUsize>);

impl Slots {
    fn take(&self, limit: usize) -> Option<Slot> {
        let more = |inside| (inside < limit).then_some(inside + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Slot(self.clone()))
    }
}

/// A client's room, given back when dropped.
pub struct Slot(Slots);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProxyConfig;

    #[test]
    fn room_is_given_back() {
        let proxy = ProxyConfig { max_client_connections: 1, ..ProxyConfig::default() };
        let gate = Gate::new(Arc::new(Config { proxy, ..Config::default() }), None);
        let slot = gate.enter();
        assert!(slot.is_some() && gate.enter().is_none() && gate.enter_console().is_some());
        drop(slot);
        assert!(gate.enter().is_some());
    }
}
