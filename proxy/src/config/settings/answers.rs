//! `[replicas]`, `[moves]`, `[merge]` and `[gather]`: how statements and rows find their way.

use std::time::Duration;

/// `[replicas]`: reads on replicas.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicasConfig {
    /// False: all reads go to the primaries.
    pub reads: bool,
    /// How often each node is asked for its role and log position.
    pub probe_interval: Duration,
    /// A replica further behind gets no reads.
    pub max_lag: Duration,
    /// Who is promised to see its own writes.
    pub pin_scope: PinScope,
    /// How long a write waits where a server has no primary.
    pub primary_wait: Duration,
}

impl Default for ReplicasConfig {
    fn default() -> Self {
        ReplicasConfig {
            reads: true,
            probe_interval: Duration::from_millis(100),
            max_lag: Duration::from_secs(10),
            pin_scope: PinScope::Tenant,
            primary_wait: Duration::from_secs(10),
        }
    }
}

/// Who is promised to see its own writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinScope {
    /// All sessions of a tenant.
    Tenant,
    /// The session that wrote.
    Session,
    /// Nobody: reads may be as old as `max_lag`.
    None,
}

/// `[moves]`: how gently shards and tenants are moved.
#[derive(Debug, Clone, PartialEq)]
pub struct MovesConfig {
    /// The longest that statements may wait for one try of a cutover.
    pub freeze_budget: Duration,
    /// How long one try may wait for the fence's lock.
    pub lock_timeout: Duration,
    /// How long after a failed cutover the next is tried.
    pub retry_delay: Duration,
    /// Rows that are deleted in one transaction when the source is cleaned.
    pub clean_batch: u32,
    /// Tables or ranges that are copied at once.
    pub parallel: usize,
}

impl Default for MovesConfig {
    fn default() -> Self {
        MovesConfig {
            freeze_budget: Duration::from_secs(1),
            lock_timeout: Duration::from_millis(200),
            retry_delay: Duration::from_secs(2),
            clean_batch: 5_000,
            parallel: 2,
        }
    }
}

/// `[merge]`: answers made of several servers' rows.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeConfig {
    /// The most memory that one statement's merge may hold, in bytes.
    pub max_bytes: u64,
}

impl Default for MergeConfig {
    fn default() -> Self {
        MergeConfig { max_bytes: 256 << 20 }
    }
}

/// `[gather]`: statements that one server computes over rows of several.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherConfig {
    /// The most that one statement may take from the servers, in bytes.
    pub max_bytes: u64,
    /// A server that gives more rows than this has the statement computed over temporary tables.
    pub array_rows: usize,
}

impl Default for GatherConfig {
    fn default() -> Self {
        GatherConfig { max_bytes: 256 << 20, array_rows: 10_000 }
    }
}
