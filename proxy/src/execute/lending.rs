//! Connections for a session: asked of the pools, brought to its settings, given back.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use router::directory::Directory;
use router::ids::ServerId;
use router::plan::{Plan, Role, Tenants};

use crate::config::PoolMode;
use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::must;
use crate::execute::settings::{difference, forget, forget_encoding};
use crate::execute::transaction::Branch;
use crate::execute::trouble::Trouble;
use crate::pool::{CheckoutError, Fate, Lent, Request};
use crate::replicas::Node;

impl Executor {
    /// A connection to a node of the server that may run the plan.
    pub(super) async fn connect(
        &mut self,
        id: ServerId,
        plan: &Plan,
        directory: &Directory,
    ) -> Result<(Lent, bool), Trouble> {
        let name = directory.server_name(id);
        let Some(route) = self.routes.to(name, &self.fleet) else {
            let message = format!("server \"{name}\" is not in the configuration any more");
            return Err(ClientError::new("08001", message).into());
        };
        let server = Arc::clone(&route.server);
        if plan.role == Role::Replica && self.mode == PoolMode::Transaction && server.has_replicas() {
            let requirement =
                self.database.pins.requirement(&server, &plan.tenants, &self.pin, directory.floor(id));
            if let Some(node) = server.replica(requirement)
                && let Ok(connection) = self.checkout(name, node, plan).await
            {
                return Ok((connection, true));
            }
        }
        let node = match server.primary() {
            Some(node) => node,
            None => {
                let wait = self.fleet.config.load().replicas.primary_wait;
                let primary = server.wait_for_primary(wait);
                let primary = Box::pin(self.cancellable.unless_requested(primary)).await?;
                primary.map_err(|_| ClientError::no_primary(name))?
            }
        };
        match self.checkout(name, node, plan).await {
            Ok(connection) => Ok((connection, false)),
            Err(error) => {
                server.suspect(node);
                Err(error.into())
            }
        }
    }

    async fn checkout(&mut self, server: &str, node: &Node, plan: &Plan) -> Result<Lent, ClientError> {
        let Some(route) = self.routes.to(server, &self.fleet) else {
            return Err(ClientError::no_primary(server));
        };
        let pool = route.pools.of(&route.server, node, &self.fleet, &self.database, &self.login);
        let tenant = match &plan.tenants {
            Tenants::Some(keys) => keys.first(),
            Tenants::None | Tenants::All => None,
        };
        let prefer = self.settings.preferred();
        let begun = Instant::now();
        let lent = self.fleet.pools.checkout(Request {
            pool: &pool,
            tenant,
            prefer,
            underway: !self.transaction.branches.is_empty(),
        });
        let lent = self.cancellable.unless_requested(lent).await;
        let waited = begun.elapsed();
        self.counters.assigned(waited);
        if let Some(metrics) = &route.metrics {
            metrics.waited(waited);
        }
        let lent = lent?;
        lent.map_err(|error| not_lent(server, &self.database.name, &error))
    }

    /// Brings a connection to the session's settings: those of before the transaction where it is to
    /// begin there with them.
    pub(super) async fn dress(&mut self, connection: &mut Lent, begun: bool) -> Result<(), Trouble> {
        let wanted = if begun { self.settings.before() } else { self.settings.session() };
        let applied = wanted.applied();
        if connection.settings != *applied {
            let mut statements = difference(connection.settings.statements(), wanted).join("; ");
            if connection.encoding().write(&statements).is_none() {
                Box::pin(must(connection, "SET client_encoding TO 'UTF8'")).await?;
                statements =
                    difference(forget_encoding(&connection.settings).statements(), wanted).join("; ");
            }
            if let Err(Trouble::Relay(_)) = Box::pin(must(connection, &statements)).await {
                // What others left may be nobody's to change one by one; a setting of the session's own that
                // is wrong is told of by this.
                let anew = difference(forget(&connection.settings).statements(), wanted).join("; ");
                Box::pin(must(connection, &anew)).await?;
            }
        }
        // The session's own, so that the two are one when they meet again.
        if !connection.settings.is(applied) {
            connection.settings = applied.clone();
        }
        Ok(())
    }

    fn hear(&mut self, news: BytesMut) {
        if !news.is_empty() {
            self.news.get_or_insert_default().unsplit(news);
        }
    }

    /// Gives a branch's connection back, or keeps it for the session.
    pub(super) fn release(&mut self, server: ServerId, mut branch: Branch) {
        // An empty buffer that is split is made one to share first, which costs an allocation.
        if !branch.notices.is_empty() {
            self.notices.unsplit(branch.notices.split());
        }
        let news = std::mem::take(&mut branch.connection.news);
        if branch.hold.is_some() {
            self.hear(news);
            self.held = branch.hold.map(|why| Box::new((server, branch.connection, why)));
            return;
        }
        if self.mode == PoolMode::Session && !branch.replica && branch.connection.is_clean() {
            self.hear(news);
            self.kept.insert(server, branch.connection);
            return;
        }
        self.fleet.pools.checkin(branch.connection, Fate::Keep);
    }
}

/// What the client is told where no connection was lent.
pub(super) fn not_lent(server: &str, database: &str, error: &CheckoutError) -> ClientError {
    match error {
        CheckoutError::TimedOut { .. } => ClientError::pool_exhausted(server),
        CheckoutError::TooManyWaiting => {
            ClientError::new("53300", format!("too many wait for a connection to server {server}"))
                .hint("raise [pool] max_waiting, or end transactions sooner")
        }
        CheckoutError::TenantFull { most } => ClientError::tenant_limit(*most, "connections at once"),
        CheckoutError::TenantBusy { most } => ClientError::tenant_limit(*most, "statements at once"),
        CheckoutError::TenantFast { most } => ClientError::tenant_limit(*most, "statements a second"),
        CheckoutError::Paused => ClientError::paused(database),
        CheckoutError::Dial(why) => ClientError::cannot_connect(server, why.to_string()),
        CheckoutError::Failing(_) => ClientError::cannot_connect(server, error.to_string()),
        CheckoutError::ShuttingDown => ClientError::shutting_down(),
    }
}
