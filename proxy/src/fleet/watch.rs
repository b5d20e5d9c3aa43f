//! Once a second: nodes that fell silent are given up, and what is measured by looking is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Database, Fleet};
use crate::metrics::MoveOutcome;
use crate::mover::MoveReport;
use crate::replicas::NodeRole;

const TICK: Duration = Duration::from_secs(1);
/// Of how long a time SHOW STATS gives averages, as PgBouncer's `stats_period`.
const STATS_PERIOD: Duration = Duration::from_secs(60);

/// Watches until the daemon stops.
pub(super) async fn watch(fleet: &Fleet) {
    // What had ended before this process began was counted by another.
    let mut ended = ended_moves(fleet);
    while fleet.shutdown.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
        give_up_silent_nodes(fleet);
        gauge(fleet);
        fleet.metrics.sessions.turn(STATS_PERIOD);
        count_moves(fleet, &mut ended);
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

/// The moves that are over, by database and number.
fn ended_moves(fleet: &Fleet) -> BTreeSet<(String, u64)> {
    let of = |database: &Arc<Database>| {
        let over = database.mover.list().into_iter().filter(MoveReport::is_over);
        over.map(|report| (database.name.clone(), report.id)).collect::<Vec<_>>()
    };
    fleet.databases.values().flat_map(of).collect()
}

fn count_moves(fleet: &Fleet, ended: &mut BTreeSet<(String, u64)>) {
    let mut under_way = 0;
    for database in fleet.databases.values() {
        for report in database.mover.list() {
            if !report.is_over() {
                under_way += 1;
            } else if ended.insert((database.name.clone(), report.id)) {
                let done = report.phase == "done";
                fleet.metrics.moved(if done { MoveOutcome::Done } else { MoveOutcome::Aborted });
                if let Some(pause) = report.pause_ms {
                    fleet.metrics.move_paused(Duration::from_millis(pause));
                }
            }
        }
    }
    fleet.metrics.moves_under_way.set(under_way);
}

fn gauge(fleet: &Fleet) {
    let metrics = &fleet.metrics;
    let mut open: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    for server in fleet.servers.iter() {
        for status in server.status().nodes {
            open.insert((server.name().to_owned(), status.node.to_string()), (0, 0));
            if status.role == NodeRole::Replica {
                metrics.replica_lag(server.name(), &status.node.to_string(), status.lag);
            }
        }
    }
    for pool in fleet.pools.stats() {
        let node = format!("{}:{}", pool.host, pool.port);
        let (connections, held_back) = (pool.open(), pool.held_back.len());
        let of_node = open.entry((pool.server, node)).or_default();
        *of_node = (of_node.0 + connections, of_node.1 + held_back);
    }
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    for ((server, node), (connections, held_back)) in open {
        metrics.connections(&server, &node).set(number(connections));
        metrics.held_back(&server, &node).set(number(held_back));
    }
    for database in fleet.databases.values() {
        let version = i64::try_from(database.directory.load().version()).unwrap_or(i64::MAX);
        database.metrics.directory_version.set(version);
    }
}
