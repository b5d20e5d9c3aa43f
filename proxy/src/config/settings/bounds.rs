//! What databases, users and tenants may have of their own.

use std::time::Duration;

/// What the pools of one database, or of one user, do otherwise than `[pool]` says. A user's word
/// counts before its database's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnPool {
    /// How long a client keeps its connections.
    pub mode: Option<PoolMode>,
    /// The most connections of one pool.
    pub size: Option<usize>,
    /// The most connections of all pools together of this database, or of this user, to one node; 0 is
    /// no bound of its own.
    pub max_connections: usize,
}

/// How long a client keeps its server connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// For a transaction.
    Transaction,
    /// From its first statement to its end.
    Session,
}

/// What one tenant may have; 0 is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits {
    /// How many turns it gets where others get one, and how many times their share.
    pub weight: u32,
    /// The most connections of one pool.
    pub max_connections: usize,
    /// The most statements at once.
    pub max_in_flight: usize,
    /// The most statements a second.
    pub max_per_second: u32,
}

impl Default for TenantLimits {
    fn default() -> Self {
        TenantLimits { weight: 1, max_connections: 0, max_in_flight: 0, max_per_second: 0 }
    }
}

/// `[[database.tenant]]`: what one tenant may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantRule {
    /// The tenant's key as text.
    pub key: String,
    /// What it may have.
    pub limits: TenantLimits,
}

/// How long a user's clients and statements may take, where that is not what everybody's may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnTimeouts {
    /// How long a statement may run.
    pub query_timeout: Option<Duration>,
    /// How long a transaction may last.
    pub transaction_timeout: Option<Duration>,
    /// How long a client may say nothing inside a transaction.
    pub idle_transaction_timeout: Option<Duration>,
    /// How long a client may say nothing outside a transaction.
    pub client_idle_timeout: Option<Duration>,
}

/// `[[database.region]]`: these tenants stay on servers of this region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionRule {
    /// The servers' `region`.
    pub region: String,
    /// The tenants' keys as text.
    pub tenants: Vec<String>,
}
