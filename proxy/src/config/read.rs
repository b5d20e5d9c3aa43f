//! The file's tables -> settings, each key by name.

use std::path::Path;

use toml::de::DeTable;

use super::auth;
use super::check::{self, Least};
use super::fault::{Collector, Faults};
use super::section::Section;
use super::settings::*;

impl Config {
    /// Reads and checks a file. All faults are found at once.
    pub fn load(path: &Path) -> Result<Config, Faults> {
        let text = std::fs::read_to_string(path).map_err(|error| Faults::unreadable(path, &error))?;
        Config::parse(&text, &path.display().to_string())
    }

    /// Reads and checks a file's text; `file` is its name in the faults.
    pub fn parse(text: &str, file: &str) -> Result<Config, Faults> {
        let faults = Collector::new(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            faults.add(at, "", error.message().replace('\n', ", "));
        }
        let config = config(Section::root(&faults, table.get_ref()));
        faults.finish(file, config)
    }
}

fn config(mut root: Section<'_>) -> Config {
    let databases = root.tables("database");
    let servers = root.tables("server");
    let users = root.tables("user");
    check::names(&root, "database", &databases, Least::One);
    check::names(&root, "server", &servers, Least::One);
    let auth_section = root.table("auth");
    let others = auth::others(&auth_section);
    check::names(&root, "user", &users, Least::one_unless(others));
    let peers = root.tables("peer");
    let (auth, listed) = auth::auth(auth_section);
    let mut users: Vec<UserConfig> = users.into_iter().map(user).collect();
    let is_new = |new: &UserConfig| users.iter().all(|user| user.name != new.name);
    let listed: Vec<UserConfig> = listed.into_iter().filter(is_new).collect();
    users.extend(listed);
    let config = Config {
        proxy: proxy(root.table("proxy")),
        directory: directory(root.table("directory")),
        admin: admin(root.table("admin")),
        pool: pool(root.table("pool")),
        replicas: replicas(root.table("replicas")),
        moves: moves(root.table("moves")),
        merge: merge(root.table("merge")),
        gather: gather(root.table("gather")),
        databases: databases.into_iter().map(database).collect(),
        servers: servers.into_iter().map(server).collect(),
        users,
        auth,
        peers: peers.into_iter().map(peer).collect(),
    };
    check::together(&root, &config);
    root.finish();
    config
}

fn proxy(mut section: Section<'_>) -> ProxyConfig {
    let default = ProxyConfig::default();
    let config = ProxyConfig {
        id: section.or("id", default.id),
        listen: section.one_or_many("listen", default.listen),
        listen_backlog: section.number("listen_backlog", u64::from(default.listen_backlog), 1..=65_535)
            as u32,
        http_listen: section.or("http_listen", default.http_listen),
        unix_socket_dir: section.or("unix_socket_dir", default.unix_socket_dir),
        unix_socket_mode: section.or("unix_socket_mode", default.unix_socket_mode),
        keepalive: Keepalive {
            idle: section.or("tcp_keepalive_idle", default.keepalive.idle),
            interval: section.or("tcp_keepalive_interval", default.keepalive.interval),
            count: section.number("tcp_keepalive_count", u64::from(default.keepalive.count), 1..=127) as u32,
        },
        tls_certificate: section.or("tls_certificate", default.tls_certificate),
        tls_key: section.or("tls_key", default.tls_key),
        tls_client_ca: section.or("tls_client_ca", default.tls_client_ca),
        tls_required: section.or("tls_required", default.tls_required),
        tls_client_required: section.or("tls_client_required", default.tls_client_required),
        proxy_protocol: section.or("proxy_protocol", default.proxy_protocol),
        proxy_protocol_from: section.or("proxy_protocol_from", default.proxy_protocol_from),
        max_client_connections: count(&mut section, "max_client_connections", default.max_client_connections),
        max_client_logins: count(&mut section, "max_client_logins", default.max_client_logins),
        client_login_timeout: section.or("client_login_timeout", default.client_login_timeout),
        client_idle_timeout: section.or("client_idle_timeout", default.client_idle_timeout),
        max_statement_bytes: section.bytes("max_statement_bytes", default.max_statement_bytes, 1 << 10),
        shutdown_timeout: section.or("shutdown_timeout", default.shutdown_timeout),
        worker_threads: section.number("worker_threads", 0, 0..=1024) as usize,
        worker_load: section.number("worker_load", u64::from(default.worker_load), 0..=100) as u32,
        log_format: section.or("log_format", default.log_format),
        so_reuseport: section.or("so_reuseport", default.so_reuseport),
        peer_id: section.number("peer_id", 0, 0..=LARGEST_PEER) as u8,
        slow_statement: section.or("slow_statement", default.slow_statement),
        log_connections: section.or("log_connections", default.log_connections),
        log_disconnections: section.or("log_disconnections", default.log_disconnections),
        tenant_metrics: section.number("tenant_metrics", default.tenant_metrics as u64, 0..=1000) as usize,
    };
    check::proxy(&section, &config);
    section.finish();
    config
}

