//! What `SHOW POOLS` shows.

use std::time::Duration;

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
    /// Connections lent, or being made.
    pub active: usize,
    /// Connections that wait for work.
    pub idle: usize,
    /// Checkouts that wait for a connection.
    pub waiting: usize,
    /// How long the longest of them has waited.
    pub longest_wait: Duration,
    /// Why logging in fails at present.
    pub failing: Option<String>,
}
