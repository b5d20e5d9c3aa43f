//! Statements whose CTEs write rows of several servers, part after part in one atomic commit: each CTE that writes
//! by itself, then the rest over the rows that they returned.

use bytes::Bytes;
use router::plan::Staged;

use crate::execute::executor::Executor;
use crate::execute::inner::Inner;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;

/// Runs the parts. Only the rest answers the client.
///
/// # Errors
/// A part's; the caller rolls back.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    staged: &Staged,
) -> Result<Option<Bytes>, Hindrance> {
    let first = executor.branch_all(decision).await?;
    // What is wrong with the statement as a whole a server says before anything runs.
    let parameters = executor.typed(peer, first, staged.statement(), ask.parameters).await?;
    let mut done = Vec::new();
    for _ in 0..staged.steps() {
        let (text, values) = staged.next(&parameters, &done).map_err(Trouble::from)?;
        let computed = executor.computed(peer, first, &text, &values).await?;
        done.push(computed);
    }
    let (text, values) = staged.next(&parameters, &done).map_err(Trouble::from)?;
    let inner = Inner { parameters: &values, formats: ask.formats, describe: ask.describe };
    Ok(executor.run_inner(peer, &text, inner, rows).await?)
}
