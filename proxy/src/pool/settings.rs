//! The bounds of the pools, as the configuration says them; a reload puts others in force.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use router::ids::{KeyType, TenantKey};

use crate::config::{Config, DatabaseConfig, OwnPool, PoolMode, TenantLimits};

/// The bounds of all pools.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// The most connections of all users and databases to one node; 0 is no bound.
    pub per_node: usize,
    /// How long a checkout may take.
    pub wait_timeout: Duration,
    /// How long a checkout waits before a pool may use its reserve.
    pub reserve_timeout: Duration,
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
    /// What a connection that a session kept is reset with; empty: it is closed.
    pub reset_query: String,
    /// How much slower the others may get by one tenant's load, in percent; 0: nobody looks.
    pub(super) tenant_slowdown: usize,
    every: OwnPool,
    min_size: usize,
    reserve: usize,
    tenant_share: usize,
    users: HashMap<String, OwnPool>,
    databases: HashMap<String, (OwnPool, Arc<TenantRules>)>,
}

/// The bounds of one pool.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// The most connections.
    pub(super) size: usize,
    /// How many more while somebody has waited for long.
    pub(super) reserve: usize,
    /// How many are kept open.
    pub(super) min_size: usize,
    /// The most of all pools of its database on its node; 0 is no bound.
    pub(super) database: usize,
    /// The most of all pools of its user on its node; 0 is no bound.
    pub(super) user: usize,
    /// How long a client keeps a connection.
    pub(super) mode: PoolMode,
    /// The most of the pool, in percent, that one tenant may hold while others are active.
    pub(super) tenant_share: usize,
    /// What its tenants may have.
    pub(super) tenants: Arc<TenantRules>,
}

/// What the tenants of a database may have.
#[derive(Debug, Default)]
pub(super) struct TenantRules {
    every: TenantLimits,
    own: HashMap<TenantKey, TenantLimits>,
}

impl PoolSettings {
    /// How long a client of this database and user keeps its connections.
    pub fn mode(&self, database: &str, user: &str) -> PoolMode {
        let of_user = self.users.get(user).and_then(|own| own.mode);
        let of_database = || self.databases.get(database).and_then(|(own, _)| own.mode);
        of_user.or_else(of_database).or(self.every.mode).unwrap_or(PoolMode::Transaction)
    }

    /// What a tenant of this database may have.
    pub fn tenant(&self, database: &str, key: &TenantKey) -> TenantLimits {
        self.databases.get(database).map(|(_, tenants)| tenants.of(Some(key))).unwrap_or_default()
    }

    /// True where some tenant's statements are counted.
    pub(super) fn limits_statements(&self) -> bool {
        let counted = |limits: &TenantLimits| limits.max_in_flight > 0 || limits.max_per_second > 0;
        self.databases
            .values()
            .any(|(_, tenants)| counted(&tenants.every) || tenants.own.values().any(counted))
    }

    pub(super) fn bounds(&self, database: &str, user: &str) -> Bounds {
        let of_user = self.users.get(user);
        let of_database = self.databases.get(database);
        let size = of_user.and_then(|own| own.size).or(of_database.and_then(|(own, _)| own.size));
        Bounds {
            size: size.or(self.every.size).unwrap_or(1).max(1),
            reserve: self.reserve,
            min_size: self.min_size,
            database: of_database.map_or(0, |(own, _)| own.max_connections),
            user: of_user.map_or(0, |own| own.max_connections),
            mode: self.mode(database, user),
            tenant_share: self.tenant_share,
            tenants: of_database.map(|(_, tenants)| Arc::clone(tenants)).unwrap_or_default(),
        }
    }
}

impl From<&Config> for PoolSettings {
    fn from(config: &Config) -> PoolSettings {
        let pool = &config.pool;
        let database = |database: &DatabaseConfig| {
            (database.name.clone(), (database.pool.clone(), Arc::new(TenantRules::of_database(database))))
        };
        PoolSettings {
            per_node: pool.per_node,
            wait_timeout: pool.wait_timeout,
            reserve_timeout: pool.reserve_timeout,
            max_waiting: pool.max_waiting,
            idle_timeout: pool.idle_timeout,
            lifetime: pool.lifetime,
            check_delay: pool.check_delay,
            check_timeout: pool.connect_timeout,
            login_retry: pool.login_retry,
            prepared_statements: pool.prepared_statements,
            reset_query: pool.reset_query.clone(),
            every: OwnPool { mode: Some(pool.mode), size: Some(pool.size), max_connections: 0 },
            min_size: pool.min_size,
            reserve: pool.reserve_size,
            tenant_share: pool.tenant_share,
            tenant_slowdown: pool.tenant_slowdown,
            users: config.users.iter().map(|user| (user.name.clone(), user.pool.clone())).collect(),
            databases: config.databases.iter().map(database).collect(),
        }
    }
}

impl TenantRules {
    /// A key is text in the file; which type it is, the catalog knows. It is kept as whatever it can be.
    fn of_database(config: &DatabaseConfig) -> TenantRules {
        let types = [KeyType::Integer, KeyType::Uuid, KeyType::Text];
        let keys = |text: &str| types.iter().filter_map(|of| of.parse(text)).collect::<Vec<_>>();
        let rules = config.tenants.iter();
        let own = rules.flat_map(|rule| keys(&rule.key).into_iter().map(|key| (key, rule.limits)));
        TenantRules { every: config.tenant_limits, own: own.collect() }
    }

    /// What this tenant may have; all without a tenant count as one that has no rule.
    pub(super) fn of(&self, tenant: Option<&TenantKey>) -> TenantLimits {
        match tenant {
            None => TenantLimits::default(),
            Some(_) if self.own.is_empty() => self.every,
            Some(key) => self.own.get(key).copied().unwrap_or(self.every),
        }
    }
}
