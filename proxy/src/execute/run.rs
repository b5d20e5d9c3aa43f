//! One statement, from its plan to its answer: the interpreter of plans. Each way has a file of its
//! own; this one chooses, and starts anew where the directory moved on.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use router::ids::ServerId;
use router::plan::{Answer, Parameter, Way};
use router::sql::{Access, CopyKind, Kind, Statement};

use crate::error::ClientError;
use crate::execute::aim::Aim;
use crate::execute::cancel::DEADLOCK;
use crate::execute::executor::Executor;
use crate::execute::inner::Inner;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::relay::Relay;
use crate::execute::rows::Rows;
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;
use crate::execute::two_phase::shows_rows_written;
use crate::execute::{
    chosen, chosen_copies, copies, copy_in, copy_out, everywhere, explain, filling, gather, in_turn, insert,
    locked, matched, merge, sequences, set_values, staged, stored, tenancy,
};
use crate::net::peer::Peer;
use crate::wire::view::error_fields;

/// How often a read is tried on another connection after one broke under it with nothing answered.
const MOST_TRIES: u32 = 3;
/// How often a statement that can be run again gives way to others before the client hears of it.
const MOST_WAYS_GIVEN: u32 = 10;

/// How a statement was asked for, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The statement.
    pub statement: &'a Arc<Statement>,
    /// The parameters' values; empty in a simple query.
    pub parameters: &'a [Parameter<'a>],
    /// The formats of the result's columns as Bind has them: none, one for all, or one each.
    pub formats: &'a [i16],
    /// True where rows are announced by a RowDescription.
    pub describe: bool,
}

impl Executor {
    /// Runs one statement of a simple query. What it answers goes to the client but for the last
    /// CommandComplete, which is the result: it is sent when the commit is certain.
    ///
    /// # Errors
    /// [`Trouble`]; the caller lets the transaction fail.
    pub async fn run(
        &mut self,
        peer: &mut Peer,
        ask: Ask<'_>,
        rows: &mut Rows,
    ) -> Result<Option<Bytes>, Trouble> {
        let mut tries = 0;
        let begun = Instant::now();
        if self.transaction.mode == Mode::Auto && ask.statement.needs_transaction() {
            let message = "LOCK TABLE can only be used in transaction blocks";
            return Err(ClientError::new("25P01", message).into());
        }
        self.learn_temporary(ask.statement).await?;
        // Not for the parts of a statement: those are run again with it.
        let first = self.transaction.gave_way.is_none() && self.may_give_way(ask.statement);
        if first {
            self.transaction.gave_way = Some(0);
        }
        let written = peer.written();
        loop {
            let decision = self.decide(ask.statement, ask.parameters).await?;
            let answered = peer.written();
            match self.interpret(peer, ask, rows, &decision).await {
                Ok(completion) => {
                    self.alone = Some(decision.plan.legs[0].server).filter(|_| decision.plan.legs.len() == 1);
                    self.count(ask.statement, &decision, begun);
                    self.note(ask.statement, &decision);
                    if ask.statement.changes_schema() && self.transaction.mode != Mode::Auto {
                        self.transaction.catalog_is_behind = true;
                    }
                    if first {
                        self.stay();
                    }
                    return Ok(completion);
                }
                Err(Hindrance::Replan) => Box::pin(self.await_news(&decision)).await?,
                Err(Hindrance::Trouble(trouble)) => {
                    self.note_lost(ask.statement, &decision, &trouble);
                    tries += 1;
                    let fresh = peer.written() == answered && tries < MOST_TRIES;
                    let alone = self.transaction.mode == Mode::Auto
                        && ask.statement.access() == Access::Read
                        && !self.keeps_connections();
                    let unheard = rows.count() == 0 && peer.sent() <= written;
                    if first && unheard && self.gives_way(&trouble) && peer.take_back(written) {
                        // The other one goes on now, and this waits for it, as on one server.
                        Box::pin(self.withdraw()).await;
                        continue;
                    }
                    if !(fresh && alone && trouble.is_connection_failure()) {
                        self.count(ask.statement, &decision, begun);
                        if first {
                            self.stay();
                        }
                        let aim = Aim::of(ask.statement.text(), &decision.plan.legs, self.before);
                        return Err(trouble.aimed(&aim));
                    }
                    self.transaction.begin_anew();
                }
            }
        }
    }

