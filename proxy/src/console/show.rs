//! The subjects of SHOW, and whether the fleet is ready.

use std::net::SocketAddr;

use router::catalog::{Relation, RelationKind};

use super::table::{Table, some};
use super::{moving, placement, pooler, schema, sequences, stats};
use crate::check::Checked;
use crate::config::Config;
use crate::error::ClientError;
use crate::fleet::{Database, Fleet};

/// The subjects of SHOW.
const SUBJECTS: [(&str, &str); 29] = [
    ("HELP", "these lines"),
    ("VERSION", "pgherd's version"),
    ("STATE", "is everything paused?"),
    ("CONFIG", "the configuration in force"),
    ("DATABASES", "the databases that clients may name"),
    ("USERS", "the users that clients may be"),
    ("POOLS", "clients and server connections by database and user"),
    ("NODE_POOLS", "server connections by node, database and user"),
    ("CLIENTS", "who is connected"),
    ("SERVERS", "server connections, one by one"),
    ("LISTS", "how many there are of what"),
    ("STATS", "transactions, statements, bytes and times by database: totals and averages"),
    ("STATS_TOTALS", "the totals alone"),
    ("STATS_AVERAGES", "the averages of the last minute alone"),
    ("TOTALS", "the totals over all databases"),
    ("USER_STATS", "the totals by database and user"),
    ("TENANT_STATS", "the totals of the busiest tenants"),
    ("HELD_BACK", "tenants that may hold fewer connections, since others would be slower"),
    ("PREPARED_STATEMENTS", "how often statements were prepared"),
    ("MEM", "memory in use"),
    ("METRICS", "what /metrics shows"),
    ("NODES", "servers and their nodes: role, lag, shards, tenants"),
    ("SHARDS", "runs of shards and their server"),
    ("TENANTS", "tenants with a placement of their own"),
    ("MOVES", "all moves"),
    ("ACTIVE_MOVES", "moves that have not ended"),
    ("CATALOG", "the tables as pgherd sees them"),
    ("SEQUENCES", "sequences: do the servers count apart, and what each gives next"),
    ("SCHEMA", "changes of the schema that are not done on all servers"),
];

/// The other commands.
const COMMANDS: [(&str, &str); 18] = [
    ("PAUSE [db]", "lend no connections any more; done when all are back"),
    ("RESUME [db]", "lend again"),
    ("RECONNECT [db]", "close each server connection as soon as nobody uses it"),
    ("WAIT_CLOSE [db]", "wait until those are closed"),
    ("KILL [db]", "drop all clients and server connections, and pause"),
    ("KILL_CLIENT id", "drop one client"),
    ("DISABLE db | ENABLE db", "let no new clients in; let them in again"),
    ("RELOAD", "read the configuration file again"),
    ("SET key = value", "change a key of it until then; SHOW key shows one"),
    (
        "SHUTDOWN [WAIT_FOR_SERVERS | WAIT_FOR_CLIENTS]",
        "end; after transactions, or when the last client has left",
    ),
    ("USE name", "later commands mean this database"),
    ("WHERE key", "tenant -> shard -> server, and why"),
    ("CHECK", "is the fleet ready? each finding with what to do"),
    ("SEQUENCES SPREAD", "bring apart the sequences that may give a number on two servers"),
    ("SCHEMA RESUME id | SCHEMA FORGET id", "go on with an unfinished change of the schema; let it be"),
    ("MOVE START TENANTS 'k,k' TO server [DRY RUN]", "move tenants"),
    ("MOVE START SHARDS '0-99,200' TO server [DRY RUN]", "move shards"),
    ("MOVE SHOW id | MOVE ABORT id | MOVE GC", "one move; undo it; remove left-overs"),
];

/// Answers `SHOW subject`.
///
/// # Errors
/// 42704 for an unknown subject; 3D000 where a database must be chosen first.
pub(super) async fn run(
    fleet: &Fleet,
    database: Option<&Database>,
    subject: &str,
) -> Result<Table, ClientError> {
    let chosen = || {
        database.ok_or_else(|| {
            ClientError::new("3D000", "there are several databases")
                .hint("Say which: USE name, or herdctl --database name.")
        })
    };
    Ok(match subject {
        "HELP" => Table::default(),
        "VERSION" => version(),
        "STATE" => pooler::state(fleet),
        "CONFIG" => config(fleet, None),
        "DATABASES" => pooler::databases(fleet),
        "USERS" => pooler::users(fleet),
        "POOLS" => pooler::pools(fleet),
        "NODE_POOLS" => pooler::node_pools(fleet),
        "CLIENTS" => pooler::clients(fleet),
        "SERVERS" => pooler::servers(fleet),
        "LISTS" => pooler::lists(fleet),
        "STATS" => stats::all(fleet),
        "STATS_TOTALS" => stats::totals(fleet),
        "STATS_AVERAGES" => stats::averages(fleet),
        "TOTALS" => stats::overall(fleet),
        "USER_STATS" => stats::by_user(fleet),
        "TENANT_STATS" => stats::by_tenant(fleet),
        "HELD_BACK" => pooler::held_back(fleet),
        "PREPARED_STATEMENTS" => stats::prepared(fleet),
        "MEM" => pooler::memory(fleet),
        "METRICS" => metrics(fleet),
        "NODES" => placement::nodes(fleet, database),
        "SHARDS" => placement::shards(chosen()?),
        "TENANTS" => placement::tenants(chosen()?),
        "MOVES" => moving::list(chosen()?, false),
        "ACTIVE_MOVES" => match database {
            Some(database) => moving::list(database, true),
            None => Table::new(&["id"]),
        },
        "CATALOG" => {
            let database = chosen()?;
            database.catalog.catch_up(&fleet.servers).await;
            catalog(database)
        }
        "SEQUENCES" => sequences::show(fleet, chosen()?).await?,
        "SCHEMA" => schema::show(fleet, chosen()?).await?,
        key if !config(fleet, Some(key)).is_empty() => config(fleet, Some(key)),
        _ => {
            return Err(ClientError::new("42704", format!("there is nothing called \"{subject}\" to show"))
                .hint("SHOW HELP lists what there is."));
        }
    })
}