fn directory(mut section: Section<'_>) -> DirectoryConfig {
    let default = DirectoryConfig::default();
    let config = DirectoryConfig { store: section.or("store", default.store) };
    section.finish();
    config
}

fn database(mut section: Section<'_>) -> DatabaseConfig {
    let default = DatabaseConfig::default();
    let config = DatabaseConfig {
        name: section.required("name"),
        tenant_column: section.or("tenant_column", default.tenant_column),
        tenant_setting: section.or("tenant_setting", default.tenant_setting),
        shards: section.number("shards", u64::from(default.shards), 1..=65_536) as u32,
        harmless_functions: section.or("harmless_functions", default.harmless_functions),
        sequence_stride: section.number("sequence_stride", u64::from(default.sequence_stride), 1..=1024)
            as u16,
        regions: section.tables("region").into_iter().map(region).collect(),
        pool: own_pool(&mut section, "max_db_connections"),
        max_client_connections: bound(&mut section, "max_db_client_connections"),
        tenant_limits: TenantLimits {
            weight: 1,
            max_connections: bound(&mut section, "tenant_max_connections"),
            max_in_flight: bound(&mut section, "tenant_max_in_flight"),
            max_per_second: section.number("tenant_max_per_second", 0, 0..=MAX_COUNT) as u32,
        },
        tenants: Vec::new(),
    };
    let limits = config.tenant_limits;
    let tenants = section.tables("tenant").into_iter().map(|rule| tenant(rule, limits)).collect();
    let config = DatabaseConfig { tenants, ..config };
    check::database(&section, &config);
    section.finish();
    config
}

/// A tenant's own rule; what it does not say is as for every tenant.
fn tenant(mut section: Section<'_>, every: TenantLimits) -> TenantRule {
    let rule = TenantRule {
        key: section.required("key"),
        limits: TenantLimits {
            weight: section.number("weight", u64::from(every.weight), 1..=1000) as u32,
            max_connections: bound_or(&mut section, "max_connections", every.max_connections),
            max_in_flight: bound_or(&mut section, "max_in_flight", every.max_in_flight),
            max_per_second: section.number("max_per_second", u64::from(every.max_per_second), 0..=MAX_COUNT)
                as u32,
        },
    };
    section.finish();
    rule
}

fn own_pool(section: &mut Section<'_>, max_connections: &'static str) -> OwnPool {
    let size = bound(section, "pool_size");
    OwnPool {
        mode: section.or("pool_mode", None),
        size: (size > 0).then_some(size),
        max_connections: bound(section, max_connections),
    }
}

fn region(mut section: Section<'_>) -> RegionRule {
    let rule = RegionRule { region: section.required("region"), tenants: section.required("tenants") };
    section.finish();
    rule
}

fn server(mut section: Section<'_>) -> ServerConfig {
    let default = ServerConfig::default();
    let config = ServerConfig {
        name: section.required("name"),
        nodes: section.required("nodes"),
        region: section.or("region", default.region),
        tls: section.or("tls", default.tls),
        tls_ca: section.or("tls_ca", default.tls_ca),
        tls_certificate: section.or("tls_certificate", default.tls_certificate),
        tls_key: section.or("tls_key", default.tls_key),
    };
    check::server(&section, &config);
    section.finish();
    config
}

fn user(mut section: Section<'_>) -> UserConfig {
    let default = UserConfig::default();
    let config = UserConfig {
        name: section.required("name"),
        password: password(&mut section),
        fan_out: section.or("fan_out", default.fan_out),
        pool: own_pool(&mut section, "max_user_connections"),
        max_client_connections: bound(&mut section, "max_user_client_connections"),
        timeouts: OwnTimeouts {
            query_timeout: section.or("query_timeout", None),
            transaction_timeout: section.or("transaction_timeout", None),
            idle_transaction_timeout: section.or("idle_transaction_timeout", None),
            client_idle_timeout: section.or("client_idle_timeout", None),
        },
    };
    check::secret(&section, &config.password);
    section.finish();
    config
}

fn admin(mut section: Section<'_>) -> AdminConfig {
    let default = AdminConfig::default();
    let config = AdminConfig {
        user: section.or("user", default.user),
        password: password(&mut section),
        stats_users: section.or("stats_users", default.stats_users),
    };
    if config.user.is_empty() {
        section.fault_at("user", "must not be empty");
    }
    if !config.password.is_empty() && config.password.in_clear().is_none() {
        section.fault_at("password", "must be the password itself: pgherd logs in with it");
    }
    section.finish();
    config
}

fn peer(mut section: Section<'_>) -> PeerConfig {
    let id = section.number("id", 0, 1..=LARGEST_PEER) as u8;
    if id == 0 && !section.has("id") {
        section.fault_at("id", "is missing");
    }
    let address = section.optional("address");
    if address.is_none() && !section.has("address") {
        section.fault_at("address", "is missing");
    }
    section.finish();
    PeerConfig { id, address: address.unwrap_or(NodeAddress { host: String::new(), port: 0 }) }
}

