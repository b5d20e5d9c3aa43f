//! `[[user]]`, `[auth]` and `[admin]`: who may come in, and how they prove it.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::bounds::{OwnPool, OwnTimeouts};
use crate::auth::Secret;
use crate::auth::hba::{Hba, IdentMaps};

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
