//! What a configuration says. Every field is a key of the file; `Default` is the value of a key
//! that is not there. A limit of `None` is written `0` in the file: no limit.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::auth::Secret;
use crate::auth::hba::{Hba, IdentMaps, Network};

/// One configuration file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// `[proxy]`
    pub proxy: ProxyConfig,
    /// `[directory]`
    pub directory: DirectoryConfig,
    /// `[[database]]`, at least one.
    pub databases: Vec<DatabaseConfig>,
    /// `[[server]]`, at least one; the first is the home server.
    pub servers: Vec<ServerConfig>,
    /// `[[user]]`, and those of `[auth] file`.
    pub users: Vec<UserConfig>,
    /// `[[peer]]`
    pub peers: Vec<PeerConfig>,
    /// `[auth]`
    pub auth: AuthConfig,
    /// `[admin]`
    pub admin: AdminConfig,
    /// `[pool]`
    pub pool: PoolConfig,
    /// `[replicas]`
    pub replicas: ReplicasConfig,
    /// `[moves]`
    pub moves: MovesConfig,
    /// `[merge]`
    pub merge: MergeConfig,
    /// `[gather]`
    pub gather: GatherConfig,
}

impl Config {
    /// The user of this name, if clients may be it.
    pub fn user(&self, name: &str) -> Option<&UserConfig> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The database of this name, if clients may name it.
    pub fn database(&self, name: &str) -> Option<&DatabaseConfig> {
        self.databases.iter().find(|database| database.name == name)
    }

    /// The server of this name.
    pub fn server(&self, name: &str) -> Option<&ServerConfig> {
        self.servers.iter().find(|server| server.name == name)
    }
}

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

/// `[directory]`: where the directory is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectoryConfig {
    /// The store.
    pub store: StoreConfig,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        DirectoryConfig { store: StoreConfig::File(PathBuf::from("/var/lib/pgherd/directory")) }
    }
}

/// A store of directories, moves and leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// `file:PATH`: a folder of one proxy's own.
    File(PathBuf),
}

/// `[[database]]`: a database that clients name; it has the same name on every server.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseConfig {
    /// Its name.
    pub name: String,
    /// The column that makes a table a sharded table.
    pub tenant_column: String,
    /// The setting with which a session names its tenant.
    pub tenant_setting: String,
    /// The number of logical shards; fixed once the directory is made.
    pub shards: u32,
    /// Functions (`name` or `schema.name`) that read no sharded table, whatever they look like.
    pub harmless_functions: Vec<String>,
    /// How many servers its sequences can count on apart from each other; 1: each server counts for itself.
    pub sequence_stride: u16,
    /// Tenants that must stay on servers of one region.
    pub regions: Vec<RegionRule>,
    /// What its pools do otherwise than `[pool]` says.
    pub pool: OwnPool,
    /// The most clients of this database at once; 0 is no bound of its own.
    pub max_client_connections: usize,
    /// What every tenant may have, unless a rule of its own says otherwise.
    pub tenant_limits: TenantLimits,
    /// Rules of single tenants: the key as text, and what it may have.
    pub tenants: Vec<TenantRule>,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        DatabaseConfig {
            name: String::new(),
            tenant_column: "tenant_id".into(),
            tenant_setting: "app.tenant".into(),
            shards: 4096,
            harmless_functions: Vec::new(),
            sequence_stride: 16,
            regions: Vec::new(),
            pool: OwnPool::default(),
            max_client_connections: 0,
            tenant_limits: TenantLimits::default(),
            tenants: Vec::new(),
        }
    }
}

/// What the pools of one database, or of one user, do otherwise than `[pool]` says. A user's word
/// counts before its database's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnPool {
    /// How long a client keeps its connections.
    pub mode: Option<PoolMode>,
    /// The most connections of one pool.
    pub size: Option<usize>,
    /// The most connections of all pools together of this database, or of this user, to one node; 0 is
    /// no bound of its own.
    pub max_connections: usize,
}

/// How long a client keeps its server connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// For a transaction.
    Transaction,
    /// From its first statement to its end.
    Session,
}

/// What one tenant may have; 0 is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits {
    /// How many turns it gets where others get one, and how many times their share.
    pub weight: u32,
    /// The most connections of one pool.
    pub max_connections: usize,
    /// The most statements at once.
    pub max_in_flight: usize,
    /// The most statements a second.
    pub max_per_second: u32,
}

impl Default for TenantLimits {
    fn default() -> Self {
        TenantLimits { weight: 1, max_connections: 0, max_in_flight: 0, max_per_second: 0 }
    }
}

/// `[[database.tenant]]`: what one tenant may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantRule {
    /// The tenant's key as text.
    pub key: String,
    /// What it may have.
    pub limits: TenantLimits,
}

/// How long a user's clients and statements may take, where that is not what everybody's may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnTimeouts {
    /// How long a statement may run.
    pub query_timeout: Option<Duration>,
    /// How long a transaction may last.
    pub transaction_timeout: Option<Duration>,
    /// How long a client may say nothing inside a transaction.
    pub idle_transaction_timeout: Option<Duration>,
    /// How long a client may say nothing outside a transaction.
    pub client_idle_timeout: Option<Duration>,
}

