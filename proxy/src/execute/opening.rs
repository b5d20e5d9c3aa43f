//! The branches of a transaction: made where a plan needs one, with the session's state and the plan's fences.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use router::ids::ServerId;
use router::plan::Leg;
use router::sql::Hold;

use crate::execute::executor::Executor;
use crate::execute::planned::Decision;
use crate::execute::transaction::{Branch, Mode};
use crate::execute::trouble::Trouble;
use crate::pool::{Fate, Lent};

/// What keeps a branch from being used for the moment.
pub(crate) enum Hindrance {
    /// The directory has moved on: plan again.
    Replan,
    /// A real trouble.
    Trouble(Trouble),
}

impl<T: Into<Trouble>> From<T> for Hindrance {
    fn from(trouble: T) -> Hindrance {
        Hindrance::Trouble(trouble.into())
    }
}

impl Executor {
    /// The branch of a leg's server, made if there is none yet: connected, with the session's
    /// settings, begun where the transaction needs it, with the leg's fences held.
    pub(crate) async fn branch(&mut self, leg: &Leg, decision: &Decision) -> Result<&mut Branch, Hindrance> {
        let begun = self.transaction.mode != Mode::Auto;
        if self.is_of_one_moment(decision) {
            Box::pin(self.begin_everywhere(&decision.directory)).await?;
        }
        if self.transaction.branches.contains(leg.server) {
            Box::pin(self.leave_outdated(leg.server, decision)).await?;
        }
        if !self.transaction.branches.contains(leg.server) {
            let branch = self.open(leg.server, decision, begun).await?;
            self.transaction.branches.insert(leg.server, branch);
        }
        if !leg.fences.is_empty() {
            Box::pin(self.fence(leg)).await?;
        }
        let branch = self.transaction.branches.get_mut(leg.server);
        Ok(branch.expect("the branch was made above"))
    }

    /// The branches of all legs, with all their fences, before anything runs; the first leg's server.
    pub(super) async fn branch_all(&mut self, decision: &Decision) -> Result<ServerId, Hindrance> {
        for leg in &decision.plan.legs {
            self.branch(leg, decision).await?;
        }
        Ok(decision.plan.legs[0].server)
    }

    pub(super) async fn open(
        &mut self,
        server: ServerId,
        decision: &Decision,
        begun: bool,
    ) -> Result<Branch, Trouble> {
        let mut hold = None;
        self.holding.get_or_insert_with(Instant::now);
        let (mut connection, replica) = match self.held.take() {
            Some(held) if held.0 == server => {
                let (_, connection, why) = *held;
                hold = Some(why);
                (connection, false)
            }
            other => {
                self.held = other;
                match self.kept.remove(&server) {
                    Some(connection) => (self.still_good(server, connection, &decision.directory)?, false),
                    None => self.connect(server, &decision.plan, &decision.directory).await?,
                }
            }
        };
        self.settings.begin();
        if let Err(trouble) = self.prepare_for_use(&mut connection, begun).await {
            self.put_back(server, connection, (hold, replica));
            return Err(trouble);
        }
        let mut branch = Branch {
            connection,
            begun,
            replica,
            executed: false,
            unsynced: false,
            fences: BTreeMap::new(),
            directory: Arc::clone(&decision.directory),
            preparing: Vec::new(),
            coded: false,
            notices: BytesMut::new(),
            notifies: false,
            locks: false,
            wrote: false,
            hold,
        };
        self.cancellable.runs_on(branch.connection.cancel_handle());
        branch.connection.enrolled.iter().for_each(|enrolled| enrolled.note_user(self.client));
        self.list(server, &branch.connection);
        if begun {
            let replay = self.settings.replay();
            let opening = self.transaction.opening_with(replay);
            Box::pin(must(&mut branch.connection, &opening.join("; "))).await?;
        }
        Ok(branch)
    }

    /// Brings a connection to where the session's next transaction on it begins.
    async fn prepare_for_use(&mut self, connection: &mut Lent, begun: bool) -> Result<(), Trouble> {
        self.dress(connection, begun).await?;
        self.take_numbers(connection, begun).await
    }

    /// A connection that could not be used goes to where it came from, as it was: what lives on one that the
    /// session keeps stays. Where that one broke, the session ends.
    fn put_back(&mut self, server: ServerId, connection: Lent, (hold, replica): (Option<Hold>, bool)) {
        let stays = hold.is_some() || self.is_session_mode() && !replica;
        match (connection.is_clean(), hold) {
            (false, _) => self.lost_kept |= stays,
            (true, Some(why)) => self.held = Some(Box::new((server, connection, why))),
            (true, None) if stays => drop(self.kept.insert(server, connection)),
            (true, None) => self.fleet.pools.checkin(connection, Fate::Keep),
        }
    }

    /// With its second branch a transaction may be part of a deadlock that no server sees.
    pub(super) fn list(&mut self, server: ServerId, connection: &Lent) {
        if self.transaction.branches.is_empty() {
            return;
        }
        match &self.transaction.listed {
            Some(listed) => listed.add(server, connection.process()),
            None => {
                let branches = self.transaction.branches.iter();
                let process = |(server, branch): (ServerId, &Branch)| (server, branch.connection.process());
                let mut processes: Vec<_> = branches.map(process).collect();
                processes.push((server, connection.process()));
                let gave_way = self.transaction.gave_way;
                self.transaction.listed =
                    Some(self.database.transactions.enter(processes, &self.cancellable, gave_way));
            }
        }
    }

    /// Touches the leg's fence tokens in the branch. Nothing else ran in the same step, so a token
    /// that is gone leaves the branch as it was.
    async fn fence(&mut self, leg: &Leg) -> Result<(), Hindrance> {
        let Some(branch) = self.transaction.branches.get_mut(leg.server) else { return Ok(()) };
        for fence in
            leg.fences.iter().filter(|fence| !branch.fences.contains_key(*fence)).cloned().collect::<Vec<_>>()
        {
            let touch =
                format!("SAVEPOINT pgherd_fence; SELECT FROM pgherd.{fence}; RELEASE SAVEPOINT pgherd_fence");
            let outcome = branch.connection.simple(&touch).await;
            let outcome = outcome?;
            match outcome.error {
                None => {
                    branch.fences.insert(fence, self.transaction.savepoints.len());
                }
                Some(fields) if fields.sqlstate() == "42P01" => {
                    must(
                        &mut branch.connection,
                        "ROLLBACK TO SAVEPOINT pgherd_fence; RELEASE SAVEPOINT pgherd_fence",
                    )
                    .await?;
                    return Err(Hindrance::Replan);
                }
                Some(fields) => return Err(fields.into()),
            }
        }
        Ok(())
    }
}

/// Runs a statement of the proxy's own, which must succeed.
pub(super) async fn must(connection: &mut Lent, sql: &str) -> Result<(), Trouble> {
    let outcome = connection.simple(sql).await?;
    match outcome.error {
        None => Ok(()),
        Some(fields) => Err(fields.into()),
    }
}