/// What SHOW HELP says: a line a command.
pub(super) fn help() -> String {
    let shows = SUBJECTS.iter().map(|(subject, answer)| (format!("SHOW {subject}"), *answer));
    let commands = COMMANDS.iter().map(|(command, answer)| ((*command).to_owned(), *answer));
    let lines = shows.chain(commands).map(|(command, answer)| format!("\n\t{command:<48} {answer}"));
    lines.collect()
}

fn version() -> Table {
    let mut table = Table::new(&["version"]);
    table.row([some(concat!("pgherd ", env!("CARGO_PKG_VERSION")))]);
    table
}

/// All keys, or the one of this name.
fn config(fleet: &Fleet, only: Option<&str>) -> Table {
    let mut table = Table::new(&["key", "value", "default", "changeable"]);
    let config = fleet.config.load();
    let defaults: Vec<(String, String)> = config_lines(&Config::default());
    let default = |key: &str| defaults.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let is_shown = |key: &str| only.is_none_or(|only| only.eq_ignore_ascii_case(key));
    for (key, value) in config_lines(&config).into_iter().filter(|(key, _)| is_shown(key)) {
        let changeable = if needs_restart(&key) { "no" } else { "yes" };
        table.row([some(&key), some(value), default(&key), some(changeable)]);
    }
    for (key, value) in pgbouncer_lines(&config).into_iter().filter(|(key, _)| is_shown(key)) {
        let changeable = if key.starts_with("listen_") || key == "so_reuseport" { "no" } else { "yes" };
        table.row([some(key), some(value), None, some(changeable)]);
    }
    table
}

/// True for the keys whose change needs a restart.
fn needs_restart(key: &str) -> bool {
    const KEYS: [&str; 5] =
        ["proxy.id", "proxy.listen", "proxy.http_listen", "proxy.so_reuseport", "proxy.peer_id"];
    const TABLES: [&str; 4] = ["replicas.", "admin.", "database.", "server."];
    KEYS.contains(&key) || TABLES.iter().any(|table| key.starts_with(table))
}

/// The keys that tools ask PgBouncer for.
fn pgbouncer_lines(config: &Config) -> Vec<(&'static str, String)> {
    let seconds = |limit: Option<std::time::Duration>| limit.unwrap_or_default().as_secs_f64().to_string();
    vec![
        ("max_client_conn", config.proxy.max_client_connections.to_string()),
        ("default_pool_size", config.pool.size.to_string()),
        ("listen_port", config.proxy.listen.first().map_or(0, SocketAddr::port).to_string()),
        ("listen_addr", listed(config.proxy.listen.iter().map(SocketAddr::ip))),
        ("query_wait_timeout", seconds(Some(config.pool.wait_timeout))),
        ("query_timeout", seconds(config.pool.query_timeout)),
        ("idle_transaction_timeout", seconds(config.pool.idle_transaction_timeout)),
        ("client_idle_timeout", seconds(config.proxy.client_idle_timeout)),
        ("client_login_timeout", seconds(Some(config.proxy.client_login_timeout))),
        ("server_idle_timeout", seconds(config.pool.idle_timeout)),
        ("server_lifetime", seconds(config.pool.lifetime)),
        ("server_connect_timeout", seconds(Some(config.pool.connect_timeout))),
        ("max_prepared_statements", config.pool.prepared_statements.to_string()),
        ("so_reuseport", u8::from(config.proxy.so_reuseport).to_string()),
    ]
}

