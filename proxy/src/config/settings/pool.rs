//! `[pool]`: connections to servers.

use std::time::Duration;

use super::bounds::PoolMode;

/// `[pool]`: connections to servers.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolConfig {
    /// How long a client keeps its server connections.
    pub mode: PoolMode,
    /// The most connections of one user and database to one node.
    pub size: usize,
    /// How many connections a pool that was used once keeps open.
    pub min_size: usize,
    /// How many more than `size` a pool may have while somebody has waited for `reserve_timeout`.
    pub reserve_size: usize,
    /// How long somebody has to wait before the reserve is used.
    pub reserve_timeout: Duration,
    /// The most connections of all users and databases to one node.
    pub per_node: usize,
    /// How long a statement may wait for a connection.
    pub wait_timeout: Duration,
    /// The most statements that may wait for one pool's connections.
    pub max_waiting: usize,
    /// How long a connection may lie unused before it is closed.
    pub idle_timeout: Option<Duration>,
    /// How long a connection may live; it is closed between transactions.
    pub lifetime: Option<Duration>,
    /// How long dialling and logging in may take.
    pub connect_timeout: Duration,
    /// How long the error of a failed login stands before the next try.
    pub login_retry: Duration,
    /// A connection unused for longer is checked before it is lent.
    pub check_delay: Duration,
    /// The most of a pool, in percent, that one tenant may hold while others are active.
    pub tenant_share: usize,
    /// How long the other tenants' statements may take while one tenant holds more than its share of a node,
    /// in percent of what is usual; 0: as long as they do.
    pub tenant_slowdown: usize,
    /// What ends a client's session on a connection that it kept; empty: the connection is closed.
    pub reset_query: String,
    /// How long a statement may run.
    pub query_timeout: Option<Duration>,
    /// How long a transaction may last.
    pub transaction_timeout: Option<Duration>,
    /// How long a client may say nothing inside a transaction.
    pub idle_transaction_timeout: Option<Duration>,
    /// The most prepared statements kept on one connection.
    pub prepared_statements: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig {
            mode: PoolMode::Transaction,
            size: 20,
            min_size: 0,
            reserve_size: 0,
            reserve_timeout: Duration::from_secs(5),
            per_node: 80,
            wait_timeout: Duration::from_secs(30),
            max_waiting: 10_000,
            idle_timeout: Some(Duration::from_secs(600)),
            lifetime: Some(Duration::from_secs(3600)),
            connect_timeout: Duration::from_secs(5),
            login_retry: Duration::from_secs(1),
            check_delay: Duration::from_secs(30),
            tenant_share: 50,
            tenant_slowdown: 150,
            reset_query: "DISCARD ALL".into(),
            query_timeout: None,
            transaction_timeout: None,
            idle_transaction_timeout: None,
            prepared_statements: 500,
        }
    }
}
