//! `[[database]]` and what stands below it.

use super::bounds::{OwnPool, RegionRule, TenantLimits, TenantRule};

/// `[[database]]`: a database that clients name; it has the same name on every server.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseConfig {
    /// Its name.
    pub name: String,
    /// The column that makes a table a sharded table.
    pub tenant_column: String,
    /// The setting with which a session names its tenant.
    pub tenant_setting: String,
    /// The number of logical shards; fixed once the directory is made.
    pub shards: u32,
    /// Functions (`name` or `schema.name`) that read no sharded table, whatever they look like.
    pub harmless_functions: Vec<String>,
    /// How many servers its sequences can count on apart from each other; 1: each server counts for itself.
    pub sequence_stride: u16,
    /// Tenants that must stay on servers of one region.
    pub regions: Vec<RegionRule>,
    /// What its pools do otherwise than `[pool]` says.
    pub pool: OwnPool,
    /// The most clients of this database at once; 0 is no bound of its own.
    pub max_client_connections: usize,
    /// What every tenant may have, unless a rule of its own says otherwise.
    pub tenant_limits: TenantLimits,
    /// Rules of single tenants: the key as text, and what it may have.
    pub tenants: Vec<TenantRule>,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        DatabaseConfig {
            name: String::new(),
            tenant_column: "tenant_id".into(),
            tenant_setting: "app.tenant".into(),
            shards: 4096,
            harmless_functions: Vec::new(),
            sequence_stride: 16,
            regions: Vec::new(),
            pool: OwnPool::default(),
            max_client_connections: 0,
            tenant_limits: TenantLimits::default(),
            tenants: Vec::new(),
        }
    }
}
