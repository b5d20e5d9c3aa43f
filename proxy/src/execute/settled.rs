//! Copies of one table, written one after the other: what the first has shown to be there, the others show, too,
//! once the commits that brought it have shown themselves everywhere.

use std::time::Duration;

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::trouble::Trouble;

/// How often a copy is asked again for a row that the first one has.
const MOST_WAITS: u32 = 20;
/// How long it is waited before.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a copy was waited for.
#[derive(Debug, Default)]
pub(super) struct Waits(u32);

impl Executor {
    /// Waits until the commits that have shown themselves on some server have done so on all.
    ///
    /// # Errors
    /// The client cancels.
    pub(super) async fn settled(&self) -> Result<(), Trouble> {
        let gate = &self.database.gate;
        if gate.quiet().is_none() {
            drop(self.cancellable.unless_requested(gate.read()).await?);
        }
        Ok(())
    }

    /// Waits before a copy is asked again that has written `count` rows, which is not what the first has: another
    /// pgherd's commit may not show itself there yet.
    ///
    /// # Errors
    /// XX000 where it has written some, or was waited for too often; the client cancels.
    pub(super) async fn wait_for_copy(&self, waits: &mut Waits, count: u64) -> Result<(), Trouble> {
        if count > 0 || waits.0 == MOST_WAITS || self.transaction.keeps_snapshot() {
            return Err(not_equal().into());
        }
        waits.0 += 1;
        Ok(self.cancellable.unless_requested(tokio::time::sleep(PAUSE)).await?)
    }
}

/// What one copy has written, another has not.
pub(super) fn not_equal() -> ClientError {
    ClientError::internal("the servers' copies of the table are not equal")
        .hint("\"herdctl check\" names the difference.")
}
