//! The registry: every metric with its name and its help, in one list.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};
use router::plan::Role;

use super::handles::{DatabaseMetrics, ServerMetrics, WayMetrics};
use super::histogram::Histogram;
use super::labels::*;
use super::sessions::{SessionBook, SessionCounters};
use super::stripe;
use super::sums::SumsCollector;
use super::tenants::Tenants;
use super::traffic::TrafficBook;

type Histograms<L> = Family<L, Histogram>;

/// The busiest tenants, by database.
pub(super) type TenantBook = Arc<Mutex<BTreeMap<String, Tenants>>>;

/// All metrics of a daemon; clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    clients: Family<DatabaseLabel, Gauge>,
    directory_version: Family<DatabaseLabel, Gauge>,
    logins: Family<OutcomeLabel, Counter>,
    statements: Family<StatementLabels, stripe::Counter>,
    statement_seconds: Histograms<WayLabels>,
    errors: Family<ErrorLabels, Counter>,
    queue_seconds: Histograms<ServerLabel>,
    server_seconds: Histograms<ServerLabel>,
    connections: Family<NodeLabels, Gauge>,
    held_back: Family<NodeLabels, Gauge>,
    replica_lag_seconds: Family<NodeLabels, Gauge<f64, AtomicU64>>,
    moves: Family<OutcomeLabel, Counter>,
    move_pause_seconds: Histogram,
    shown_tenants: usize,
    tenants: TenantBook,
    /// What sessions did, by database and user.
    pub sessions: SessionBook,
    /// What went over the connections to servers.
    pub traffic: TrafficBook,
    /// Statements that wait because a move has frozen their placements.
    pub held_statements: Gauge,
    /// Clients that went from one thread to another.
    pub thread_changes: Counter,
    /// Rows that gathered statements took from servers.
    pub gathered_rows: Counter,
    /// Bytes of those rows.
    pub gathered_bytes: Counter,
    /// Rows that merges took from servers.
    pub merged_rows: Counter,
    /// Moves that are neither done nor aborted.
    pub moves_under_way: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut names = Names(Registry::with_prefix("pgherd"));
        let sessions = SessionBook::default();
        let tenants = TenantBook::default();
        names.0.register_collector(Box::new(SumsCollector(sessions.clone(), Arc::clone(&tenants))));
        let traffic = TrafficBook::default();
        names.0.register_collector(Box::new(traffic.clone()));
        Metrics {
            traffic,
            shown_tenants: 0,
            tenants,
            sessions,
            clients: names.add("clients", "Sessions."),
            directory_version: names.add("directory_version", "The version of the directory."),
            logins: names.add("logins", "Logins by how they ended."),
            statements: names.add("statements", "Statements by the way they were answered."),
            statement_seconds: names.add("statement_seconds", "A statement's whole time."),
            errors: names.add("errors", "Errors told to clients, by the class of their SQLSTATE."),
            queue_seconds: names.add("queue_seconds", "Time that statements waited for a connection."),
            server_seconds: names.add("server_seconds", "Time that servers worked on statements."),
            connections: names.add("server_connections", "Connections to a node."),
            held_back: names.add(
                "tenants_held_back",
                "Tenants that may hold fewer connections to a node, for the others' sake.",
            ),
            replica_lag_seconds: names.add("replica_lag_seconds", "How far a replica is behind its primary."),
            moves: names.add("moves", "Moves by how they ended."),
            move_pause_seconds: names.add("move_pause_seconds", "How long a cutover held statements."),
            held_statements: names.add("held_statements", "Statements that wait for a move's cutover."),
            thread_changes: names.add("thread_changes", "Clients that went from one thread to another."),
            gathered_rows: names.add("gathered_rows", "Rows that gathered statements took from servers."),
            gathered_bytes: names.add("gathered_bytes", "Bytes of those rows."),
            merged_rows: names.add("merged_rows", "Rows that merges took from servers."),
            moves_under_way: names.add("moves_under_way", "Moves that are neither done nor aborted."),
            registry: Arc::new(names.0),
        }
    }
}