    /// True where a statement that fails can be run again as if it came now: nothing else has run in the
    /// transaction.
    fn may_give_way(&self, statement: &Statement) -> bool {
        let reads_client = matches!(statement.kind(), Kind::Copy(CopyKind::In { .. }));
        !reads_client && !self.transaction.failed && self.transaction.is_untouched()
    }

    /// True where a statement over several servers was chosen to end a deadlock.
    fn gives_way(&self, trouble: &Trouble) -> bool {
        let chosen = self.cancellable.timed_out() == Some(DEADLOCK) || trouble.is_deadlock();
        let left = self.transaction.gave_way.is_some_and(|times| times < MOST_WAYS_GIVEN);
        chosen && left && self.transaction.listed.is_some() && !self.lost_kept
    }

    /// The first statement of a transaction has ended: it is not run again.
    fn stay(&mut self) {
        self.transaction.gave_way = None;
        if let Some(listed) = &self.transaction.listed {
            listed.stays();
        }
    }

    async fn interpret(
        &mut self,
        peer: &mut Peer,
        ask: Ask<'_>,
        rows: &mut Rows,
        decision: &Decision,
    ) -> Result<Option<Bytes>, Hindrance> {
        self.commented = ask.statement.comment_tenant().map(Box::from);
        let fenced = decision.plan.legs.iter().any(|leg| !leg.fences.is_empty());
        if ask.statement.is_explain() {
            if fenced || matches!(decision.plan.way, Way::Everywhere(_)) {
                self.open_implicit();
            }
            return Box::pin(explain::run(self, peer, ask, rows, decision)).await;
        }
        if !matches!(decision.plan.way, Way::Single)
            && ask.parameters.len() < usize::from(ask.statement.parameter_count())
        {
            let first = ask.parameters.len() + 1;
            let error = ClientError::new("42P02", format!("there is no parameter ${first}"));
            return Err(Trouble::from(error).into());
        }
        match &decision.plan.way {
            Way::Single => {
                if fenced {
                    self.open_implicit();
                }
                // A part of a statement has parameters, and a simple query has none.
                match rows.is_kept() || !ask.parameters.is_empty() {
                    true => Box::pin(everywhere::run(self, peer, ask, rows, decision, Answer::First)).await,
                    false => self.single(peer, ask, decision).await,
                }
            }
            Way::Merge(plan) => {
                if fenced || matches!(ask.statement.kind(), Kind::Write) {
                    self.open_implicit();
                }
                Box::pin(merge::run(self, peer, ask, rows, decision, plan)).await
            }
            Way::Gather(plan) => {
                // What a cursor WITH HOLD has read is kept where a transaction ends.
                if fenced || matches!(ask.statement.kind(), Kind::DeclareCursor { hold: true, .. }) {
                    self.open_implicit();
                }
                Box::pin(gather::run(self, peer, ask, rows, decision, plan)).await
            }
            Way::Everywhere(answer) => {
                self.open_implicit();
                if let Some(values) = ask.statement.set_values() {
                    return Box::pin(set_values::run(self, peer, ask, rows, decision, values)).await;
                }
                if decision.plan.legs.len() > 1 {
                    for lock in ask.statement.locks_of_copies() {
                        let inner = Inner { parameters: &[], formats: &[], describe: false };
                        Box::pin(self.run_inner(peer, &lock, inner, &mut Rows::kept(0))).await?;
                    }
                }
                let steps = Box::pin(sequences::steps_before(self, ask.statement, decision)).await?;
                let completion = Box::pin(everywhere::run(self, peer, ask, rows, decision, *answer)).await?;
                Box::pin(sequences::bring_apart(self, ask.statement, decision, &steps)).await?;
                Box::pin(filling::settle(self, ask.statement, decision)).await?;
                Box::pin(tenancy::check(self, ask.statement, decision)).await?;
                Ok(completion)
            }
            Way::InTurn => Box::pin(in_turn::run(self, peer, ask, decision)).await,
            Way::Copies(copied) => {
                self.open_implicit();
                Box::pin(copies::run(self, peer, ask, rows, decision, copied)).await
            }
            Way::Chosen(write) => {
                self.open_implicit();
                Box::pin(chosen::run(self, peer, ask, rows, decision, write)).await
            }
            Way::CopiesChosen(write) => {
                self.open_implicit();
                Box::pin(chosen_copies::run(self, peer, ask, rows, decision, write)).await
            }
            Way::Locked(locked) => {
                self.open_implicit();
                Box::pin(locked::run(self, peer, ask, rows, decision, locked)).await
            }
            Way::Stored(stored) => {
                self.open_implicit();
                Box::pin(stored::run(self, peer, ask, rows, decision, stored)).await
            }
            Way::Staged(staged) => {
                self.open_implicit();
                Box::pin(staged::run(self, peer, ask, rows, decision, staged)).await
            }
            Way::Matched(matched) => {
                self.open_implicit();
                Box::pin(matched::run(self, peer, ask, rows, decision, matched)).await
            }
            Way::CopyOut(copy) => Box::pin(copy_out::run(self, peer, copy)).await,
            Way::Insert(plan) => {
                self.open_implicit();
                Box::pin(insert::run(self, peer, ask, rows, decision, plan)).await
            }
            Way::CopyIn(copy) => {
                self.open_implicit();
                Box::pin(copy_in::run(self, peer, ask, decision, copy)).await
            }
        }
    }