/// `[[database.region]]`: these tenants stay on servers of this region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionRule {
    /// The servers' `region`.
    pub region: String,
    /// The tenants' keys as text.
    pub tenants: Vec<String>,
}

/// `[[server]]`: a primary and its replicas.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerConfig {
    /// Its name in the directory.
    pub name: String,
    /// Its nodes; which is the primary is discovered.
    pub nodes: Vec<NodeAddress>,
    /// Where it stands, for region rules; empty: nowhere.
    pub region: String,
    /// Whether connections to its nodes use TLS.
    pub tls: TlsMode,
    /// The authorities in PEM that may have signed its certificate; needed for `verify-ca` and
    /// `verify-full`.
    pub tls_ca: Option<PathBuf>,
    /// The certificate chain in PEM that is shown to its nodes; with `tls_key`.
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key in PEM.
    pub tls_key: Option<PathBuf>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            name: String::new(),
            nodes: Vec::new(),
            region: String::new(),
            tls: TlsMode::Prefer,
            tls_ca: None,
            tls_certificate: None,
            tls_key: None,
        }
    }
}

/// `host:port` of one PostgreSQL instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeAddress {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// TLS towards a server, in the words of libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// Where the node has it; the certificate is not checked.
    Prefer,
    /// Always; the certificate is not checked.
    Require,
    /// Always; the certificate must be signed by `tls_ca`.
    VerifyCa,
    /// Always; the certificate must be signed by `tls_ca` and name the host.
    VerifyFull,
}

/// `[[user]]`: a role that clients may be, and that the servers know by the same password.
#[derive(Debug, Clone, PartialEq)]
pub struct UserConfig {
    /// The role's name.
    pub name: String,
    /// Its password, or the secret that PostgreSQL stores of it; empty: trusted, from loopback and the
    /// unix socket only.
    pub password: Password,
    /// True: the user may run statements over all tenants.
    pub fan_out: bool,
    /// What its pools do otherwise than `[pool]` says.
    pub pool: OwnPool,
    /// The most clients of this user at once; 0 is no bound of its own.
    pub max_client_connections: usize,
    /// How long its clients and statements may take.
    pub timeouts: OwnTimeouts,
}

impl Default for UserConfig {
    fn default() -> Self {
        UserConfig {
            name: String::new(),
            password: Password::default(),
            fan_out: true,
            pool: OwnPool::default(),
            max_client_connections: 0,
            timeouts: OwnTimeouts::default(),
        }
    }
}

/// `[auth]`: how clients prove who they are.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthConfig {
    /// `hba_file`: who may come from where.
    pub hba: Option<Hba>,
    /// `ident_file`: names of others that roles go by.
    pub ident: IdentMaps,
    /// The role that asks for the secrets of roles that the configuration does not name; empty: nobody
    /// is asked.
    pub user: String,
    /// Its password.
    pub password: Password,
    /// What is asked, of the name `$1`; the answer is a row of name and secret.
    pub query: String,
    /// Where; empty: in the database that the client names.
    pub database: String,
    /// For how long an answer is believed.
    pub cache: Option<Duration>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        let query = "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END \
                     FROM pg_authid WHERE rolname=$1 AND rolcanlogin";
        AuthConfig {
            hba: None,
            ident: IdentMaps::default(),
            user: String::new(),
            password: Password::default(),
            query: query.into(),
            database: String::new(),
            cache: Some(Duration::from_secs(10)),
        }
    }
}

/// `[admin]`: the role that probes, keeps bookkeeping tables and moves; and the console's client.
#[derive(Debug, Clone, PartialEq)]
pub struct AdminConfig {
    /// The role's name.
    pub user: String,
    /// Its password; empty: trusted, from loopback and the unix socket only.
    pub password: Password,
    /// Users that may enter the console and look, not act.
    pub stats_users: Vec<String>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        AdminConfig { user: "postgres".into(), password: Password::default(), stats_users: Vec::new() }
    }
}

/// `[[peer]]`: another pgherd behind the same load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// Its `peer_id`.
    pub id: u8,
    /// Where it listens.
    pub address: NodeAddress,
}

