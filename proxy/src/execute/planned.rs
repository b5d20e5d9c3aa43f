//! A statement's plan and its permit, with the directory of the moment: made again where that has moved on, and
//! waited for, bounded, while what it needs is frozen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use router::catalog::Catalog;
use router::directory::Directory;
use router::ids::{ServerId, TenantKey};
use router::plan::{Parameter, Plan, SessionView, Verdict};
use router::sql::{Kind, Learned, Statement};
use smallvec::SmallVec;

use crate::directory::NearDirectory;
use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::transaction::{Mode, Permit};
use crate::execute::trouble::Trouble;

/// How often a statement is planned anew because the directory moved on under it.
pub(super) const MOST_REPLANS: u32 = 100;

/// How long a statement waits for a frozen placement. A freeze is far shorter; this is the bound that
/// a broken mover meets.
const LONGEST_FREEZE: Duration = Duration::from_secs(30);

/// A plan and the directory it was made with.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The plan.
    pub plan: Plan,
    /// The directory of the plan.
    pub directory: NearDirectory,
}

/// What planning came to, for the moment.
pub(super) enum Decided {
    /// The plan, and its permit is taken.
    Ready(Decision),
    /// The directory has moved on: plan again.
    Outdated,
    /// What it needs is frozen in the directory of this version.
    Frozen(u64),
}

