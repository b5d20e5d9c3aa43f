//! Each statement is counted once, by its way and by the role of the node that answered it, with the
//! time it took; each server's own part of that is timed beside it.

use std::time::Instant;

use router::ids::ServerId;
use router::plan::Role;

use crate::execute::executor::{Decision, Executor};
use crate::metrics::Way;

impl Executor {
    /// A statement came to its end, well or badly.
    pub(super) fn count(&self, decision: &Decision, begun: Instant) {
        let took = begun.elapsed();
        let first = decision.plan.legs.first().map(|leg| leg.server);
        let role = first.map_or(Role::Primary, |server| self.role(server));
        self.counters.statement(took);
        self.database.metrics.statement(Way::from(&decision.plan.way), role, took);
        for leg in &decision.plan.legs {
            if let Some(metrics) = self.fleet.server_metrics.get(decision.directory.server_name(leg.server)) {
                metrics.worked(took);
            }
        }
    }

    /// The session answered a statement itself.
    pub fn count_local(&self, begun: Instant) {
        let took = begun.elapsed();
        self.counters.statement(took);
        self.database.metrics.statement(Way::Local, Role::Primary, took);
    }

    /// The transaction is over, and its connections are given back.
    pub(super) fn count_transaction(&mut self) {
        if let Some(since) = self.holding.take() {
            self.counters.transaction(since.elapsed());
        }
    }

    /// A statement of a pipeline was sent; it is counted when its replies have come.
    pub fn count_later(&mut self, server: ServerId) {
        let role = self.role(server);
        self.uncounted.push((role, Instant::now()));
    }

    /// The replies to what was sent have come, or will not.
    pub(super) fn count_sent(&mut self, server: ServerId) {
        if self.uncounted.is_empty() {
            return;
        }
        let directory = self.database.directory.load();
        let metrics = self.fleet.server_metrics.get(directory.server_name(server));
        for (role, begun) in self.uncounted.drain(..) {
            let took = begun.elapsed();
            self.counters.statement(took);
            self.database.metrics.statement(Way::Single, role, took);
            if let Some(metrics) = metrics {
                metrics.worked(took);
            }
        }
    }

    fn role(&self, server: ServerId) -> Role {
        match self.transaction.branches.get(&server) {
            Some(branch) if branch.replica => Role::Replica,
            Some(_) | None => Role::Primary,
        }
    }
}
