//! The SHOW commands, where a tenant lives, and whether the fleet is ready. Names and columns are
//! PgBouncer's where they mean the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use router::catalog::RelationKind;
use router::ids::ServerId;

use super::moving;
use super::table::{Table, some};
use crate::check::Checked;
use crate::config::Config;
use crate::error::ClientError;
use crate::fleet::{Database, Fleet};
use crate::replicas::NodeRole;

/// The subjects of SHOW.
const SUBJECTS: [(&str, &str); 13] = [
    ("HELP", "these lines"),
    ("VERSION", "pgherd's version"),
    ("CONFIG", "the configuration in force"),
    ("DATABASES", "the databases that clients may name"),
    ("SERVERS", "servers and their nodes: role, lag, shards, tenants"),
    ("POOLS", "server connections by node, database and user"),
    ("CLIENTS", "who is connected"),
    ("SHARDS", "runs of shards and their server"),
    ("TENANTS", "tenants with a placement of their own"),
    ("MOVES", "all moves"),
    ("ACTIVE_MOVES", "moves that have not ended"),
    ("STATS", "what was counted"),
    ("CATALOG", "the tables as pgherd sees them"),
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
        "HELP" => help(),
        "VERSION" => version(),
        "CONFIG" => config(fleet),
        "DATABASES" => databases(fleet),
        "SERVERS" => servers(fleet, database),
        "POOLS" => pools(fleet),
        "CLIENTS" => clients(fleet),
        "SHARDS" => shards(chosen()?),
        "TENANTS" => tenants(chosen()?),
        "MOVES" => moving::list(chosen()?, false),
        "ACTIVE_MOVES" => match database {
            Some(database) => moving::list(database, true),
            None => Table::new(&["id"]),
        },
        "STATS" => stats(fleet),
        "CATALOG" => catalog(chosen()?),
        _ => {
            return Err(ClientError::new("42704", format!("there is nothing called \"{subject}\" to show"))
                .hint("SHOW HELP lists what there is."));
        }
    })
}

fn help() -> Table {
    let mut table = Table::new(&["command", "answer"]);
    for (subject, answer) in SUBJECTS {
        table.row([some(format!("SHOW {subject}")), some(answer)]);
    }
    for (command, answer) in [
        ("USE name", "later commands mean this database"),
        ("WHERE key", "tenant -> shard -> server, and why"),
        ("CHECK", "is the fleet ready? each finding with what to do"),
        ("RELOAD", "read the configuration file again"),
        ("MOVE START TENANTS 'k,k' TO server [DRY RUN]", "move tenants"),
        ("MOVE START SHARDS '0-99,200' TO server [DRY RUN]", "move shards"),
        ("MOVE SHOW id | MOVE ABORT id | MOVE GC", "one move; undo it; remove left-overs"),
    ] {
        table.row([some(command), some(answer)]);
    }
    table
}

fn version() -> Table {
    let mut table = Table::new(&["version"]);
    table.row([some(concat!("pgherd ", env!("CARGO_PKG_VERSION")))]);
    table
}

fn config(fleet: &Fleet) -> Table {
    let mut table = Table::new(&["key", "value"]);
    for (key, value) in config_lines(&fleet.config.load()) {
        table.row([some(key), some(value)]);
    }
    table
}

/// The keys that operators change, as the file names them. Never a password.
fn config_lines(config: &Config) -> Vec<(String, String)> {
    let (proxy, pool, replicas, moves) = (&config.proxy, &config.pool, &config.replicas, &config.moves);
    let mut lines = vec![
        ("proxy.id", proxy.id.clone()),
        ("proxy.listen", proxy.listen.to_string()),
        ("proxy.http_listen", proxy.http_listen.to_string()),
        ("proxy.max_client_connections", proxy.max_client_connections.to_string()),
        ("proxy.client_login_timeout", format!("{:?}", proxy.client_login_timeout)),
        ("proxy.client_idle_timeout", format!("{:?}", proxy.client_idle_timeout.unwrap_or_default())),
        ("proxy.max_statement_bytes", proxy.max_statement_bytes.to_string()),
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
    ];
    lines.extend(config.databases.iter().map(|database| ("database.name", database.name.clone())));
    lines.extend(config.servers.iter().map(|server| ("server.name", server.name.clone())));
    lines.extend(config.users.iter().map(|user| ("user.name", user.name.clone())));
    lines.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub(super) fn databases(fleet: &Fleet) -> Table {
    let mut table = Table::new(&[
        "name",
        "tenant_column",
        "tenant_setting",
        "shards",
        "directory_version",
        "catalog_version",
    ]);
    for (name, database) in fleet.databases_in_order() {
        let directory = database.directory.load();
        table.row([
            some(name),
            some(&database.config.tenant_column),
            some(&database.config.tenant_setting),
            some(directory.shard_count()),
            some(directory.version()),
            some(database.catalog.load().version),
        ]);
    }
    table
}

pub(super) fn servers(fleet: &Fleet, database: Option<&Database>) -> Table {
    let mut table =
        Table::new(&["server", "node", "role", "lsn", "lag_bytes", "lag", "last_seen", "shards", "tenants"]);
    let held = held(database);
    for server in fleet.servers.iter() {
        for node in server.status().nodes {
            let (shards, tenants) = held.get(server.name()).copied().unwrap_or_default();
            let primary = node.role == NodeRole::Primary;
            table.row([
                some(server.name()),
                some(&node.node),
                some(role(&node.role)),
                some(node.lsn),
                some(node.lag_bytes),
                some(format!("{} ms", node.lag.as_millis())),
                node.last_seen.map(|seen| format!("{} ms ago", seen.elapsed().as_millis())),
                primary.then(|| shards.to_string()),
                primary.then(|| tenants.to_string()),
            ]);
        }
    }
    table
}

/// How many shards, and tenants with a placement of their own, each server has.
fn held(database: Option<&Database>) -> BTreeMap<String, (u32, u32)> {
    let mut held: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    if let Some(database) = database {
        let directory = database.directory.load();
        for (_, server) in directory.shards() {
            held.entry(directory.server_name(server).to_owned()).or_default().0 += 1;
        }
        for (_, server) in directory.tenants() {
            held.entry(directory.server_name(server).to_owned()).or_default().1 += 1;
        }
    }
    held
}

pub(super) fn pools(fleet: &Fleet) -> Table {
    let mut table = Table::new(&[
        "server",
        "node",
        "database",
        "user",
        "cl_waiting",
        "sv_active",
        "sv_idle",
        "failing",
        "maxwait_us",
        "pool_mode",
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
            pool.failing,
            some(pool.longest_wait.as_micros()),
            some("transaction"),
        ]);
    }
    table
}

