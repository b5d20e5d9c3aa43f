//! What a statement of one server needs before it can be sent, where nothing must be waited for, as mostly
//! nothing must: a plan, a connection at rest that has the session's settings already. Where something
//! must, nothing has been done, and the functions that can wait do it all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use router::directory::Directory;
use router::ids::ServerId;
use router::plan::{Parameter, Plan, Role, Tenants, Way};
use router::sql::Statement;

use crate::config::PoolMode;
use crate::execute::executor::Executor;
use crate::execute::planned::{Decided, Decision, MOST_REPLANS};
use crate::execute::transaction::{Branch, Mode};
use crate::execute::trouble::Trouble;
use crate::pool::{Lent, Request};
use crate::wire::write;

/// How a statement is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As a simple query.
    Query,
    /// Within a pipeline of the extended protocol.
    Pipeline,
}

/// How a branch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// Statements may be sent to it.
    Begun,
    /// Its BEGIN goes ahead of the statement, as messages of the extended protocol without a Sync: where it
    /// fails, nothing after it runs, not even a simple query. [`BEGUN`] is owed for it.
    Begins,
}

/// What a server answers to a BEGIN that goes ahead: ParseComplete, BindComplete, CommandComplete.
pub const BEGUN: [u8; 3] = [b'1', b'2', b'C'];

/// How far a statement came without waiting.
#[derive(Debug)]
pub(crate) enum Tried {
    /// It may be sent to its server.
    Stands(Decision, Stands),
    /// Its plan and its permit are there, and no branch.
    Planned(Box<Decision>),
    /// Nothing was done.
    Nothing,
}

impl Executor {
    /// Plans a statement that runs on one server as it stands, and has its branch there, as far as nothing
    /// must be waited for.
    ///
    /// # Errors
    /// The planner's refusal.
    pub(crate) fn branch_at_once(
        &mut self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
        manner: Manner,
        at: impl FnOnce(ServerId) -> bool,
    ) -> Result<Tried, Trouble> {
        let apart = statement.is_explain() || statement.changes_schema();
        // What is admitted once must not be admitted again by who waits.
        if apart || self.fleet.pools.limits_statements() {
            return Ok(Tried::Nothing);
        }
        let permits = self.transaction.passes.len();
        let Some(decision) = self.decide_at_once(statement, parameters)? else { return Ok(Tried::Nothing) };
        let leg = &decision.plan.legs[0];
        let single = matches!(decision.plan.way, Way::Single) && leg.fences.is_empty();
        if single && at(leg.server) {
            return Ok(match self.has_branch(&decision, manner) {
                Some(stands) => Tried::Stands(decision, stands),
                None => Tried::Planned(Box::new(decision)),
            });
        }
        self.transaction.passes.truncate(permits);
        Ok(Tried::Nothing)
    }

