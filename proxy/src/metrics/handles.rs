//! What is counted at every statement: looked up once, then without a lock or an allocation.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use router::plan::Role;

use super::histogram::Histogram;
use super::labels::Way;
use super::stripe::Counter;

/// One database's metrics.
#[derive(Clone, Debug)]
pub struct DatabaseMetrics {
    /// Its sessions; the door counts them.
    pub clients: Gauge,
    /// The version of its directory.
    pub directory_version: Gauge,
    pub(super) ways: [WayMetrics; Way::ALL.len()],
}

#[derive(Clone, Debug)]
pub(super) struct WayMetrics {
    pub(super) on_primary: Counter,
    pub(super) on_replica: Counter,
    pub(super) seconds: Histogram,
}

impl DatabaseMetrics {
    /// Counts a statement; `took` is from its first byte here to its last byte to the client.
    pub fn statement(&self, way: Way, role: Role, took: Duration) {
        let metrics = &self.ways[way as usize];
        match role {
            Role::Primary => metrics.on_primary.inc(),
            Role::Replica => metrics.on_replica.inc(),
        };
        metrics.seconds.observe(took);
    }
}

/// One server's metrics.
#[derive(Clone, Debug)]
pub struct ServerMetrics {
    /// Seconds that statements waited for a connection to it.
    pub(super) queue: Histogram,
    /// Seconds from a statement's first byte to it to its last byte back.
    pub(super) server: Histogram,
}

impl ServerMetrics {
    /// A statement waited this long for a connection.
    pub fn waited(&self, time: Duration) {
        self.queue.observe(time);
    }

    /// The server worked this long on a statement.
    pub fn worked(&self, time: Duration) {
        self.server.observe(time);
    }
}
