//! What PgBouncer's users look at, with PgBouncer's columns in its order; columns of pgherd's own stand
//! behind them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::table::Holds::{Number, Text};
use super::table::{Table, some};
use crate::config::PoolMode;
use crate::fleet::Fleet;

/// SHOW STATE.
pub(super) fn state(fleet: &Fleet) -> Table {
    let mut table = Table::new(&["key", "value"]);
    let mut names = fleet.databases.keys().peekable();
    let paused = names.peek().is_some() && names.all(|name| fleet.pools.is_paused(name));
    let word = |yes: bool| some(if yes { "yes" } else { "no" });
    table.row([some("active"), word(!paused)]);
    table.row([some("paused"), word(paused)]);
    table.row([some("suspended"), word(false)]);
    table
}

/// SHOW DATABASES. The host and port are those of the home server's primary.
pub(super) fn databases(fleet: &Fleet) -> Table {
    let mut table = Table::of(&[
        ("name", Text),
        ("host", Text),
        ("port", Number),
        ("database", Text),
        ("force_user", Text),
        ("pool_size", Number),
        ("min_pool_size", Number),
        ("reserve_pool_size", Number),
        ("server_lifetime", Number),
        ("pool_mode", Text),
        ("load_balance_hosts", Text),
        ("max_connections", Number),
        ("current_connections", Number),
        ("max_client_connections", Number),
        ("current_client_connections", Number),
        ("paused", Number),
        ("disabled", Number),
        ("tenant_column", Text),
        ("tenant_setting", Text),
        ("shards", Number),
        ("directory_version", Number),
        ("catalog_version", Number),
    ]);
    let config = fleet.config.load();
    let pools = fleet.pools.stats();
    let home = fleet.servers.iter().next().and_then(|server| server.primary());
    let clients = fleet.registry.list();
    for (name, database) in fleet.databases_in_order() {
        let directory = database.directory.load();
        let of = pools.iter().filter(|pool| pool.database == name);
        let open: usize = of.map(|pool| pool.open()).sum();
        let clients = clients.iter().filter(|client| client.database == name).count();
        // What a reload has put in force, the database itself does not know.
        let pool = config.database(name).map_or(&database.config.pool, |config| &config.pool);
        table.row([
            some(name),
            home.as_ref().map(|node| node.host.clone()),
            home.as_ref().map(|node| node.port.to_string()),
            some(name),
            None,
            some(pool.size.unwrap_or(config.pool.size)),
            some(config.pool.min_size),
            some(config.pool.reserve_size),
            some(config.pool.lifetime.unwrap_or_default().as_secs()),
            some(word(pool.mode.unwrap_or(config.pool.mode))),
            None,
            some(config.pool.per_node),
            some(open),
            some(config.proxy.max_client_connections),
            some(clients),
            some(u8::from(fleet.pools.is_paused(name))),
            some(u8::from(fleet.pools.is_disabled(name))),
            some(&database.config.tenant_column),
            some(&database.config.tenant_setting),
            some(directory.shard_count()),
            some(directory.version()),
            some(database.catalog.load().version),
        ]);
    }
    table
}

/// SHOW USERS.
pub(super) fn users(fleet: &Fleet) -> Table {
    let mut table = Table::of(&[
        ("name", Text),
        ("pool_size", Number),
        ("reserve_pool_size", Number),
        ("pool_mode", Text),
        ("max_user_connections", Number),
        ("current_connections", Number),
        ("max_user_client_connections", Number),
        ("current_client_connections", Number),
        ("fan_out", Text),
    ]);
    let config = fleet.config.load();
    let (pools, clients) = (fleet.pools.stats(), fleet.registry.list());
    for user in &config.users {
        let open: usize = pools.iter().filter(|pool| pool.user == user.name).map(|pool| pool.open()).sum();
        let clients = clients.iter().filter(|client| client.user == user.name).count();
        table.row([
            some(&user.name),
            user.pool.size.map(|size| size.to_string()),
            None,
            user.pool.mode.map(|mode| word(mode).to_owned()),
            some(user.pool.max_connections),
            some(open),
            some(user.max_client_connections),
            some(clients),
            some(user.fan_out),
        ]);
    }
    table
}

/// The pools of one database and user, on all nodes together.
#[derive(Default)]
struct Pool {
    clients_active: usize,
    clients_waiting: usize,
    active: usize,
    idle: usize,
    used: usize,
    login: usize,
    longest_wait: std::time::Duration,
    mode: Option<PoolMode>,
}

