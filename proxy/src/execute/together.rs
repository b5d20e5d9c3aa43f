//! The snapshots of a statement's legs, taken together: between commits over several servers.
//!
//! The first try looks afterwards whether a commit showed itself meanwhile. The next ones keep such commits
//! waiting until every leg has its snapshot, which its description tells.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use router::plan::Leg;

use crate::error::ClientError;
use crate::execute::executor::{Executor, must};
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
            return Err(ClientError::new(
                "40001",
                "could not take one snapshot of several servers between the commits of others",
            )
            .hint("Run the transaction again.")
            .into());
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

    /// A branch in which a statement was prepared, and none executed, has a snapshot of that time: it begins
    /// anew, which nobody can tell.
    async fn begin_again(&mut self, legs: &[Leg]) -> Result<(), Trouble> {
        let opening = self.transaction.opening();
        let opening: Vec<String> = std::iter::once(opening).chain(self.settings.replay()).collect();
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

    fn has_executed(&self, leg: &Leg) -> bool {
        self.transaction.branches.get(leg.server).is_some_and(|branch| branch.executed)
    }
}
