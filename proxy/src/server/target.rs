//! Where to dial and as whom.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::Proof;
use crate::net::ServerTls;

/// One node, database and user.
#[derive(Clone)]
pub struct Target {
    /// The server's name in the directory.
    pub server: String,
    /// The node's host; one that begins with `/` is the directory of a unix socket.
    pub host: String,
    /// The node's port.
    pub port: u16,
    /// The database there.
    pub database: String,
    /// The role to be.
    pub user: String,
    /// What it proves itself with, where the node asks.
    pub proof: Arc<Proof>,
    /// TLS towards the node.
    pub tls: ServerTls,
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// How long dialing and logging in may take.
    pub connect_timeout: Duration,
    /// Further settings for the startup message.
    pub startup: Vec<(String, String)>,
}

impl Target {
    /// True where both lead to the same place in the same way.
    pub fn is_same(&self, other: &Target) -> bool {
        let place = |of: &Target| (of.port, of.connect_timeout);
        place(self) == place(other)
            && self.server == other.server
            && self.host == other.host
            && self.database == other.database
            && self.user == other.user
            && Arc::ptr_eq(&self.proof, &other.proof)
            && self.tls.is(&other.tls)
            && self.application_name == other.application_name
            && self.startup == other.startup
    }

    /// `host:port`, for messages.
    pub fn node(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Target {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}:{}/{} as {})", self.server, self.host, self.port, self.database, self.user)
    }
}
