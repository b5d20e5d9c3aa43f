//! A fleet: real servers with their replicas, in a directory of their own, ended with the test.

use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::daemon::{Daemon, DaemonBuilder};
use crate::oracle::Oracle;
use crate::reaper::{self, Reaper};
use crate::server::Server;
use crate::{process, template};

/// What servers are called, in order.
const NAMES: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

/// Running servers. Dropped, everything it started ends; the logs stay in `target/test-logs`.
#[derive(Debug)]
pub struct Fleet {
    // Fields are dropped in this order: the nodes, then the reaper, which removes the directory.
    servers: Vec<Server>,
    _reaper: Reaper,
    directory: TempDir,
    databases: Vec<String>,
}

impl Fleet {
    /// Two servers without replicas and the database `app`, unless told otherwise.
    #[must_use]
    pub fn builder() -> FleetBuilder {
        FleetBuilder {
            servers: 2,
            replicas: 0,
            relays: false,
            databases: vec!["app".to_owned()],
            settings: String::new(),
        }
    }

    /// The servers, in the order of the daemon's configuration.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The server of a number.
    #[must_use]
    pub fn server(&self, number: usize) -> &Server {
        &self.servers[number]
    }

    /// The server of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> &Server {
        let server = self.servers.iter().find(|server| server.name() == name);
        server.unwrap_or_else(|| panic!("the fleet has no server {name}"))
    }

    /// A daemon over this fleet, to be configured and started.
    #[must_use]
    pub fn daemon(&self) -> DaemonBuilder<'_> {
        Daemon::builder(self)
    }

    /// A plain PostgreSQL beside the fleet, to hold all the rows.
    pub async fn oracle(&self) -> Result<Oracle> {
        Oracle::start(self.path(), &self.databases).await
    }

    /// The fleet's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn databases(&self) -> &[String] {
        &self.databases
    }
}

/// What a fleet shall be.
#[derive(Debug)]
pub struct FleetBuilder {
    servers: usize,
    replicas: usize,
    relays: bool,
    databases: Vec<String>,
    settings: String,
}

impl FleetBuilder {
    /// How many servers, at most six.
    #[must_use]
    pub fn servers(mut self, servers: usize) -> Self {
        assert!(servers <= NAMES.len(), "a fleet has at most {} servers", NAMES.len());
        self.servers = servers;
        self
    }

    /// How many replicas each server has.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Puts a [`crate::Relay`] in front of every node.
    #[must_use]
    pub fn relays(mut self) -> Self {
        self.relays = true;
        self
    }

    /// One more database beside `app`, on every server.
    #[must_use]
    pub fn database(mut self, name: &str) -> Self {
        self.databases.push(name.to_owned());
        self
    }

    /// A line of postgresql.conf for every node, set while the servers run and read again.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push_str(line);
        self.settings.push('\n');
        self
    }

    /// Makes and starts the servers.
    pub async fn start(self) -> Result<Fleet> {
        let home = template::home()?;
        reaper::reap_leftovers(&home)?;
        let mut directory = tempfile::Builder::new().prefix("fleet-").tempdir_in(&home)?;
        // The reaper removes it, also when this process cannot.
        directory.disable_cleanup(true);
        std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        process::give_away(directory.path())?;
        let reaper = Reaper::watch(directory.path())?;
        let mut servers = Vec::new();
        for (slot, name) in NAMES.iter().take(self.servers).enumerate() {
            let started = Server::start(directory.path(), name, slot, self.replicas).await;
            let mut server = started.with_context(|| format!("cannot start the server {name}"))?;
            server.furnish(&self.databases).await?;
            server.caught_up().await?;
            self.apply_settings(&server).await?;
            if self.relays {
                server.put_behind_relays()?;
            }
            servers.push(server);
        }
        Ok(Fleet { servers, _reaper: reaper, directory, databases: self.databases })
    }

    async fn apply_settings(&self, server: &Server) -> Result<()> {
        if self.settings.is_empty() {
            return Ok(());
        }
        for node in server.nodes() {
            node.configure(&self.settings)?;
            node.connect("postgres").await?.execute("SELECT pg_reload_conf()", &[]).await?;
        }
        Ok(())
    }
}
