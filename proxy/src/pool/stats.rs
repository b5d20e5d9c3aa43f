//! What `SHOW POOLS` shows.

use std::time::Duration;

use router::ids::TenantKey;

use crate::config::PoolMode;

/// One pool at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// The server's name.
    pub server: String,
    /// The node's host.
    pub host: String,
    /// The node's port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role.
    pub user: String,
    /// Connections lent (PgBouncer's `sv_active`).
    pub active: usize,
    /// Connections that may be lent at once (`sv_idle`).
    pub idle: usize,
    /// Connections unused for so long that they are checked before they are lent (`sv_used`).
    pub used: usize,
    /// Connections being made (`sv_login`).
    pub login: usize,
    /// Checkouts that wait for a connection (`cl_waiting`).
    pub waiting: usize,
    /// How long the longest of them has waited (`maxwait`).
    pub longest_wait: Duration,
    /// Why logging in fails at present.
    pub failing: Option<String>,
    /// How long a client keeps a connection.
    pub mode: PoolMode,
    /// The most connections.
    pub size: usize,
    /// True while nothing is lent because an operator said so.
    pub paused: bool,
    /// The tenants that may hold fewer connections, since others would be slower.
    pub held_back: Vec<HeldBack>,
}

/// A tenant that is held back in a pool (`SHOW HELD_BACK`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Its key.
    pub tenant: TenantKey,
    /// How many connections it holds.
    pub held: usize,
    /// How many it may hold.
    pub allowed: usize,
    /// How many of its statements wait.
    pub waiting: usize,
}

impl PoolStats {
    /// How many connections are open or being made.
    pub fn open(&self) -> usize {
        self.active + self.idle + self.used + self.login
    }
}
