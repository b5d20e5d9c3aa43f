//! Rows of several servers that are stored where no tenant owns them: they are computed first, then written as
//! if the client had written them out, in one atomic commit.

use bytes::{Bytes, BytesMut};
use router::plan::Stored;

use crate::error::ClientError;
use crate::execute::everywhere::sum;
use crate::execute::executor::Executor;
use crate::execute::inner::Inner;
use crate::execute::insert::values_of;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::frame::{SERVER_LIMIT, cut};
use crate::wire::write;

/// Makes the table, where it is to be made, and stores the rows.
///
/// # Errors
/// A part's; the caller rolls back.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    stored: &Stored,
) -> Result<Option<Bytes>, Hindrance> {
    let first = executor.branch_all(decision).await?;
    let parameters = match ask.parameters.is_empty() {
        true => Vec::new(),
        false => executor.typed(peer, first, stored.statement(), ask.parameters).await?,
    };
    if let Some(create) = stored.create() {
        let inner = Inner { parameters: &[], formats: &[], describe: false };
        executor.run_inner(peer, create, inner, rows).await?;
    }
    let question =
        stored.question().ok_or_else(|| Trouble::from(ClientError::internal("rows of nothing")))?;
    let computed = executor.answer(peer, first, question, &parameters).await?;
    let parts = stored.parts(&computed).map_err(Trouble::from)?;
    let mut tags = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        executor.catch_up(&part.text).await?;
        let values = values_of(&part.arguments, &parameters, &computed);
        let describe = ask.describe && number == 0;
        let inner = Inner { parameters: &values, formats: ask.formats, describe };
        if let Some(tag) = executor.run_inner(peer, &part.text, inner, rows).await? {
            let tag = cut(&mut BytesMut::from(tag), SERVER_LIMIT);
            tags.extend(tag.map_err(|fault| Trouble::from(ClientError::internal(fault.to_string())))?);
        }
    }
    if stored.create().is_none() {
        return Ok(sum(&tags));
    }
    let mut out = BytesMut::new();
    write::command_complete(&mut out, &format!("SELECT {}", computed.rows.len()));
    Ok(Some(out.freeze()))
}