fn listed(items: impl IntoIterator<Item: ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// The keys that operators change, as the file names them. Never a password.
fn config_lines(config: &Config) -> Vec<(String, String)> {
    let (proxy, pool, replicas, moves) = (&config.proxy, &config.pool, &config.replicas, &config.moves);
    let mut lines = vec![
        ("proxy.id", proxy.id.clone()),
        ("proxy.listen", listed(&proxy.listen)),
        ("proxy.http_listen", proxy.http_listen.to_string()),
        ("proxy.max_client_connections", proxy.max_client_connections.to_string()),
        ("proxy.max_client_logins", proxy.max_client_logins.to_string()),
        ("proxy.client_login_timeout", format!("{:?}", proxy.client_login_timeout)),
        ("proxy.client_idle_timeout", format!("{:?}", proxy.client_idle_timeout.unwrap_or_default())),
        ("proxy.max_statement_bytes", proxy.max_statement_bytes.to_string()),
        ("proxy.so_reuseport", proxy.so_reuseport.to_string()),
        ("proxy.peer_id", proxy.peer_id.to_string()),
        ("proxy.slow_statement", format!("{:?}", proxy.slow_statement.unwrap_or_default())),
        ("proxy.log_connections", proxy.log_connections.to_string()),
        ("proxy.log_disconnections", proxy.log_disconnections.to_string()),
        ("proxy.shutdown_timeout", format!("{:?}", proxy.shutdown_timeout)),
        ("pool.size", pool.size.to_string()),
        ("pool.per_node", pool.per_node.to_string()),
        ("pool.wait_timeout", format!("{:?}", pool.wait_timeout)),
        ("pool.max_waiting", pool.max_waiting.to_string()),
        ("pool.connect_timeout", format!("{:?}", pool.connect_timeout)),
        ("pool.prepared_statements", pool.prepared_statements.to_string()),
        ("replicas.reads", replicas.reads.to_string()),
        ("replicas.probe_interval", format!("{:?}", replicas.probe_interval)),
        ("replicas.max_lag", format!("{:?}", replicas.max_lag)),
        ("replicas.pin_scope", format!("{:?}", replicas.pin_scope).to_lowercase()),
        ("replicas.primary_wait", format!("{:?}", replicas.primary_wait)),
        ("moves.freeze_budget", format!("{:?}", moves.freeze_budget)),
        ("moves.lock_timeout", format!("{:?}", moves.lock_timeout)),
        ("merge.max_bytes", config.merge.max_bytes.to_string()),
        ("admin.user", config.admin.user.clone()),
        ("admin.stats_users", config.admin.stats_users.join(", ")),
    ];
    lines.extend(config.databases.iter().map(|database| ("database.name", database.name.clone())));
    lines.extend(config.servers.iter().map(|server| ("server.name", server.name.clone())));
    lines.extend(config.users.iter().map(|user| ("user.name", user.name.clone())));
    lines.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// What was counted, as `/metrics` has it.
fn metrics(fleet: &Fleet) -> Table {
    let mut table = Table::new(&["metric", "value"]);
    for line in fleet.metrics.text().lines().filter(|line| !line.starts_with('#')) {
        if let Some((metric, value)) = line.rsplit_once(' ') {
            table.row([some(metric), some(value)]);
        }
    }
    table
}

fn catalog(database: &Database) -> Table {
    let mut table = Table::new(&["schema", "table", "kind", "columns"]);
    let catalog = database.catalog.load();
    let mut relations: Vec<_> = catalog.relations.values().collect();
    relations.sort_by(|one, other| (&one.schema, &one.name).cmp(&(&other.schema, &other.name)));
    for relation in relations {
        let columns: Vec<&str> = relation.columns.iter().map(|column| column.name.as_str()).collect();
        table.row([
            some(&relation.schema),
            some(&relation.name),
            some(describe(relation)),
            some(columns.join(", ")),
        ]);
    }
    table
}

fn describe(relation: &Relation) -> String {
    match &relation.kind {
        RelationKind::Sharded { .. } if relation.view.is_some() => "view of a sharded table".to_owned(),
        RelationKind::Reference if relation.view.is_some() => "view of a reference table".to_owned(),
        RelationKind::Sharded { .. } => "sharded".to_owned(),
        RelationKind::Reference => "reference".to_owned(),
        RelationKind::ReferenceView => "view of reference tables".to_owned(),
        RelationKind::ShardedView { .. } => "view of sharded tables".to_owned(),
        RelationKind::Sequence => "sequence".to_owned(),
        RelationKind::Unsafe { reason } => format!("unsafe: {reason}"),
    }
}

/// Answers `CHECK`.
///
/// # Errors
/// None of its own: what cannot be asked is a finding.
pub(super) async fn check(fleet: &Fleet) -> Result<Table, ClientError> {
    let mut table = Table::new(&["severity", "server", "what", "fix"]);
    let databases: Vec<Checked<'_>> = fleet
        .databases
        .values()
        .map(|database| Checked {
            config: &database.config,
            catalog: &database.catalog,
            directory: database.directory.load(),
        })
        .collect();
    for finding in crate::check::check(&fleet.servers, &databases).await {
        table.row([some(finding.weight), some(finding.server), some(finding.what), some(finding.fix)]);
    }
    Ok(table)
}