impl Metrics {
    /// The handles of a database; kept by whoever serves it.
    pub fn database(&self, database: &str) -> DatabaseMetrics {
        let label = DatabaseLabel { database: database.into() };
        DatabaseMetrics {
            clients: self.clients.get_or_create_owned(&label),
            directory_version: self.directory_version.get_or_create_owned(&label),
            ways: Way::ALL.map(|way| self.way(database, way)),
        }
    }

    fn way(&self, database: &str, way: Way) -> WayMetrics {
        let counter = |role| {
            let labels =
                StatementLabels { database: database.into(), way: way.word(), role: role_word(role) };
            self.statements.get_or_create_owned(&labels)
        };
        let labels = WayLabels { database: database.into(), way: way.word() };
        WayMetrics {
            on_primary: counter(Role::Primary),
            on_replica: counter(Role::Replica),
            seconds: self.statement_seconds.get_or_create_owned(&labels),
        }
    }

    /// The counters of a session that begins.
    pub fn session(&self, database: &str, user: &str) -> SessionCounters {
        self.sessions.enter(database, user, self.tenants(database))
    }

    /// From now on this many of each database's busiest tenants are shown; 0: none is counted. Before
    /// there are sessions.
    pub fn show_tenants(&mut self, shown: usize) {
        self.shown_tenants = shown;
    }

    /// The busiest tenants of a database.
    pub fn tenants(&self, database: &str) -> Tenants {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.entry(database.to_owned()).or_insert_with(|| Tenants::new(self.shown_tenants)).clone()
    }

    /// The handles of a server; kept by whoever lends its connections.
    pub fn server(&self, server: &str) -> ServerMetrics {
        let label = ServerLabel { server: server.into() };
        ServerMetrics {
            queue: self.queue_seconds.get_or_create_owned(&label),
            server: self.server_seconds.get_or_create_owned(&label),
        }
    }

    /// The number of tenants that may hold fewer connections to a node, for the others' sake.
    pub fn held_back(&self, server: &str, node: &str) -> Gauge {
        self.held_back.get_or_create_owned(&NodeLabels { server: server.into(), node: node.into() })
    }

    /// The number of connections to a node.
    pub fn connections(&self, server: &str, node: &str) -> Gauge {
        self.connections.get_or_create_owned(&NodeLabels { server: server.into(), node: node.into() })
    }

    /// How far a replica is behind.
    pub fn replica_lag(&self, server: &str, node: &str, lag: Duration) {
        let labels = NodeLabels { server: server.into(), node: node.into() };
        self.replica_lag_seconds.get_or_create(&labels).set(lag.as_secs_f64());
    }

    /// A client is told an error of this class, the first two characters of its SQLSTATE.
    pub fn error(&self, database: &str, class: &str) {
        let labels = ErrorLabels { database: database.into(), sqlstate_class: class.into() };
        self.errors.get_or_create(&labels).inc();
    }

    /// A login ended.
    pub fn login(&self, outcome: LoginOutcome) {
        self.logins.get_or_create(&OutcomeLabel { outcome: outcome.word() }).inc();
    }

    /// A move ended.
    pub fn moved(&self, outcome: MoveOutcome) {
        self.moves.get_or_create(&OutcomeLabel { outcome: outcome.word() }).inc();
    }

    /// A cutover held statements for this long.
    pub fn move_paused(&self, pause: Duration) {
        self.move_pause_seconds.observe(pause);
    }

    /// All metrics in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes any text");
        text
    }
}

struct Names(Registry);

impl Names {
    fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        // The text format ends help lines with a full stop of its own.
        self.0.register(name, help.trim_end_matches('.'), metric.clone());
        metric
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_in_the_text() {
        let metrics = Metrics::default();
        let database = metrics.database("app");
        database.statement(Way::Merge, Role::Replica, Duration::from_millis(3));
        metrics.error("app", "57");
        metrics.login(LoginOutcome::Accepted);
        let text = metrics.text();
        for line in [
            r#"pgherd_statements_total{database="app",way="merge",role="replica"} 1"#,
            r#"pgherd_statements_total{database="app",way="single",role="primary"} 0"#,
            r#"pgherd_statement_seconds_count{database="app",way="merge"} 1"#,
            r#"pgherd_errors_total{database="app",sqlstate_class="57"} 1"#,
            r#"pgherd_logins_total{outcome="accepted"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
