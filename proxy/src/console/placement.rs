//! Where rows are: the servers' nodes, the runs of shards, the tenants with a place of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use router::ids::ServerId;

use super::table::{Table, some};
use crate::error::ClientError;
use crate::fleet::{Database, Fleet};
use crate::replicas::NodeRole;

/// The nodes of every server, with what the database has there.
pub(super) fn nodes(fleet: &Fleet, database: Option<&Database>) -> Table {
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

/// Runs of shards and their server.
pub(super) fn shards(database: &Database) -> Table {
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

/// The tenants with a placement of their own.
pub(super) fn tenants(database: &Database) -> Table {
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

fn role(role: &NodeRole) -> String {
    match role {
        NodeRole::Primary => "primary".to_owned(),
        NodeRole::Replica => "replica".to_owned(),
        NodeRole::Unusable { reason } => format!("unusable: {reason}"),
    }
}
