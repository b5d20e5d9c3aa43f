//! The snapshots of a statement's legs, taken together: between commits over several servers.
//!
//! The first try looks afterwards whether a commit showed itself meanwhile. The next ones keep such commits
//! waiting until every leg has its snapshot, which its description tells.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use router::ids::ServerId;
use router::plan::{Leg, Plan, Role, Tenants, Way};

use crate::directory::NearDirectory;
use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::{Hindrance, must};
use crate::execute::planned::Decision;
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;
use crate::fleet::{Gate, Reading};

/// How often snapshots are taken anew before the client is told to.
const MOST_TRIES: u32 = 5;

/// The snapshots of one try.
#[derive(Debug)]
pub(super) struct Together {
    gate: Arc<Gate>,
    since: u64,
    left: AtomicUsize,
    torn: AtomicBool,
    guard: Mutex<Option<Reading>>,
}

impl Together {
    /// A leg was described: it has its snapshot. With the last one, commits go on.
    pub(super) fn described(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.torn.store(self.gate.begun() != self.since, Ordering::Release);
            self.guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    /// True where a commit showed itself while the snapshots were taken.
    pub(super) fn is_torn(&self) -> bool {
        self.torn.load(Ordering::Acquire)
    }
}

impl Executor {
    /// Begins the try of this number, counted from 0, for legs that are about to be sent.
    ///
    /// # Errors
    /// The client cancels; 40001 where it was tried too often, or where snapshots that are torn stay.
    pub(super) async fn together(&mut self, legs: &[Leg], number: u32) -> Result<Together, Trouble> {
        let kept = self.transaction.mode == Mode::Explicit && self.transaction.keeps_snapshot();
        // Snapshots that the transaction has already are what they are.
        let taken = kept && legs.iter().all(|leg| self.has_executed(leg));
        if number > 0 && (kept || number >= MOST_TRIES) {
            return Err(no_moment().into());
        }
        if kept && !taken && self.transaction.savepoints.is_empty() {
            Box::pin(self.begin_again(legs)).await?;
        }
        let gate = Arc::clone(&self.database.gate);
        let quiet = if number == 0 && !kept || taken { gate.quiet() } else { None };
        let guard = match quiet {
            Some(_) => None,
            None if taken => None,
            None => Some(self.cancellable.unless_requested(gate.read()).await?),
        };
        Ok(Together {
            since: guard.as_ref().map_or_else(|| quiet.unwrap_or_default(), |guard| guard.since),
            // Nobody counts down to what does not matter.
            left: AtomicUsize::new(if taken { usize::MAX } else { legs.len() }),
            torn: AtomicBool::new(false),
            guard: Mutex::new(guard),
            gate,
        })
    }

    /// Snapshots that each server takes as it comes to it.
    pub(super) fn apart(&self) -> Together {
        Together {
            gate: Arc::clone(&self.database.gate),
            since: 0,
            left: AtomicUsize::new(usize::MAX),
            torn: AtomicBool::new(false),
            guard: Mutex::new(None),
        }
    }

    /// A branch in which a statement was prepared, and none executed, has a snapshot of that time: it begins
    /// anew, which nobody can tell.
    async fn begin_again(&mut self, legs: &[Leg]) -> Result<(), Trouble> {
        let opening = self.transaction.opening_with(self.settings.replay());
        let opening = format!("ROLLBACK; {}", opening.join("; "));
        for leg in legs {
            if let Some(branch) = self.transaction.branches.get_mut(leg.server)
                && !(branch.executed || branch.unsynced)
                && branch.fences.is_empty()
            {
                must(&mut branch.connection, &opening).await?;
            }
        }
        Ok(())
    }

    /// True for the first decision of a transaction that only reads, keeps its first snapshot and does not
    /// begin with a tenant's rows: what it reads later, of whatever server, is of the same moment. So pg_dump
    /// reads.
    pub(super) fn is_of_one_moment(&self, decision: &Decision) -> bool {
        self.transaction.is_explicit()
            && self.transaction.branches.is_empty()
            && decision.plan.tenants == Tenants::None
            && decision.directory.servers().len() > 1
            && self.transaction.keeps_snapshot()
            && self.transaction.only_reads()
    }

    /// Begins a transaction on all servers at one moment.
    ///
    /// # Errors
    /// No primary answers; 40001 where commits over several servers leave no moment; the client cancels.
    pub(super) async fn begin_everywhere(&mut self, directory: &NearDirectory) -> Result<(), Hindrance> {
        let servers = (0..directory.servers().len()).filter_map(|index| u16::try_from(index).ok());
        let legs = servers.map(|index| Leg::on(ServerId(index)));
        let plan = Plan {
            way: Way::Single,
            legs: legs.collect(),
            role: Role::Primary,
            tenants: Tenants::All,
            why: "".into(),
        };
        if !self.enter(directory, &plan) {
            return Err(Hindrance::Replan);
        }
        let decision = Decision { plan, directory: Arc::clone(directory) };
        for leg in &decision.plan.legs {
            let branch = self.open(leg.server, &decision, true).await?;
            self.transaction.branches.insert(leg.server, branch);
        }
        let gate = Arc::clone(&self.database.gate);
        let reading = self.cancellable.unless_requested(gate.read()).await?;
        for (_, branch) in self.transaction.branches.iter_mut() {
            must(&mut branch.connection, "SELECT").await?;
            branch.executed = true;
        }
        match gate.begun() == reading.since {
            true => Ok(()),
            false => Err(no_moment().into()),
        }
    }

    fn has_executed(&self, leg: &Leg) -> bool {
        self.transaction.branches.get(leg.server).is_some_and(|branch| branch.executed)
    }
}

fn no_moment() -> ClientError {
    ClientError::new("40001", "could not take one snapshot of several servers between the commits of others")
        .hint("Run the transaction again.")
}
