//! A write to a table of which every server has a copy, computed once: the first server runs it and gives
//! back what it wrote, and the others write the same rows, all in one atomic commit.

use bytes::Bytes;
use router::ids::ServerId;
use router::plan::Parameter;
use router::sql::CopiedWrite;

use crate::execute::answered::{Keeping, parted, tell_first_columns};
use crate::execute::executor::Executor;
use crate::execute::leg::{LegAsk, formats_behind};
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::settled::Waits;
use crate::execute::trouble::Trouble;
use crate::execute::whole::{is_whole_in_binary, not_whole};
use crate::net::peer::Peer;
use crate::wire::frame::Frame;

/// How many rows are written to a server before its answers are read.
const AT_ONCE: usize = 200;

/// Runs the write.
///
/// # Errors
/// A server's own; XX000 where the copies turn out not to be equal. The caller rolls back.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    copied: &CopiedWrite,
) -> Result<Option<Bytes>, Hindrance> {
    let first = executor.branch_all(decision).await?;
    let binary = !executor.writes_whole_values();
    if binary && !copied.types.iter().copied().all(is_whole_in_binary) {
        return Err(Trouble::from(not_whole()).into());
    }
    let (completion, told, written) = write_first(executor, peer, ask, rows, (first, binary), copied).await?;
    if !written.is_empty() {
        executor.settled().await?;
    }
    for leg in &decision.plan.legs[1..] {
        write_again(executor, peer, (leg.server, binary), copied, &written).await?;
    }
    for row in told {
        rows.push(peer, row).await?;
    }
    Ok(completion)
}

type Written = Vec<Vec<Option<Bytes>>>;

/// Runs the statement on the first server: its tag, the client's rows, and what it wrote.
async fn write_first(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    (server, binary): (ServerId, bool),
    copied: &CopiedWrite,
) -> Result<(Option<Bytes>, Vec<Bytes>, Written), Trouble> {
    let own = std::iter::repeat_n(i16::from(binary), copied.values);
    let formats = formats_behind(ask.formats, copied.visible, own);
    let first = LegAsk { text: &copied.first, parameters: ask.parameters, formats: &formats };
    let mut keeping = Keeping::up_to(executor.fleet.config.load().merge.max_bytes);
    let answers = executor.ask_kept(peer, server, &[first], &mut keeping).await?;
    let answer = answers.into_iter().next().unwrap_or_default();
    if let Some(description) = answer.description.filter(|_| copied.visible > 0) {
        tell_first_columns(peer, ask, rows, &description, copied.visible)?;
    }
    let (mut told, mut written) = (Vec::new(), Vec::new());
    for row in answer.rows {
        let (row, values) = parted(row, copied.visible)?;
        written.push(values);
        if copied.visible > 0 {
            told.push(row);
        }
    }
    Ok((answer.completion.map(Frame::into_bytes), told, written))
}

/// Writes the same rows on another server.
async fn write_again(
    executor: &mut Executor,
    peer: &mut Peer,
    (server, binary): (ServerId, bool),
    copied: &CopiedWrite,
    written: &Written,
) -> Result<(), Trouble> {
    let mut keeping = Keeping::again(executor.fleet.config.load().merge.max_bytes);
    let untyped = |value| untyped(value, binary);
    let mut waits = Waits::default();
    let mut left: Vec<Vec<Parameter<'_>>> =
        written.iter().map(|row| row.iter().map(untyped).collect()).collect();
    loop {
        let mut missing = Vec::new();
        for some in left.chunks(AT_ONCE) {
            let ask = |parameters| LegAsk { text: &copied.again, parameters, formats: &[] };
            let asks: Vec<LegAsk<'_>> = some.iter().map(|row| ask(row.as_slice())).collect();
            let answers = executor.ask_kept(peer, server, &asks, &mut keeping).await?;
            let untouched = std::iter::zip(some, &answers).filter(|(_, answer)| answer.count() == 0);
            missing.extend(untouched.map(|(row, _)| row.clone()));
        }
        if missing.is_empty() {
            return Ok(());
        }
        executor.wait_for_copy(&mut waits, 0).await?;
        left = missing;
    }
}

/// A value as a parameter whose type the server infers.
fn untyped(value: &Option<Bytes>, binary: bool) -> Parameter<'_> {
    Parameter { type_oid: 0, binary, value: value.as_deref() }
}