pub(super) fn clients(fleet: &Fleet) -> Table {
    let mut table =
        Table::new(&["id", "user", "database", "addr", "application_name", "connect_time_s", "tls"]);
    for client in fleet.registry.list() {
        let age = SystemTime::now().duration_since(client.connected).unwrap_or_default().as_secs();
        table.row([
            some(client.id),
            some(client.user),
            some(client.database),
            some(client.address),
            some(client.application_name),
            some(age),
            some(client.encrypted),
        ]);
    }
    table
}

fn shards(database: &Database) -> Table {
    let mut table = Table::new(&["first", "last", "server"]);
    let directory = database.directory.load();
    let mut runs: Vec<(u32, u32, ServerId)> = Vec::new();
    for (shard, server) in directory.shards() {
        match runs.last_mut() {
            Some((_, last, held)) if *held == server => *last = shard.0,
            Some(_) | None => runs.push((shard.0, shard.0, server)),
        }
    }
    for (first, last, server) in runs {
        table.row([some(first), some(last), some(directory.server_name(server))]);
    }
    table
}

fn tenants(database: &Database) -> Table {
    let mut table = Table::new(&["tenant", "shard", "server"]);
    let directory = database.directory.load();
    let mut tenants: Vec<_> = directory.tenants().collect();
    tenants.sort();
    for (key, server) in tenants {
        let shard = key.shard(directory.shard_count());
        table.row([some(key), some(shard.0), some(directory.server_name(server))]);
    }
    table
}

fn stats(fleet: &Fleet) -> Table {
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
            some(describe(&relation.kind)),
            some(columns.join(", ")),
        ]);
    }
    table
}

fn role(role: &NodeRole) -> String {
    match role {
        NodeRole::Primary => "primary".to_owned(),
        NodeRole::Replica => "replica".to_owned(),
        NodeRole::Unusable { reason } => format!("unusable: {reason}"),
    }
}

fn describe(kind: &RelationKind) -> String {
    match kind {
        RelationKind::Sharded { .. } => "sharded".to_owned(),
        RelationKind::Reference => "reference".to_owned(),
        RelationKind::ReferenceView => "view of reference tables".to_owned(),
        RelationKind::ShardedView { .. } => "view of sharded tables".to_owned(),
        RelationKind::Sequence => "sequence".to_owned(),
        RelationKind::Unsafe { reason } => format!("unsafe: {reason}"),
    }
}

/// Answers `WHERE key`.
///
/// # Errors
/// 22P02 where the text is no key of the database's type; 0A000 before there is a sharded table.
pub(super) fn place(database: &Arc<Database>, text: &str) -> Result<Table, ClientError> {
    let key_type = database.catalog.load().key_type.ok_or_else(|| {
        ClientError::unsupported(
            "the database has no sharded table yet",
            format!("Create a table with a column {} first.", database.config.tenant_column),
        )
    })?;
    let key = key_type.parse(text).ok_or_else(|| {
        ClientError::new(
            "22P02",
            format!("\"{text}\" is no tenant key of this database, whose keys are {key_type:?}"),
        )
    })?;
    let directory = database.directory.load();
    let place = directory.locate(&key);
    let shard = key.shard(directory.shard_count());
    let own = directory.tenants().any(|(tenant, _)| *tenant == key);
    let mut why = match own {
        true => "a placement of its own".to_owned(),
        false => format!("xxh3_64 mod {} gives shard {}", directory.shard_count(), shard.0),
    };
    if let Some(mark) = place.mark {
        why.push_str(&format!("; move {} to {} is under way", mark.id, directory.server_name(mark.to)));
    }
    let mut table = Table::new(&["tenant", "shard", "server", "why"]);
    table.row([some(&key), some(shard.0), some(directory.server_name(place.server)), some(why)]);
    Ok(table)
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
