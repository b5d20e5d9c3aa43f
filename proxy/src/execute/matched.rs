//! MERGE over several servers whose source is computed first: each of its rows is merged on the server of the
//! tenant that it is joined with, all in one atomic commit.

use bytes::Bytes;
use router::plan::{Division, MatchedRows};

use crate::execute::executor::Executor;
use crate::execute::insert::write_parts;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;

/// Runs the MERGE.
///
/// # Errors
/// A row whose tenant cannot be told, a server's own error; the caller rolls back.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    matched: &MatchedRows,
) -> Result<Option<Bytes>, Hindrance> {
    let first = executor.branch_all(decision).await?;
    // What is wrong with the statement as a whole a server says before anything runs.
    let parameters = executor.typed(peer, first, matched.statement(), ask.parameters).await?;
    let computed = executor.answer(peer, first, matched.question(), &parameters).await?;
    let division =
        Division { directory: &decision.directory, first, parameters: &parameters, computed: &computed };
    let parts = matched.parts(division).map_err(Trouble::from)?;
    write_parts(executor, peer, Ask { parameters: &parameters, ..ask }, rows, decision, (&parts, &computed))
        .await
}