    /// Where no transaction is open, opens one for the length of this message.
    pub fn open_implicit(&mut self) {
        if self.transaction.mode == Mode::Auto {
            self.transaction.mode = Mode::Implicit;
            self.settings.begin();
        }
    }

    async fn single(
        &mut self,
        peer: &mut Peer,
        ask: Ask<'_>,
        decision: &Decision,
    ) -> Result<Option<Bytes>, Hindrance> {
        let leg = &decision.plan.legs[0];
        self.branch(leg, decision).await?;
        let text = leg.text.as_deref().unwrap_or(ask.statement.text());
        let branch = self.transaction.branches.get_mut(leg.server).expect("the branch was made above");
        branch.executed = true;
        branch.connection.queue_query(text);
        self.reported.note_all(&branch.connection);
        Ok(self.rest_of_single(peer, ask.statement, decision).await?)
    }

    /// Brings the client what is still to come of a server's answer to a simple query.
    ///
    /// # Errors
    /// [`Trouble`]; a branch whose connection is lost is dropped.
    pub async fn rest_of_single(
        &mut self,
        peer: &mut Peer,
        statement: &Statement,
        decision: &Decision,
    ) -> Result<Option<Bytes>, Trouble> {
        let leg = &decision.plan.legs[0];
        let server = leg.server;
        let Some(branch) = self.transaction.branches.get_mut(server) else { return Ok(None) };
        let mut relay = Relay::new(&mut branch.connection, peer, &mut self.reported);
        if leg.text.is_some() || self.before > 0 {
            relay.aim = Some(Aim::of(statement.text(), &decision.plan.legs, self.before));
        }
        let outcome = relay.simple().await;
        let class = relay.class;
        self.count_error(class);
        match outcome {
            Ok(relayed) => {
                if let Some(completion) = &relayed.completion {
                    self.counters.completed(completion);
                    if let Some(branch) = self.transaction.branches.get_mut(server) {
                        branch.wrote |= shows_rows_written(completion);
                    }
                }
                Ok(relayed.completion)
            }
            Err(Trouble::Told) => Err(Trouble::Told),
            Err(trouble) => {
                self.drop_branch(server);
                Err(trouble)
            }
        }
    }

