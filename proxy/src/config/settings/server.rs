//! `[directory]`, `[[server]]` and `[[peer]]`: what there is beside this daemon.

use std::fmt;
use std::path::PathBuf;

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

/// `[[peer]]`: another pgherd behind the same load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// Its `peer_id`.
    pub id: u8,
    /// Where it listens.
    pub address: NodeAddress,
}
