//! One configuration file.

use super::answers::{GatherConfig, MergeConfig, MovesConfig, ReplicasConfig};
use super::database::DatabaseConfig;
use super::people::{AdminConfig, AuthConfig, UserConfig};
use super::pool::PoolConfig;
use super::proxy::ProxyConfig;
use super::server::{DirectoryConfig, PeerConfig, ServerConfig};

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
