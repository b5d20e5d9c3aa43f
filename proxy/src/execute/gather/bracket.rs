//! Where no transaction is open, a statement that is gathered runs in one of its own on each server: what
//! it sends and what the answer is computed from are of one snapshot there. It takes no round trip.

use router::ids::ServerId;

use crate::execute::executor::Executor;
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;

/// Opens it.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";

impl Executor {
    /// True where each server's part is to be in a transaction of its own.
    pub(super) fn needs_bracket(&self) -> bool {
        self.transaction.mode == Mode::Auto
    }

    /// Begins; what is written to the connection next is in it.
    pub(super) fn begin_bracket(&mut self, server: ServerId) {
        self.connection(server).queue_query(BEGIN);
    }

    /// Ends it behind what is written already. What fails ends with ROLLBACK by itself.
    pub(super) fn end_bracket(&mut self, server: ServerId) {
        self.connection(server).queue_query("COMMIT");
    }

    /// Reads to the end what a bracket's server still owes; nobody is told.
    pub(super) async fn settle_bracket(&mut self, server: ServerId) -> Result<(), Trouble> {
        let connection = self.connection(server);
        while connection.owed() > 0 {
            connection.frame().await?;
        }
        Ok(())
    }
}
