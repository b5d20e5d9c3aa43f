//! The assembly: what every task of the daemon is handed. No globals: two fleets can live in one
//! process.
//!
//! | file | what |
//! | --- | --- |
//! | `database` | one database |
//! | `gate` | reads and commits over several servers, one side at a time |
//! | `assemble` | the parts put together, in the order in which they need each other |
//! | `roles` | the roles that a server knows and the configuration does not |
//! | `watch` | silent nodes and gauges, once a second |
//! | `peers` | cancel requests, here or at another proxy |
//! | `host` | whom an authenticated client is handed to |

mod assemble;
mod database;
mod gate;
mod host;
mod peers;
mod roles;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use router::ids::ServerId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use assemble::{CannotAssemble, serve};
pub use database::Database;
pub use gate::{Gate, Reading, Showing};
pub use roles::RoleBook;

use crate::client::registry::Registry;
use crate::config::Config;
use crate::metrics::{Metrics, ServerMetrics};
use crate::net::ServerTls;
use crate::pool::Pools;
use crate::replicas::{Server, Servers};
use crate::serve::Orders;

/// The daemon's parts.
pub struct Fleet {
    /// The configuration in force.
    pub config: ArcSwap<Config>,
    /// Asks for a new reading of the configuration, or for the end.
    pub orders: Orders,
    /// The servers, by name.
    pub servers: Arc<Servers>,
    /// The databases that clients may name.
    pub databases: HashMap<String, Arc<Database>>,
    /// The daemon's name among several, in `application_name` and in gids.
    pub proxy_id: String,
    /// The server connections.
    pub pools: Pools,
    /// The clients.
    pub registry: Registry,
    /// What servers have said of roles.
    pub roles: RoleBook,
    /// What is counted.
    pub metrics: Metrics,
    /// What is counted of each server, by name.
    pub server_metrics: HashMap<String, ServerMetrics>,
    /// Cancelled when the daemon is to stop.
    pub shutdown: CancellationToken,
    /// All tasks; shutdown waits for them.
    pub tasks: TaskTracker,
}

impl Fleet {
    /// The server that a database's directory means by an id; `None` where the configuration no
    /// longer has it.
    pub fn server(&self, database: &Database, id: ServerId) -> Option<Arc<Server>> {
        let directory = database.directory.load();
        self.servers.named(directory.server_name(id)).ok().cloned()
    }

    /// How to speak to a server's nodes.
    pub fn tls_towards(&self, server: &str) -> ServerTls {
        self.servers.tls(server)
    }

    /// Every database by name, in order.
    pub fn databases_in_order(&self) -> BTreeMap<&str, &Arc<Database>> {
        self.databases.iter().map(|(name, database)| (name.as_str(), database)).collect()
    }
}
