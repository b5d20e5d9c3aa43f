//! What a session keeps between transactions: in session mode its connections, always what its tenants'
//! statements may count on.

use router::directory::Directory;
use router::ids::ServerId;
use router::plan::{Plan, Tenants};

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::lending::not_lent;
use crate::execute::transaction::Branch;
use crate::execute::trouble::Trouble;
use crate::pool::{Fate, Lent};

impl Executor {
    /// A connection that the session kept, where it still is one to the server's primary.
    ///
    /// # Errors
    /// 57P01, FATAL: what the session had on it is lost.
    pub(super) fn still_good(
        &self,
        server: ServerId,
        mut connection: Lent,
        directory: &Directory,
    ) -> Result<Lent, Trouble> {
        let primary =
            self.fleet.servers.named(directory.server_name(server)).ok().and_then(|of| of.primary());
        let stands = |node: &crate::replicas::Node| (node.host.as_str(), node.port) == connection.node();
        if primary.is_some_and(stands) && connection.still_there() {
            return Ok(connection);
        }
        Err(ClientError::kept_connection_lost().into())
    }

    /// True where a connection that is lost cannot be replaced by any other.
    pub fn keeps_connections(&self) -> bool {
        self.lost_kept || self.transaction.branches.values().any(|branch| self.stays(branch))
    }

    /// True where a branch's connection stays the session's: what code did to it is the session's own.
    pub(super) fn stays(&self, branch: &Branch) -> bool {
        self.is_session_mode() || branch.hold.is_some()
    }

    /// Every connection that the session keeps between transactions.
    pub fn kept_connections(&mut self) -> impl Iterator<Item = &mut Lent> {
        let held = self.held.as_mut().map(|held| &mut held.1);
        held.into_iter().chain(self.kept.values_mut())
    }

    /// Nothing of the client's has run yet: what was kept needs no reset.
    pub(super) fn keep_nothing_yet(&mut self) {
        for (_, connection) in std::mem::take(&mut self.kept) {
            self.fleet.pools.checkin(connection, Fate::Keep);
        }
    }

    /// The session ends, or begins anew: the connections that it kept are reset for others.
    pub async fn end_kept(&mut self) {
        for (_, connection) in std::mem::take(&mut self.kept) {
            self.fleet.pools.checkin_after_session(connection).await;
        }
    }

    /// Takes what a plan's tenants may have of statements at once and a second.
    ///
    /// # Errors
    /// 53400 where one of them has too many.
    pub(super) fn admit(&mut self, plan: &Plan) -> Result<(), Trouble> {
        let pools = &self.fleet.pools;
        let Tenants::Some(keys) = &plan.tenants else { return Ok(()) };
        if !pools.limits_statements() {
            return Ok(());
        }
        for key in keys {
            let admitted = pools.admit(&self.database.name, key);
            self.admissions.extend(admitted.map_err(|error| not_lent("", &self.database.name, &error))?);
        }
        Ok(())
    }
}
