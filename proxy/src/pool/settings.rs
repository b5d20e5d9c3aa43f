//! The bounds of the pools.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::PoolConfig;

/// The bounds of the pools.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// The most connections of one user and database to one node.
    pub size: usize,
    /// The most connections of all users and databases to one node; 0 is no bound.
    pub per_node: usize,
    /// How long a checkout may take.
    pub wait_timeout: Duration,
    /// The most checkouts that wait for one pool.
    pub max_waiting: usize,
    /// A connection unused for longer is closed.
    pub idle_timeout: Option<Duration>,
    /// A connection older than this, give or take a tenth, is closed when it comes back.
    pub lifetime: Option<Duration>,
    /// A connection unused for longer is checked before it is lent.
    pub check_delay: Duration,
    /// How long that check may take.
    pub check_timeout: Duration,
    /// After a failed login, how long its error stands before the next try.
    pub login_retry: Duration,
    /// The most prepared statements on one connection.
    pub prepared_statements: usize,
}

impl From<&PoolConfig> for PoolSettings {
    fn from(config: &PoolConfig) -> PoolSettings {
        PoolSettings {
            size: config.size.max(1),
            per_node: config.per_node,
            wait_timeout: config.wait_timeout,
            max_waiting: config.max_waiting,
            idle_timeout: config.idle_timeout,
            lifetime: config.lifetime,
            check_delay: config.check_delay,
            check_timeout: config.connect_timeout,
            login_retry: Duration::from_secs(1),
            prepared_statements: config.prepared_statements,
        }
    }
}

/// Names a set of session settings, to ask for a connection that has them already.
pub fn settings_fingerprint(settings: &BTreeMap<String, String>) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for (name, statement) in settings {
        for part in [name, statement] {
            hasher.update(&part.len().to_be_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.digest()
}
