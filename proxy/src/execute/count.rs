//! Each statement is counted once, by its way and by the role of the node that answered it, with the
//! time it took; each server's own part of that is timed beside it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use router::ids::{ServerId, TenantKey};
use router::plan::{Role, Tenants};
use router::sql::{Statement, normalized};

use crate::execute::executor::Executor;
use crate::execute::planned::Decision;
use crate::execute::transaction::Transaction;
use crate::metrics::Way;

impl Executor {
    /// A statement came to its end, well or badly.
    pub(super) fn count(&mut self, statement: &Statement, decision: &Decision, begun: Instant) {
        let took = begun.elapsed();
        self.note_slow(Some(statement), took);
        let first = decision.plan.legs.first().map(|leg| leg.server);
        let role = first.map_or(Role::Primary, |server| self.role(server));
        self.counters.statement(took);
        self.database.metrics.statement(Way::from(&decision.plan.way), role, took);
        for leg in &decision.plan.legs {
            let route = self.routes.to(decision.directory.server_name(leg.server), &self.fleet);
            if let Some(metrics) = route.and_then(|route| route.metrics.as_ref()) {
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

    /// The client was told an error of a server's, of this class.
    pub(super) fn count_error(&self, class: Option<[u8; 2]>) {
        if let Some(class) = class {
            self.fleet.metrics.error(&self.database.name, &String::from_utf8_lossy(&class));
        }
    }

    /// The transaction is over, and its connections are given back.
    pub(super) fn count_transaction(&mut self, transaction: &Transaction) {
        if let Some(since) = self.holding.take() {
            self.counters.transaction(since.elapsed(), sole_tenant(transaction));
        }
    }

    /// A statement of a pipeline was sent; it is counted when its replies have come.
    pub fn count_later(&mut self, server: ServerId, statement: Option<&Arc<Statement>>) {
        let role = self.role(server);
        let statement = self.slow.and(statement).cloned();
        self.uncounted.push((role, Instant::now(), statement));
    }

    /// The replies to what was sent have come, or will not.
    pub(super) fn count_sent(&mut self, server: ServerId) {
        if self.uncounted.is_empty() {
            return;
        }
        let directory = self.database.directory.load_near();
        let mut uncounted = std::mem::take(&mut self.uncounted);
        let route = self.routes.to(directory.server_name(server), &self.fleet);
        let metrics = route.and_then(|route| route.metrics.clone());
        for (role, begun, statement) in uncounted.drain(..) {
            let took = begun.elapsed();
            self.note_slow(statement.as_deref(), took);
            self.counters.statement(took);
            self.database.metrics.statement(Way::Single, role, took);
            if let Some(metrics) = &metrics {
                metrics.worked(took);
            }
        }
        self.uncounted = uncounted;
    }

    /// A log line for a statement that took longer than `slow_statement`; never its values.
    fn note_slow(&self, statement: Option<&Statement>, took: Duration) {
        /// More of a text than this says nothing new.
        const LONGEST: usize = 2000;
        if let (Some(limit), Some(statement)) = (self.slow, statement)
            && took >= limit
        {
            let text = normalized(statement.text(), LONGEST);
            let (database, user) = (&self.database.name, &self.login.user);
            tracing::info!(duration_ms = took.as_millis() as u64, %database, %user, statement = %text, "slow statement");
        }
    }

    fn role(&self, server: ServerId) -> Role {
        match self.transaction.branches.get(server) {
            Some(branch) if branch.replica => Role::Replica,
            Some(_) | None => Role::Primary,
        }
    }
}

/// The tenant of all that a transaction did, where it is one.
fn sole_tenant(transaction: &Transaction) -> Option<&TenantKey> {
    let mut sole = None;
    for permit in &transaction.passes {
        match (&permit.tenants, sole) {
            (Tenants::None, _) => {}
            (Tenants::Some(keys), None) if keys.len() == 1 => sole = keys.first(),
            (Tenants::Some(keys), Some(key)) if keys.len() == 1 && keys.first() == Some(key) => {}
            (Tenants::Some(_) | Tenants::All, _) => return None,
        }
    }
    sole
}
