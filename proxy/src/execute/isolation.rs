//! What a transaction may see of the others: it stays on one server where only one can keep that
//! promise, and leaves a connection whose state is of the time before.

use router::ids::ServerId;
use router::plan::{Plan, Role};

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::must;
use crate::execute::planned::Decision;
use crate::execute::trouble::Trouble;

impl Executor {
    /// A branch that cannot see what the statement needs: on a replica where the primary is needed, or
    /// with a state from before rows came or went with a move. A read-only transaction whose statements
    /// each see a state of their own goes on with another connection.
    pub(super) async fn leave_outdated(
        &mut self,
        server: ServerId,
        decision: &Decision,
    ) -> Result<(), Trouble> {
        let Some(branch) = self.transaction.branches.get(server) else { return Ok(()) };
        let (replica, outdated) = (branch.replica, branch.is_outdated(server, decision));
        let keeps_snapshot = self.keeps_snapshot();
        if outdated && keeps_snapshot {
            return Err(ClientError::new(
                "40001",
                "could not serialize access: rows moved to another server since the transaction began",
            )
            .hint("Begin it again.")
            .into());
        }
        if !replica || (decision.plan.role == Role::Replica && !outdated) {
            return Ok(());
        }
        if keeps_snapshot || !self.transaction.cursors.is_empty() {
            return Err(ClientError::new(
                "40001",
                "the transaction reads on a replica, and this needs the primary",
            )
            .hint("Begin it again; READ WRITE begins on the primary.")
            .into());
        }
        if let Some(mut branch) = self.transaction.branches.remove(server) {
            must(&mut branch.connection, "ROLLBACK").await?;
            self.release(server, branch);
        }
        Ok(())
    }

    /// True where each of the transaction's statements sees what the one before saw.
    fn keeps_snapshot(&self) -> bool {
        let chosen = self.transaction.begin.to_ascii_uppercase().contains("ISOLATION");
        let standard = self.settings.value("default_transaction_isolation").unwrap_or_default();
        let keeps =
            ["repeatable read", "serializable"].iter().any(|level| standard.eq_ignore_ascii_case(level));
        self.transaction.keeps_snapshot() || (keeps && !chosen)
    }

    /// SERIALIZABLE holds on one server only.
    pub(super) fn check_isolation(&self, plan: &Plan) -> Result<(), Trouble> {
        let others = self
            .transaction
            .branches
            .servers()
            .any(|server| plan.legs.iter().all(|leg| leg.server != server));
        if plan.legs.len() <= 1 && !others {
            return Ok(());
        }
        let wanted = self.settings.value("default_transaction_isolation").unwrap_or_default();
        let serializable = match self.transaction.begin.to_ascii_uppercase() {
            begin if begin.contains("ISOLATION") => begin.contains("SERIALIZABLE"),
            _ => wanted.eq_ignore_ascii_case("serializable"),
        };
        if serializable {
            return Err(ClientError::unsupported(
                "a SERIALIZABLE transaction over several servers is not supported",
                "Use REPEATABLE READ, or keep the transaction to one tenant.",
            )
            .into());
        }
        Ok(())
    }
}
