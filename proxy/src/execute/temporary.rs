//! The temporary relations of a session. Statements over rows need not know them, for what the catalog does not know
//! stays on the connection that the session keeps. Schema changes do: an index, a view or a rule may be of one.

use router::sql::Statement;

use crate::execute::executor::Executor;
use crate::execute::trouble::Trouble;

/// The relations and types of the connection's own schema.
const QUESTION: &str = "SELECT relname FROM pg_catalog.pg_class \
     WHERE relnamespace = pg_catalog.pg_my_temp_schema() \
     UNION SELECT typname FROM pg_catalog.pg_type WHERE typnamespace = pg_catalog.pg_my_temp_schema()";

impl Executor {
    /// Asks the connection that the session keeps for its temporary relations, where the statement's plan depends
    /// on them. Nothing may be owed by servers.
    ///
    /// # Errors
    /// The server is gone.
    pub(super) async fn learn_temporary(&mut self, statement: &Statement) -> Result<(), Trouble> {
        self.temporary = Box::default();
        if !statement.asks_for_temporary() || self.transaction.failed {
            return Ok(());
        }
        let Some(server) = self.standing(statement) else { return Ok(()) };
        let connection = match self.transaction.branches.get_mut(server) {
            Some(branch) => Some(&mut branch.connection),
            None => self.held.as_mut().filter(|held| held.0 == server).map(|held| &mut held.1),
        };
        if let Some(connection) = connection {
            let outcome = connection.simple(QUESTION).await?.ok()?;
            self.temporary = outcome.rows.into_iter().filter_map(|row| row.into_iter().next()?).collect();
        }
        Ok(())
    }
}
