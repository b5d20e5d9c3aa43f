//! The parts put together, in the order in which they need each other: servers are probed, directories
//! opened, catalogs read, then clients are let in.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Database, Fleet, RoleBook};
use crate::boot::{self, BootError};
use crate::catalog::{LiveCatalog, RefreshFailed};
use crate::check;
use crate::client::registry::Registry;
use crate::config::{Config, DatabaseConfig, StoreConfig};
use crate::console;
use crate::deadlocks;
use crate::directory::{FileStore, Store, StoreError};
use crate::execute::recovery;
use crate::metrics::DatabaseMetrics;
use crate::mover::Mover;
use crate::net::tls::TlsFault;
use crate::pool::Pools;
use crate::replicas::{Pins, Servers};
use crate::serve::{CannotServe, Daemon};

/// Why the daemon cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum CannotAssemble {
    /// A listener, a certificate or the signals.
    #[error(transparent)]
    Serve(#[from] CannotServe),
    /// TLS towards a server.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// The directory's store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A database's directory.
    #[error("database {database}: {source}")]
    Boot {
        /// The database.
        database: String,
        /// Why.
        source: Box<BootError>,
    },
    /// A database's catalog.
    #[error("database {database}: {source}")]
    Catalog {
        /// The database.
        database: String,
        /// Why.
        source: Box<RefreshFailed>,
    },
}

/// Serves until a signal ends the daemon. `file` is what a reload reads again.
///
/// # Errors
/// [`CannotAssemble`] where it cannot begin.
pub async fn serve(config: Config, file: PathBuf) -> Result<(), CannotAssemble> {
    let config = Arc::new(config);
    let mut daemon = Daemon::bind(Arc::clone(&config), file).await?;
    let parts =
        (daemon.metrics.clone(), daemon.shutdown.clone(), daemon.tasks.clone(), daemon.orders.clone());
    let board = daemon.board.clone();
    let assembling = async {
        let (metrics, shutdown, tasks, orders) = parts;
        let servers = Arc::new(Servers::new(&config)?);
        servers.probe(&config, &tasks, &shutdown);
        let StoreConfig::File(folder) = &config.directory.store;
        let store: Arc<dyn Store> = Arc::new(FileStore::open(folder)?);
        let mut databases = HashMap::new();
        for database in &config.databases {
            let store = Arc::clone(&store);
            let counted = metrics.database(&database.name);
            let opened = open(&config, database, &servers, store, (&tasks, &shutdown), counted).await?;
            databases.insert(database.name.clone(), Arc::new(opened));
        }
        Ok::<Fleet, CannotAssemble>(Fleet {
            proxy_id: config.proxy.id.clone(),
            pools: Pools::new((&*config).into(), metrics.traffic.clone()),
            config: ArcSwap::new(Arc::clone(&config)),
            orders,
            servers,
            databases,
            registry: Registry::of_peer(config.proxy.peer_id),
            roles: RoleBook::default(),
            server_metrics: config
                .servers
                .iter()
                .map(|server| (server.name.clone(), metrics.server(&server.name)))
                .collect(),
            metrics,
            shutdown,
            tasks,
        })
    };
    let Some(fleet) = daemon.while_starting(assembling).await else { return Ok(()) };
    let fleet = Arc::new(fleet?);
    tend(&fleet);
    let painted = Arc::clone(&fleet);
    board.paint_with(move || Box::pin(console::board(Arc::clone(&painted))));
    daemon.run(fleet).await;
    Ok(())
}

async fn open(
    config: &Config,
    database: &DatabaseConfig,
    servers: &Arc<Servers>,
    store: Arc<dyn Store>,
    (tasks, shutdown): (&TaskTracker, &CancellationToken),
    metrics: DatabaseMetrics,
) -> Result<Database, CannotAssemble> {
    let directory = boot::open(database, servers, store).await.map_err(|source| CannotAssemble::Boot {
        database: database.name.clone(),
        source: Box::new(source),
    })?;
    let catalog = LiveCatalog::new(database);
    catalog.refresh(servers).await.map_err(|source| CannotAssemble::Catalog {
        database: database.name.clone(),
        source: Box::new(source),
    })?;
    if let Some(key_type) = catalog.load().key_type {
        for breach in check::broken(database, servers, &directory.load(), key_type) {
            tracing::error!(database = database.name, "{breach}; herdctl check says what to do");
        }
    }
    let pins = Pins::new(config.replicas.pin_scope);
    let mover = Mover::new(
        database,
        &config.moves,
        directory.clone(),
        Arc::clone(servers),
        tasks.clone(),
        shutdown.clone(),
    );
    Ok(Database::new(database.clone(), directory, catalog, mover, pins, metrics))
}

/// Starts the tasks that go on beside the clients.
fn tend(fleet: &Arc<Fleet>) {
    let reaping = Arc::clone(fleet);
    fleet.tasks.spawn(async move { reaping.pools.reap(reaping.shutdown.clone()).await });
    let told = Arc::clone(fleet);
    fleet.tasks.spawn(async move {
        told.shutdown.cancelled().await;
        told.registry.close();
    });
    let watched = Arc::clone(fleet);
    fleet.tasks.spawn(async move { super::watch::watch(&watched).await });
    for database in fleet.databases.values() {
        database.mover.resume();
        fleet.tasks.spawn(recovery::run(Arc::clone(fleet), Arc::clone(database)));
        fleet.tasks.spawn(deadlocks::run(Arc::clone(fleet), Arc::clone(database)));
        let (fleet_of_catalog, database) = (Arc::clone(fleet), Arc::clone(database));
        fleet.tasks.spawn(async move {
            tokio::select! {
                () = fleet_of_catalog.shutdown.cancelled() => {}
                () = database.catalog.keep(&fleet_of_catalog.servers) => {}
            }
        });
    }
}
