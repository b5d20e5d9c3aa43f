//! All servers of the configuration, and the tasks that probe them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::control::Control;
use super::prober::{Probing, probe};
use super::server::{NoPrimary, Server};
use crate::config::Config;
use crate::net::ServerTls;
use crate::net::tls::TlsFault;

/// All configured servers, in the order of the configuration.
#[derive(Debug)]
pub struct Servers {
    list: Vec<Arc<Server>>,
    tls: HashMap<String, ServerTls>,
    control: Control,
}

/// A server of a directory that the configuration does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("server \"{0}\" is not in the configuration")]
pub struct UnknownServer(pub String);

/// Why the admin role has no connection to a server's primary.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The configuration does not have the server.
    #[error(transparent)]
    Unknown(#[from] UnknownServer),
    /// It has no primary now.
    #[error(transparent)]
    NoPrimary(#[from] NoPrimary),
    /// Its primary did not let us in.
    #[error(transparent)]
    Control(#[from] super::control::ControlError),
}

impl Servers {
    /// The configured servers; nothing is probed yet.
    ///
    /// # Errors
    /// [`TlsFault`] where a certificate or an authority cannot be used.
    pub fn new(config: &Config) -> Result<Servers, TlsFault> {
        let list = config.servers.iter().enumerate();
        let list =
            list.map(|(number, server)| Arc::new(Server::new(server, number, &config.replicas))).collect();
        let (mut tls, mut control) =
            (HashMap::new(), Control::new(&config.admin, config.pool.connect_timeout));
        for server in &config.servers {
            let towards = ServerTls::new(server)?;
            control.know(&server.nodes, &towards);
            tls.insert(server.name.clone(), towards);
        }
        Ok(Servers { list, tls, control })
    }

    /// How to speak to a server's nodes.
    pub fn tls(&self, server: &str) -> ServerTls {
        self.tls.get(server).cloned().unwrap_or_else(ServerTls::disabled)
    }

    /// Reads the servers' certificates and authorities again, for connections to come; those of a
    /// server whose files are at fault stay as they were.
    pub fn renew_tls(&self, config: &Config) {
        for server in &config.servers {
            let Some(tls) = self.tls.get(&server.name) else { continue };
            if let Err(fault) = tls.renew(server) {
                tracing::error!(server = server.name, %fault, "the server's certificates stay as they were");
            }
        }
    }

    /// Begins to probe every node: tasks of `tasks` that end with `shutdown`. Probes connect to the
    /// first configured database.
    pub fn probe(&self, config: &Config, tasks: &TaskTracker, shutdown: &CancellationToken) {
        let database = config.databases.first().map_or("postgres", |database| &database.name);
        let probing = Probing {
            control: self.control.clone(),
            database: database.to_owned(),
            interval: config.replicas.probe_interval,
        };
        for server in &self.list {
            for index in 0..server.nodes().len() {
                let probing = probe(Arc::clone(server), index, probing.clone());
                let shutdown = shutdown.clone();
                tasks.spawn(async move { shutdown.run_until_cancelled(probing).await });
            }
        }
    }

    /// All of them, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.list.iter()
    }

    /// The server of this name.
    ///
    /// # Errors
    /// [`UnknownServer`] where the configuration has none.
    pub fn named(&self, name: &str) -> Result<&Arc<Server>, UnknownServer> {
        let found = self.list.iter().find(|server| server.name() == name);
        found.ok_or_else(|| UnknownServer(name.to_owned()))
    }

    /// How the admin role connects.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// A connection of the admin role to a database of a server's primary.
    ///
    /// # Errors
    /// [`Unreachable`] where there is no such server, no primary within `limit`, or no entry.
    pub async fn connect(
        &self,
        server: &str,
        database: &str,
        limit: Duration,
    ) -> Result<tokio_postgres::Client, Unreachable> {
        let server = self.named(server)?;
        let node = server.wait_for_primary(limit).await?;
        let connected = self.control.connect(node, database).await;
        connected.inspect_err(|_| server.suspect(node)).map_err(Unreachable::from)
    }
}