impl Executor {
    /// Plans a statement; waits, bounded, while what it needs is frozen. The permit is taken.
    ///
    /// # Errors
    /// The planner's refusal; 57014 where a freeze does not end.
    pub(crate) async fn decide(
        &mut self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Decision, Trouble> {
        let mut started = None;
        for _ in 0..MOST_REPLANS {
            let version = match self.try_to_decide(statement, parameters)? {
                Decided::Ready(decision) => return Ok(decision),
                Decided::Outdated => continue,
                Decided::Frozen(version) => version,
            };
            let started = *started.get_or_insert_with(Instant::now);
            let patience = LONGEST_FREEZE.saturating_sub(started.elapsed());
            self.fleet.metrics.held_statements.inc();
            let changed = Box::pin(self.changed(version, patience)).await;
            self.fleet.metrics.held_statements.dec();
            if !changed? {
                return Err(ClientError::new("57014", "canceling statement: its placement stayed frozen")
                    .hint("A move is being cut over and does not get on; \"herdctl moves\" shows it.")
                    .into());
            }
        }
        Err(ClientError::new("40001", "the directory changed too often while the statement was planned")
            .into())
    }

    /// Plans a statement with the directory of this moment. Where it is ready the permit is taken.
    pub(super) fn try_to_decide(
        &mut self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Decided, Trouble> {
        let tenant = self.tenant()?;
        let directory = self.database.directory.load_near();
        self.check_numbers(statement)?;
        let tenant = tenant.as_ref();
        let mut verdict = match &self.transaction.catalog {
            Some(own) => self.plan(statement, &directory, own, tenant, parameters),
            None => self.plan(statement, &directory, &self.database.catalog.look(), tenant, parameters),
        };
        if let Verdict::Learn = verdict {
            let catalog = self.catalog();
            let whole = self.learn_as_a_whole(statement, &catalog)?;
            verdict = self.plan(&whole, &directory, &catalog, tenant, parameters);
        }
        match verdict {
            Verdict::Learn => Err(ClientError::internal("a statement cannot be read as a whole").into()),
            Verdict::Refuse(refusal) => Err(refusal.into()),
            Verdict::Wait(_) => Ok(Decided::Frozen(directory.version())),
            Verdict::Run(plan) => {
                self.check_isolation(&plan)?;
                if self.settings.encoding().is_foreign() {
                    self.check_encoding(statement, &plan, &self.catalog())?;
                }
                if !self.enter(&directory, &plan) {
                    return Ok(Decided::Outdated);
                }
                self.admit(&plan)?;
                Ok(Decided::Ready(Decision { plan, directory }))
            }
        }
    }

    fn plan(
        &self,
        statement: &Statement,
        directory: &Directory,
        catalog: &Catalog,
        tenant: Option<&TenantKey>,
        parameters: &[Parameter<'_>],
    ) -> Verdict {
        let fenced = self.transaction.fenced(directory);
        let away = match statement.is_without_tenants() {
            true => self.away(directory),
            false => Vec::new(),
        };
        let session = SessionView {
            tenant,
            fan_out: self.login.fan_out,
            read_write_transaction: self.transaction.reads_to_write
                || self.transaction.is_explicit() && !self.transaction.read_only,
            held: self.standing(statement),
            temporary: if statement.asks_for_temporary() { &self.temporary } else { &[] },
            in_block: self.transaction.mode != Mode::Auto,
            fenced: &fenced,
            now: &self.transaction.now,
            away: &away,
            counted: self.counted(statement),
        };
        router::plan::plan(statement, directory, catalog, &session, parameters)
    }

    /// A statement whose template did not say enough.
    fn learn_as_a_whole(
        &mut self,
        statement: &Statement,
        catalog: &Catalog,
    ) -> Result<Arc<Statement>, Trouble> {
        let path = self.search_path();
        match &*self.database.learn_without_template(statement.text(), catalog, &path) {
            Learned::Statements(statements) if statements.len() == 1 => Ok(Arc::clone(&statements[0])),
            _ => Err(ClientError::internal("a statement cannot be read as a whole").into()),
        }
    }

    /// Takes the permit for a plan's servers; `false` where the directory has moved on.
    pub(super) fn enter(&mut self, directory: &Directory, plan: &Plan) -> bool {
        let mut servers = SmallVec::<[ServerId; 4]>::new();
        plan.legs.iter().for_each(|leg| servers.push(leg.server));
        if self.transaction.passes.last().is_some_and(|pass| pass.is_for(directory, &servers, &plan.tenants))
        {
            // The same again: a long transaction needs no second permit, only that nothing is newer.
            return self.database.directory.stands(directory);
        }
        match self.database.directory.enter(directory, &servers, &plan.tenants) {
            Ok(pass) => {
                self.transaction.furnish();
                self.transaction.passes.push(Permit { pass, servers, tenants: plan.tenants.clone() });
                true
            }
            Err(_) => false,
        }
    }

    /// The servers without a primary at the moment.
    fn away(&self, directory: &Directory) -> Vec<ServerId> {
        let numbered = (0..).map(ServerId).zip(directory.servers());
        let is_away =
            |name: &str| self.fleet.servers.named(name).is_ok_and(|server| server.primary().is_none());
        numbered.filter(|(_, name)| is_away(name)).map(|(id, _)| id).collect()
    }

    /// The server that a statement must stay on: its cursor's, else that of the connection the session
    /// keeps.
    pub(super) fn standing(&self, statement: &Statement) -> Option<ServerId> {
        let cursor = match statement.kind() {
            Kind::Fetch { name } | Kind::CloseCursor(Some(name)) => {
                self.transaction.cursors.get(name).copied()
            }
            _ => statement.current_of().and_then(|name| self.transaction.cursors.get(name).copied()),
        };
        let mut branches = self.transaction.branches.iter();
        let holding = || branches.find(|(_, branch)| branch.hold.is_some()).map(|(server, _)| server);
        cursor.or_else(|| self.held.as_ref().map(|held| held.0)).or_else(holding)
    }

    async fn changed(&self, version: u64, patience: Duration) -> Result<bool, ClientError> {
        let news = tokio::time::timeout(patience, self.database.directory.newer_than(version));
        self.cancellable.unless_requested(async { news.await.is_ok() }).await
    }

    /// Waits for a directory newer than a decision's, after a fence said that it is outdated.
    pub(crate) async fn await_news(&self, decision: &Decision) -> Result<(), Trouble> {
        match self.changed(decision.directory.version(), LONGEST_FREEZE).await? {
            true => Ok(()),
            false => Err(ClientError::new(
                "57014",
                "canceling statement: a move is being cut over and does not get on",
            )
            .into()),
        }
    }
}
