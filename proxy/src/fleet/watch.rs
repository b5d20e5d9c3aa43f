//! Once a second: nodes that fell silent are given up, and what is measured by looking is looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Fleet;
use crate::replicas::NodeRole;

const TICK: Duration = Duration::from_secs(1);

/// Watches until the daemon stops.
pub(super) async fn watch(fleet: &Fleet) {
    while fleet.shutdown.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
        give_up_silent_nodes(fleet);
        gauge(fleet);
    }
}

/// Who waits for an answer of a node that is cut off would wait for ever, since TCP says nothing:
/// after the time that a write waits for a primary, no answer is expected any more.
fn give_up_silent_nodes(fleet: &Fleet) {
    let limit = fleet.config.load().replicas.primary_wait;
    for server in fleet.servers.iter() {
        for node in server.silent_for(limit) {
            fleet.pools.give_up_node(&node.host, node.port);
        }
    }
}

fn gauge(fleet: &Fleet) {
    let metrics = &fleet.metrics;
    let mut open: BTreeMap<(String, String), usize> = BTreeMap::new();
    for server in fleet.servers.iter() {
        for status in server.status().nodes {
            open.insert((server.name().to_owned(), status.node.to_string()), 0);
            if status.role == NodeRole::Replica {
                metrics.replica_lag(server.name(), &status.node.to_string(), status.lag);
            }
        }
    }
    for pool in fleet.pools.stats() {
        let node = format!("{}:{}", pool.host, pool.port);
        *open.entry((pool.server, node)).or_default() += pool.active + pool.idle;
    }
    for ((server, node), count) in open {
        metrics.connections(&server, &node).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    for database in fleet.databases.values() {
        let version = i64::try_from(database.directory.load().version()).unwrap_or(i64::MAX);
        database.metrics.directory_version.set(version);
    }
}