/// SHOW POOLS: one line a database and user.
pub(super) fn pools(fleet: &Fleet) -> Table {
    let mut table = Table::of(&[
        ("database", Text),
        ("user", Text),
        ("cl_active", Number),
        ("cl_waiting", Number),
        ("cl_active_cancel_req", Number),
        ("cl_waiting_cancel_req", Number),
        ("sv_active", Number),
        ("sv_active_cancel", Number),
        ("sv_being_canceled", Number),
        ("sv_idle", Number),
        ("sv_used", Number),
        ("sv_tested", Number),
        ("sv_login", Number),
        ("maxwait", Number),
        ("maxwait_us", Number),
        ("pool_mode", Text),
        ("load_balance_hosts", Text),
    ]);
    let default = fleet.config.load().pool.mode;
    for ((database, user), pool) in by_user(fleet) {
        table.row([
            some(database),
            some(user),
            some(pool.clients_active),
            some(pool.clients_waiting),
            some(0),
            some(0),
            some(pool.active),
            some(0),
            some(0),
            some(pool.idle),
            some(pool.used),
            some(0),
            some(pool.login),
            some(pool.longest_wait.as_secs()),
            some(pool.longest_wait.subsec_micros()),
            some(word(pool.mode.unwrap_or(default))),
            None,
        ]);
    }
    table
}

fn word(mode: PoolMode) -> &'static str {
    match mode {
        PoolMode::Transaction => "transaction",
        PoolMode::Session => "session",
    }
}

fn by_user(fleet: &Fleet) -> BTreeMap<(String, String), Pool> {
    let mut pools: BTreeMap<(String, String), Pool> = BTreeMap::new();
    for stats in fleet.pools.stats() {
        let pool = pools.entry((stats.database, stats.user)).or_default();
        pool.active += stats.active;
        pool.idle += stats.idle;
        pool.used += stats.used;
        pool.login += stats.login;
        pool.mode = Some(stats.mode);
        pool.clients_waiting += stats.waiting;
        pool.longest_wait = pool.longest_wait.max(stats.longest_wait);
    }
    for client in fleet.registry.list() {
        pools.entry((client.database, client.user)).or_default().clients_active += 1;
    }
    for pool in pools.values_mut() {
        pool.clients_active = pool.clients_active.saturating_sub(pool.clients_waiting);
    }
    pools
}

/// SHOW NODE_POOLS: one line a node, database and user.
pub(super) fn node_pools(fleet: &Fleet) -> Table {
    let mut table = Table::of(&[
        ("server", Text),
        ("node", Text),
        ("database", Text),
        ("user", Text),
        ("cl_waiting", Number),
        ("sv_active", Number),
        ("sv_idle", Number),
        ("maxwait_us", Number),
        ("failing", Text),
    ]);
    for pool in fleet.pools.stats() {
        table.row([
            some(pool.server),
            some(format!("{}:{}", pool.host, pool.port)),
            some(pool.database),
            some(pool.user),
            some(pool.waiting),
            some(pool.active),
            some(pool.idle),
            some(pool.longest_wait.as_micros()),
            pool.failing,
        ]);
    }
    table
}

/// SHOW HELD_BACK: one line a tenant, in each pool where it is held back.
pub(super) fn held_back(fleet: &Fleet) -> Table {
    let texts = ["server", "node", "database", "user", "tenant"].map(|name| (name, Text));
    let numbers = ["held", "allowed", "waiting"].map(|name| (name, Number));
    let mut table = Table::of(&[&texts[..], &numbers[..]].concat());
    for pool in fleet.pools.stats() {
        for tenant in &pool.held_back {
            table.row([
                some(&pool.server),
                some(format!("{}:{}", pool.host, pool.port)),
                some(&pool.database),
                some(&pool.user),
                some(&tenant.tenant),
                some(tenant.held),
                some(tenant.allowed),
                some(tenant.waiting),
            ]);
        }
    }
    table
}

/// The columns that clients and server connections have in common.
const SOCKETS: [(&str, super::table::Holds); 21] = [
    ("type", Text),
    ("user", Text),
    ("database", Text),
    ("replication", Text),
    ("state", Text),
    ("addr", Text),
    ("port", Number),
    ("local_addr", Text),
    ("local_port", Number),
    ("connect_time", Text),
    ("request_time", Text),
    ("wait", Number),
    ("wait_us", Number),
    ("close_needed", Number),
    ("ptr", Text),
    ("link", Text),
    ("remote_pid", Number),
    ("tls", Text),
    ("application_name", Text),
    ("prepared_statements", Number),
    ("id", Number),
];

