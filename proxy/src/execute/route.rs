//! The session's ways to servers: what it needs to reach one, looked up when it first goes there.

use std::sync::Arc;

use crate::execute::executor::Login;
use crate::fleet::{Database, Fleet};
use crate::metrics::ServerMetrics;
use crate::pool::PoolHandle;
use crate::replicas::{Node, Server};
use crate::server::Target;

/// The way to one server.
#[derive(Debug)]
pub(super) struct Route {
    /// The server.
    pub server: Arc<Server>,
    /// What is counted of it.
    pub metrics: Option<ServerMetrics>,
    /// The pools of its nodes.
    pub pools: NodePools,
}

/// The pools of a server's nodes that a session has used.
#[derive(Debug, Default)]
pub(super) struct NodePools(Vec<(Node, Arc<PoolHandle>)>);

/// The ways of one session; few, since it goes to few servers.
#[derive(Debug, Default)]
pub(super) struct Routes(Vec<Route>);

impl Routes {
    /// The way to the server of this name; `None` where the configuration has none.
    pub(super) fn to(&mut self, name: &str, fleet: &Fleet) -> Option<&mut Route> {
        let known = self.0.iter().position(|route| route.server.name() == name);
        let place = match known {
            Some(place) => place,
            None => {
                let server = Arc::clone(fleet.servers.named(name).ok()?);
                let metrics = fleet.server_metrics.get(name).cloned();
                self.0.reserve_exact(1);
                self.0.push(Route { server, metrics, pools: NodePools::default() });
                self.0.len() - 1
            }
        };
        self.0.get_mut(place)
    }
}

impl NodePools {
    /// The pool of a server's node; the same for all of a session's connections to it.
    pub(super) fn of(
        &mut self,
        server: &Server,
        node: &Node,
        fleet: &Fleet,
        database: &Database,
        login: &Login,
    ) -> Arc<PoolHandle> {
        if let Some((_, pool)) = self.0.iter().find(|(known, _)| known == node) {
            return Arc::clone(pool);
        }
        let target = Arc::new(Target {
            server: server.name().to_owned(),
            host: node.host.clone(),
            port: node.port,
            database: database.name.clone(),
            user: login.user.clone(),
            proof: Arc::clone(&login.proof),
            tls: fleet.tls_towards(server.name()),
            application_name: format!("pgherd/{}", fleet.proxy_id),
            connect_timeout: fleet.config.load().pool.connect_timeout,
            startup: Vec::new(),
        });
        let pool = Arc::new(fleet.pools.pool(&target));
        self.0.reserve_exact(1);
        self.0.push((node.clone(), Arc::clone(&pool)));
        pool
    }
}