    fn decide_at_once(
        &mut self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Decision>, Trouble> {
        for _ in 0..MOST_REPLANS {
            match self.try_to_decide(statement, parameters)? {
                Decided::Ready(decision) => return Ok(Some(decision)),
                Decided::Outdated => {}
                Decided::Frozen(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// How the plan's first server has a branch that may run it, perhaps a new one; `None` where it has none.
    fn has_branch(&mut self, decision: &Decision, manner: Manner) -> Option<Stands> {
        let server = decision.plan.legs[0].server;
        if let Some(branch) = self.transaction.branches.get(server) {
            return (!branch.replica && !branch.is_outdated(server, decision)).then_some(Stands::Begun);
        }
        if self.is_of_one_moment(decision) {
            return None;
        }
        let stands = match (self.transaction.mode, manner) {
            (Mode::Auto, Manner::Query | Manner::Pipeline) => Stands::Begun,
            (Mode::Explicit, Manner::Query | Manner::Pipeline) if self.begins_plainly() => Stands::Begins,
            (Mode::Explicit | Mode::Implicit, Manner::Query | Manner::Pipeline) => return None,
        };
        if self.held.is_some() || !self.kept.is_empty() {
            return None;
        }
        let begun = Instant::now();
        let (mut connection, replica) =
            self.lend_at_once(server, &decision.plan, &decision.directory, begun)?;
        if stands == Stands::Begins && self.must_forget_numbers(&connection) {
            self.fleet.pools.checkin(connection, crate::pool::Fate::Keep);
            return None;
        }
        connection.numbers_of = connection.numbers_of.and(self.number);
        let mut preparing = Vec::new();
        if stands == Stands::Begins {
            connection.queue_parse("", &self.transaction.begin, &[]);
            write::bind(connection.out(), b"", b"", &[], [], &[]);
            write::execute(connection.out(), b"", 0);
        }
        let in_pipeline = stands == Stands::Begins && manner == Manner::Pipeline;
        if in_pipeline {
            // The ParseComplete of no statement that is kept.
            preparing.push(0);
        }
        self.holding.get_or_insert(begun);
        self.settings.begin();
        self.cancellable.runs_on(connection.cancel_handle());
        if stands == Stands::Begins {
            self.list(server, &connection);
        }
        let branch = Branch {
            connection,
            begun: stands == Stands::Begins,
            replica,
            executed: false,
            unsynced: in_pipeline,
            fences: BTreeMap::new(),
            directory: Arc::clone(&decision.directory),
            preparing,
            coded: false,
            notices: BytesMut::new(),
            notifies: false,
            locks: false,
            wrote: false,
            hold: None,
        };
        self.transaction.branches.insert(server, branch);
        Some(stands)
    }

    /// True where one BEGIN brings a branch to where the client's transaction stands.
    fn begins_plainly(&self) -> bool {
        self.settings.is_as_before() && !self.transaction.begin.contains(';')
    }

    /// A connection at rest to a node of the server that may run the plan, with the session's settings;
    /// true beside it where the node is a replica.
    fn lend_at_once(
        &mut self,
        id: ServerId,
        plan: &Plan,
        directory: &Directory,
        now: Instant,
    ) -> Option<(Lent, bool)> {
        let route = self.routes.to(directory.server_name(id), &self.fleet)?;
        let server = &*route.server;
        let reads_replicas =
            plan.role == Role::Replica && self.mode == PoolMode::Transaction && server.has_replicas();
        let replica = reads_replicas.then(|| {
            let pins = &self.database.pins;
            server.replica(pins.requirement(&route.server, &plan.tenants, &self.pin, directory.floor(id)))
        });
        let replica = replica.flatten();
        let node = replica.or_else(|| server.primary())?;
        let pool = route.pools.of(server, node, &self.fleet, &self.database, &self.login);
        let tenant = match &plan.tenants {
            Tenants::Some(keys) => keys.first(),
            Tenants::None | Tenants::All => None,
        };
        let applied = self.settings.session().applied();
        let underway = !self.transaction.branches.is_empty();
        let request = Request { pool: &pool, tenant, prefer: Some(applied.fingerprint()), underway };
        let mut connection = self.fleet.pools.lend_at_once(&request, now)?;
        if connection.settings != *applied {
            // Two settings of one fingerprint: who can wait makes them the same.
            self.fleet.pools.checkin(connection, crate::pool::Fate::Keep);
            return None;
        }
        // The session's own, so that the two are one when they meet again.
        if !connection.settings.is(applied) {
            connection.settings = applied.clone();
        }
        self.counters.assigned(std::time::Duration::ZERO);
        if let Some(metrics) = &route.metrics {
            metrics.waited(std::time::Duration::ZERO);
        }
        Some((connection, replica.is_some()))
    }

    /// Ends what a message did outside a transaction of the client's; `false` where that needs waiting, and
    /// nothing was done.
    pub fn end_of_message_at_once(&mut self) -> bool {
        match self.transaction.mode {
            Mode::Explicit => true,
            Mode::Implicit => false,
            Mode::Auto if self.transaction.changed_schema => false,
            Mode::Auto => {
                let mut transaction = std::mem::take(&mut self.transaction);
                self.give_back(&mut transaction);
                transaction.leave();
                true
            }
        }
    }
}