/// SHOW CLIENTS.
pub(super) fn clients(fleet: &Fleet) -> Table {
    let columns: Vec<_> = SOCKETS.into_iter().chain([("age", Number)]).collect();
    let mut table = Table::of(&columns);
    let cards = fleet.pools.connections();
    for client in fleet.registry.list() {
        let used = cards.iter().find(|card| card.user() == Some(client.id));
        let age = SystemTime::now().duration_since(client.connected).unwrap_or_default().as_secs();
        let (address, port) = match client.address.rsplit_once(':') {
            Some((address, port)) => (address.to_owned(), port.to_owned()),
            None => ("unix".to_owned(), "0".to_owned()),
        };
        let waited = client.waited.unwrap_or_default();
        let state = match (client.waited, client.running) {
            (Some(_), _) => "waiting",
            (None, true) => "active",
            (None, false) => "idle",
        };
        table.row([
            some("C"),
            some(client.user),
            some(client.database),
            some("none"),
            some(state),
            some(address),
            some(port),
            None,
            None,
            some(crate::execute::clock::at(client.connected)),
            None,
            some(waited.as_secs()),
            some(waited.subsec_micros()),
            some(0),
            some(client.id),
            used.map(|card| card.id.to_string()),
            some(0),
            some(if client.encrypted { "yes" } else { "" }),
            some(client.application_name),
            some(0),
            some(client.id),
            some(age),
        ]);
    }
    table
}

/// SHOW SERVERS: connections to servers, one by one.
pub(super) fn servers(fleet: &Fleet) -> Table {
    let columns: Vec<_> = SOCKETS.into_iter().chain([("server", Text)]).collect();
    let mut table = Table::of(&columns);
    let application = format!("pgherd/{}", fleet.proxy_id);
    for card in fleet.pools.connections() {
        table.row([
            some("S"),
            some(&card.target.user),
            some(&card.target.database),
            some("none"),
            some(if card.is_lent() { "active" } else { "idle" }),
            some(&card.target.host),
            some(card.target.port),
            None,
            None,
            some(crate::execute::clock::at(card.since)),
            None,
            some(0),
            some(0),
            some(0),
            some(card.id),
            card.user().map(|client| client.to_string()),
            some(card.process),
            some(if card.encrypted { "yes" } else { "" }),
            some(&application),
            some(0),
            some(card.id),
            some(&card.target.server),
        ]);
    }
    table
}

/// SHOW LISTS.
pub(super) fn lists(fleet: &Fleet) -> Table {
    let mut table = Table::of(&[("list", Text), ("items", Number)]);
    let config = fleet.config.load();
    let pools = fleet.pools.stats();
    let clients = fleet.registry.len();
    let lines = [
        ("databases", fleet.databases.len()),
        ("users", config.users.len()),
        ("peers", config.peers.len()),
        ("pools", by_user(fleet).len()),
        ("peer_pools", 0),
        ("free_clients", config.proxy.max_client_connections.saturating_sub(clients)),
        ("used_clients", clients),
        ("login_clients", 0),
        ("free_servers", pools.iter().map(|pool| pool.idle).sum()),
        ("used_servers", pools.iter().map(|pool| pool.active).sum()),
        ("dns_names", 0),
        ("dns_zones", 0),
        ("dns_queries", 0),
        ("dns_pending", 0),
        ("servers", fleet.servers.iter().count()),
    ];
    for (list, items) in lines {
        table.row([some(list), some(items)]);
    }
    table
}

/// SHOW MEM: the process as the kernel sees it.
pub(super) fn memory(fleet: &Fleet) -> Table {
    let mut table = Table::of(&[
        ("name", Text),
        ("size", Number),
        ("used", Number),
        ("free", Number),
        ("memtotal", Number),
    ]);
    let resident = resident_bytes();
    table.row([some("process"), some(1), some(1), some(0), some(resident)]);
    let clients = fleet.registry.len();
    table.row([some("clients"), None, some(clients), None, None]);
    let pools = fleet.pools.stats();
    let open: usize = pools.iter().map(|pool| pool.open()).sum();
    table.row([some("server_connections"), None, some(open), None, None]);
    table
}

/// The memory that the process has, in bytes; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}