fn pool(mut section: Section<'_>) -> PoolConfig {
    let default = PoolConfig::default();
    let config = PoolConfig {
        mode: section.or("mode", default.mode),
        size: count(&mut section, "size", default.size),
        min_size: bound(&mut section, "min_size"),
        reserve_size: bound(&mut section, "reserve_size"),
        reserve_timeout: section.or("reserve_timeout", default.reserve_timeout),
        per_node: count(&mut section, "per_node", default.per_node),
        wait_timeout: section.or("wait_timeout", default.wait_timeout),
        max_waiting: count(&mut section, "max_waiting", default.max_waiting),
        idle_timeout: section.or("idle_timeout", default.idle_timeout),
        lifetime: section.or("lifetime", default.lifetime),
        connect_timeout: section.or("connect_timeout", default.connect_timeout),
        check_delay: section.or("check_delay", default.check_delay),
        login_retry: section.or("login_retry", default.login_retry),
        tenant_share: section.number("tenant_share", default.tenant_share as u64, 1..=100) as usize,
        tenant_slowdown: slowdown(&mut section, default.tenant_slowdown),
        reset_query: section.or("reset_query", default.reset_query),
        query_timeout: section.or("query_timeout", default.query_timeout),
        transaction_timeout: section.or("transaction_timeout", default.transaction_timeout),
        idle_transaction_timeout: section.or("idle_transaction_timeout", default.idle_transaction_timeout),
        prepared_statements: count(&mut section, "prepared_statements", default.prepared_statements),
    };
    section.finish();
    config
}

/// A factor in percent that is more than 1; 0 where there is none.
fn slowdown(section: &mut Section<'_>, default: usize) -> usize {
    match section.number("tenant_slowdown", default as u64, 0..=10_000) as usize {
        few @ 1..=109 => {
            section.fault_at("tenant_slowdown", format!("{few} is neither 0 nor 110 or more"));
            default
        }
        percent => percent,
    }
}

fn replicas(mut section: Section<'_>) -> ReplicasConfig {
    let default = ReplicasConfig::default();
    let config = ReplicasConfig {
        reads: section.or("reads", default.reads),
        probe_interval: section.or("probe_interval", default.probe_interval),
        max_lag: section.or("max_lag", default.max_lag),
        pin_scope: section.or("pin_scope", default.pin_scope),
        primary_wait: section.or("primary_wait", default.primary_wait),
    };
    section.finish();
    config
}

fn moves(mut section: Section<'_>) -> MovesConfig {
    let default = MovesConfig::default();
    let config = MovesConfig {
        freeze_budget: section.or("freeze_budget", default.freeze_budget),
        lock_timeout: section.or("lock_timeout", default.lock_timeout),
        retry_delay: section.or("retry_delay", default.retry_delay),
        clean_batch: section.number("clean_batch", u64::from(default.clean_batch), 1..=1_000_000) as u32,
        parallel: section.number("parallel", default.parallel as u64, 1..=64) as usize,
    };
    if config.lock_timeout > config.freeze_budget {
        section.fault_at("lock_timeout", "must not be more than freeze_budget");
    }
    section.finish();
    config
}

fn merge(mut section: Section<'_>) -> MergeConfig {
    let default = MergeConfig::default();
    let config = MergeConfig { max_bytes: section.bytes("max_bytes", default.max_bytes, 1 << 16) };
    section.finish();
    config
}

fn gather(mut section: Section<'_>) -> GatherConfig {
    let default = GatherConfig::default();
    let config = GatherConfig {
        max_bytes: section.bytes("max_bytes", default.max_bytes, 1 << 16),
        array_rows: count(&mut section, "array_rows", default.array_rows),
    };
    section.finish();
    config
}

/// A cancel key has seven bits for the proxy's number.
const LARGEST_PEER: u64 = 127;
const MAX_COUNT: u64 = 1_000_000;

fn count(section: &mut Section<'_>, key: &'static str, default: usize) -> usize {
    section.number(key, default as u64, 1..=MAX_COUNT) as usize
}

/// A number that may be 0: no bound.
fn bound(section: &mut Section<'_>, key: &'static str) -> usize {
    bound_or(section, key, 0)
}

fn bound_or(section: &mut Section<'_>, key: &'static str, default: usize) -> usize {
    section.number(key, default as u64, 0..=MAX_COUNT) as usize
}

/// `password`, or the file or environment variable that holds it.
pub(super) fn password(section: &mut Section<'_>) -> Password {
    let given = ["password", "password_file", "password_env"].map(|key| section.has(key));
    if given.iter().filter(|given| **given).count() > 1 {
        section.fault("give only one of password, password_file and password_env");
    }
    let direct = section.optional::<Password>("password");
    let file = section.optional::<String>("password_file");
    let variable = section.optional::<String>("password_env");
    if let Some(file) = file {
        match std::fs::read_to_string(&file) {
            Ok(text) => return Password::new(text.trim_end_matches(['\r', '\n'])),
            Err(error) => section.fault_at("password_file", format!("{file} cannot be read: {error}")),
        }
    }
    if let Some(variable) = variable {
        match std::env::var(&variable) {
            Ok(text) => return Password::new(text),
            Err(_) => section.fault_at("password_env", format!("the variable {variable} is not set")),
        }
    }
    direct.unwrap_or_default()
}