/// `[pool]`: connections to servers.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolConfig {
    /// How long a client keeps its server connections.
    pub mode: PoolMode,
    /// The most connections of one user and database to one node.
    pub size: usize,
    /// How many connections a pool that was used once keeps open.
    pub min_size: usize,
    /// How many more than `size` a pool may have while somebody has waited for `reserve_timeout`.
    pub reserve_size: usize,
    /// How long somebody has to wait before the reserve is used.
    pub reserve_timeout: Duration,
    /// The most connections of all users and databases to one node.
    pub per_node: usize,
    /// How long a statement may wait for a connection.
    pub wait_timeout: Duration,
    /// The most statements that may wait for one pool's connections.
    pub max_waiting: usize,
    /// How long a connection may lie unused before it is closed.
    pub idle_timeout: Option<Duration>,
    /// How long a connection may live; it is closed between transactions.
    pub lifetime: Option<Duration>,
    /// How long dialling and logging in may take.
    pub connect_timeout: Duration,
    /// How long the error of a failed login stands before the next try.
    pub login_retry: Duration,
    /// A connection unused for longer is checked before it is lent.
    pub check_delay: Duration,
    /// The most of a pool, in percent, that one tenant may hold while others are active.
    pub tenant_share: usize,
    /// What ends a client's session on a connection that it kept; empty: the connection is closed.
    pub reset_query: String,
    /// How long a statement may run.
    pub query_timeout: Option<Duration>,
    /// How long a transaction may last.
    pub transaction_timeout: Option<Duration>,
    /// How long a client may say nothing inside a transaction.
    pub idle_transaction_timeout: Option<Duration>,
    /// The most prepared statements kept on one connection.
    pub prepared_statements: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig {
            mode: PoolMode::Transaction,
            size: 20,
            min_size: 0,
            reserve_size: 0,
            reserve_timeout: Duration::from_secs(5),
            per_node: 80,
            wait_timeout: Duration::from_secs(30),
            max_waiting: 10_000,
            idle_timeout: Some(Duration::from_secs(600)),
            lifetime: Some(Duration::from_secs(3600)),
            connect_timeout: Duration::from_secs(5),
            login_retry: Duration::from_secs(1),
            check_delay: Duration::from_secs(30),
            tenant_share: 50,
            reset_query: "DISCARD ALL".into(),
            query_timeout: None,
            transaction_timeout: None,
            idle_transaction_timeout: None,
            prepared_statements: 500,
        }
    }
}

/// `[replicas]`: reads on replicas.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicasConfig {
    /// False: all reads go to the primaries.
    pub reads: bool,
    /// How often each node is asked for its role and log position.
    pub probe_interval: Duration,
    /// A replica further behind gets no reads.
    pub max_lag: Duration,
    /// Who is promised to see its own writes.
    pub pin_scope: PinScope,
    /// How long a write waits where a server has no primary.
    pub primary_wait: Duration,
}

impl Default for ReplicasConfig {
    fn default() -> Self {
        ReplicasConfig {
            reads: true,
            probe_interval: Duration::from_millis(100),
            max_lag: Duration::from_secs(10),
            pin_scope: PinScope::Tenant,
            primary_wait: Duration::from_secs(10),
        }
    }
}

/// Who is promised to see its own writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinScope {
    /// All sessions of a tenant.
    Tenant,
    /// The session that wrote.
    Session,
    /// Nobody: reads may be as old as `max_lag`.
    None,
}

/// `[moves]`: how gently shards and tenants are moved.
#[derive(Debug, Clone, PartialEq)]
pub struct MovesConfig {
    /// The longest that statements may wait for one try of a cutover.
    pub freeze_budget: Duration,
    /// How long one try may wait for the fence's lock.
    pub lock_timeout: Duration,
    /// How long after a failed cutover the next is tried.
    pub retry_delay: Duration,
    /// Rows that are deleted in one transaction when the source is cleaned.
    pub clean_batch: u32,
    /// Tables or ranges that are copied at once.
    pub parallel: usize,
}

impl Default for MovesConfig {
    fn default() -> Self {
        MovesConfig {
            freeze_budget: Duration::from_secs(1),
            lock_timeout: Duration::from_millis(200),
            retry_delay: Duration::from_secs(2),
            clean_batch: 5_000,
            parallel: 2,
        }
    }
}

/// `[merge]`: answers made of several servers' rows.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeConfig {
    /// The most memory that one statement's merge may hold, in bytes.
    pub max_bytes: u64,
}

impl Default for MergeConfig {
    fn default() -> Self {
        MergeConfig { max_bytes: 256 << 20 }
    }
}

/// `[gather]`: statements that one server computes over rows of several.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherConfig {
    /// The most that one statement may take from the servers, in bytes.
    pub max_bytes: u64,
    /// A server that gives more rows than this has the statement computed over temporary tables.
    pub array_rows: usize,
}

impl Default for GatherConfig {
    fn default() -> Self {
        GatherConfig { max_bytes: 256 << 20, array_rows: 10_000 }
    }
}

/// A password, which no log line and no debug output shows; wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password from its text.
    pub fn new(text: impl Into<String>) -> Password {
        Password(Zeroizing::new(text.into()))
    }

    /// The text, to be proven or checked with.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The password itself; `None` where there is none, or only the secret that PostgreSQL stores.
    pub fn in_clear(&self) -> Option<&str> {
        match Secret::parse(&self.0) {
            Ok(Secret::Password(password)) if !password.is_empty() => Some(&self.0),
            Ok(Secret::Password(_) | Secret::Scram(_) | Secret::Md5(_)) | Err(_) => None,
        }
    }

    /// True where there is none: trust.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "(none)" } else { "(hidden)" })
    }
}