    /// Waits for what is still owed to a BEGIN that went ahead of a simple query.
    ///
    /// # Errors
    /// PostgreSQL's own: the query did not run, and its branch is dropped.
    pub async fn begun(&mut self, server: ServerId, mut owed: &[u8]) -> Result<(), Trouble> {
        while let [next, rest @ ..] = owed {
            let Some(branch) = self.transaction.branches.get_mut(server) else { return Ok(()) };
            let frame = branch.connection.frame().await?;
            match frame.tag() {
                tag if tag == *next => owed = rest,
                b'N' => branch.notices.extend_from_slice(frame.bytes()),
                b'S' => {}
                b'E' => {
                    let fields = error_fields(&frame);
                    self.drop_branch(server);
                    return Err(fields.into());
                }
                _ => {
                    self.drop_branch(server);
                    return Err(ClientError::internal("a BEGIN was not answered as such").into());
                }
            }
        }
        Ok(())
    }

    /// A statement of one server was answered.
    pub fn answered(&mut self, statement: &Statement, decision: &Decision, begun: Instant) {
        self.count(statement, decision, begun);
        self.note(statement, decision);
    }

    /// A statement of one server failed.
    pub fn not_answered(
        &mut self,
        statement: &Statement,
        decision: &Decision,
        begun: Instant,
        trouble: &Trouble,
    ) {
        self.note_lost(statement, decision, trouble);
        self.count(statement, decision, begun);
    }

    /// A branch's connection was lost under a pipeline.
    pub fn lost(&mut self, server: ServerId) {
        self.count_sent(server);
        self.drop_branch(server);
    }

    /// Notes what a statement that succeeded means for pins, for the catalog and for the connection.
    pub(crate) fn note(&mut self, statement: &Statement, decision: &Decision) {
        if statement.access() == Access::Write {
            for leg in &decision.plan.legs {
                self.transaction.wrote.push((leg.server, decision.plan.tenants.clone()));
            }
        }
        if statement.changes_schema() {
            self.transaction.changed_schema = true;
        }
        if statement.runs_unread_code() {
            for leg in &decision.plan.legs {
                if let Some(branch) = self.transaction.branches.get_mut(leg.server) {
                    branch.coded = true;
                }
            }
        }
        if let Some(leg) = decision.plan.legs.first()
            && (statement.notifies() || statement.locks_transaction())
            && let Some(branch) = self.transaction.branches.get_mut(leg.server)
        {
            branch.notifies |= statement.notifies();
            branch.locks |= statement.locks_transaction();
        }
        if let (Kind::DeclareCursor { name, .. }, Some(leg)) = (statement.kind(), decision.plan.legs.first())
        {
            self.transaction.cursors.insert(name.clone(), leg.server);
        }
        if let Some(hold) = statement.hold()
            && let Some(branch) =
                decision.plan.legs.first().and_then(|leg| self.transaction.branches.get_mut(leg.server))
        {
            branch.hold = Some(hold);
        }
    }

    /// A write whose answer was lost may stand.
    fn note_lost(&mut self, statement: &Statement, decision: &Decision, trouble: &Trouble) {
        if statement.access() == Access::Write && trouble.is_connection_failure() {
            for leg in &decision.plan.legs {
                self.transaction.wrote.push((leg.server, decision.plan.tenants.clone()));
            }
        }
    }

    /// A statement failed: the client's transaction has failed, one of ours is rolled back.
    pub async fn fail(&mut self) {
        match self.transaction.mode {
            Mode::Explicit => {
                self.transaction.failed = true;
                Box::pin(self.lock_nothing()).await;
            }
            Mode::Auto | Mode::Implicit => {
                Box::pin(self.rollback()).await;
                Box::pin(self.look_up_parameters()).await;
            }
        }
    }
}
