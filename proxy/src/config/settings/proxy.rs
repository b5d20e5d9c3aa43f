//! `[proxy]`: the daemon itself and its clients.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::hba::Network;

/// `[proxy]`: the daemon itself and its clients.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyConfig {
    /// What this daemon is called on the servers (`pgherd/<id>`); empty: made at each start.
    pub id: String,
    /// Where clients connect; at least one.
    pub listen: Vec<SocketAddr>,
    /// How many connections the kernel keeps for each that are not accepted yet.
    pub listen_backlog: u32,
    /// Where `/healthz`, `/readyz` and `/metrics` are.
    pub http_listen: SocketAddr,
    /// The folder of a unix socket for clients.
    pub unix_socket_dir: Option<PathBuf>,
    /// Who may use it.
    pub unix_socket_mode: FileMode,
    /// How clients that have vanished are noticed.
    pub keepalive: Keepalive,
    /// The certificate chain in PEM; with `tls_key` it turns TLS on.
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key in PEM.
    pub tls_key: Option<PathBuf>,
    /// The authorities in PEM whose certificates clients may show; empty: they are asked for none.
    pub tls_client_ca: Option<PathBuf>,
    /// True: clients without TLS are refused, save on the unix socket.
    pub tls_required: bool,
    /// True: clients by TLS must show a certificate that `tls_client_ca` has signed.
    pub tls_client_required: bool,
    /// Whether load balancers say where clients are.
    pub proxy_protocol: ProxyProtocol,
    /// Whose word for it counts.
    pub proxy_protocol_from: Vec<Network>,
    /// The most clients at once.
    pub max_client_connections: usize,
    /// The most connections by TCP that are logging in at once.
    pub max_client_logins: usize,
    /// From the accepted connection to the end of authentication.
    pub client_login_timeout: Duration,
    /// How long a client may say nothing outside a transaction.
    pub client_idle_timeout: Option<Duration>,
    /// The largest message that a client may send, in bytes.
    pub max_statement_bytes: u64,
    /// How long transactions may take to end after SIGTERM.
    pub shutdown_timeout: Duration,
    /// Threads that serve clients; 0: one a core.
    pub worker_threads: usize,
    /// For how much of the time one of them may be busy before some of its clients go to another one, in percent;
    /// 0: clients are spread evenly from the start.
    pub worker_load: u32,
    /// How log lines look.
    pub log_format: LogFormat,
    /// True: other processes may listen on the same address, to take over from this one.
    pub so_reuseport: bool,
    /// This daemon's number among those behind one load balancer; 0: it is alone.
    pub peer_id: u8,
    /// Statements that took longer are logged.
    pub slow_statement: Option<Duration>,
    /// True: a log line for each client that came in.
    pub log_connections: bool,
    /// True: a log line for each client that left.
    pub log_disconnections: bool,
    /// How many of each database's busiest tenants `/metrics` shows; 0: none.
    pub tenant_metrics: usize,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        ProxyConfig {
            id: String::new(),
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 6432))],
            listen_backlog: 1024,
            http_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 6480)),
            unix_socket_dir: None,
            unix_socket_mode: FileMode(0o777),
            keepalive: Keepalive::default(),
            tls_certificate: None,
            tls_key: None,
            tls_client_ca: None,
            tls_required: false,
            tls_client_required: false,
            proxy_protocol: ProxyProtocol::Off,
            proxy_protocol_from: Vec::new(),
            max_client_connections: 10_000,
            max_client_logins: 1_000,
            client_login_timeout: Duration::from_secs(15),
            client_idle_timeout: None,
            max_statement_bytes: 256 << 20,
            shutdown_timeout: Duration::from_secs(30),
            worker_threads: 0,
            worker_load: 85,
            log_format: LogFormat::Text,
            so_reuseport: false,
            peer_id: 0,
            slow_statement: None,
            log_connections: true,
            log_disconnections: true,
            tenant_metrics: 20,
        }
    }
}

/// A file's permissions, as chmod(1) has them in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(pub u32);

/// How a TCP connection's other end that has vanished is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// How long it may be silent before it is probed.
    pub idle: Duration,
    /// How long after a probe the next follows.
    pub interval: Duration,
    /// After so many without an answer it is gone.
    pub count: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Keepalive { idle: Duration::from_secs(60), interval: Duration::from_secs(10), count: 6 }
    }
}

/// Whether load balancers say where clients are, by the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// No: a header is garbage.
    Off,
    /// They may.
    Optional,
    /// Whoever does not is no client.
    Required,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
