//! Reads on several servers: the legs run at the same time, their rows become one result, streamed.
//!
//! Nothing is sent to the client before every leg has described its columns and the merge has agreed to
//! compare them. Legs that lock or write rows run one after the other, in the order of the servers, and their rows
//! are kept until the last has run: so two of them cannot wait for each other crosswise.

use std::task::Poll;

use bytes::{Bytes, BytesMut};
use router::catalog::is_of_user;
use router::merge::{Bounds, LegColumn, MergeError, MergePlan, Merger, Step};
use router::plan::{Leg, Parameter};
use router::sql::{Access, Kind};

use crate::error::ClientError;
use crate::execute::answered::Keeping;
use crate::execute::executor::Executor;
use crate::execute::leg::{LegAsk, execute, formats, reply};
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::together::Together;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::pool::Lent;
use crate::server::Reply;
use crate::wire::frame::Frame;
use crate::wire::view::Column;
use crate::wire::{view, write};

/// How long a leg that is not wanted any more may take to stop.
const STOPPING: std::time::Duration = std::time::Duration::from_secs(10);

/// Runs the legs and merges their rows.
///
/// # Errors
/// The first leg's error; 0A000 where the types cannot be merged exactly. The legs are stopped.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    plan: &MergePlan,
) -> Result<Option<Bytes>, Hindrance> {
    let legs = &decision.plan.legs;
    for number in 0.. {
        executor.branch_all(decision).await?;
        let together = match ask.statement.kind() {
            // What has written is not asked again.
            Kind::Write => executor.apart(),
            _ => executor.together(legs, number).await?,
        };
        let outcome = stream(executor, peer, ask, rows, legs, plan, &together).await;
        drop(together);
        if !matches!(outcome, Ok(Some(_))) {
            end_unexecuted(executor, legs);
        }
        match outcome {
            Ok(None) => leave(executor, peer, legs).await?,
            Ok(completion) => return Ok(completion),
            Err(trouble) => {
                stop(executor, legs).await;
                return Err(Hindrance::Trouble(trouble));
            }
        }
    }
    Ok(None)
}

/// Legs that were described and not executed owe nothing before their Sync.
fn end_unexecuted(executor: &mut Executor, legs: &[Leg]) {
    for leg in legs {
        let connection = executor.connection(leg.server);
        if connection.owed() == 0 {
            connection.queue_sync();
        }
    }
}

/// Ends legs whose rows nobody will read. A transaction goes on, so there they run to their end.
async fn leave(executor: &mut Executor, peer: &mut Peer, legs: &[Leg]) -> Result<(), Trouble> {
    let begun = |leg: &Leg| executor.transaction.branches.get(leg.server).is_some_and(|branch| branch.begun);
    if !legs.iter().any(begun) {
        stop(executor, legs).await;
        return Ok(());
    }
    for leg in legs {
        drain(executor.connection(leg.server), peer).await?;
    }
    Ok(())
}

/// Sends the legs and passes their rows on; `None`, and nothing sent to the client, where their snapshots
/// were not taken together.
async fn stream(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    legs: &[Leg],
    plan: &MergePlan,
    together: &Together,
) -> Result<Option<Bytes>, Trouble> {
    let bounds = bounds(plan, ask.parameters, executor.fleet.config.load().merge.max_bytes)?;
    let formats = formats(ask.formats, plan.visible, plan.hidden);
    let in_turn = ask.statement.access() == Access::Write;
    for leg in legs {
        executor.executed(leg.server);
        let text = leg.text.as_deref().unwrap_or(ask.statement.text());
        let connection = executor.connection(leg.server);
        let ask = LegAsk { text, parameters: ask.parameters, formats: &formats };
        match in_turn {
            true => ask.write_unexecuted(connection),
            false => {
                ask.write_described(connection);
                connection.owe_ready();
            }
        }
        connection.flush().await?;
    }
    let mut descriptions = Vec::new();
    for leg in legs {
        descriptions.push(description(executor.connection(leg.server), peer).await?);
        together.described();
    }
    if together.is_torn() {
        return Ok(None);
    }
    let columns = descriptions.iter().map(view::columns).collect::<Result<Vec<_>, _>>();
    let mut columns = columns.map_err(|fault| ClientError::internal(fault.to_string()))?.into_iter();
    let described = columns.next().ok_or_else(|| ClientError::internal("a merge without legs"))?;
    let leg_columns = self::leg_columns(&described, &formats);
    if !columns.all(|other| alike(&leg_columns, &self::leg_columns(&other, &formats), plan.visible)) {
        return Err(servers_differ().into());
    }
    let mut merger = Merger::new(plan, &leg_columns, legs.len(), bounds).map_err(refused)?;
    let visible: Vec<_> = described.into_iter().take(plan.visible).collect();
    rows.describe(&visible);
    if ask.describe {
        write::columns(peer.out(), &visible);
    }
    if in_turn {
        execute_in_turn(executor, peer, legs, &mut merger).await?;
    }
    merge(executor, peer, rows, legs, &mut merger, vec![in_turn; legs.len()]).await?;
    for leg in legs {
        drain(executor.connection(leg.server), peer).await?;
    }
    let mut out = BytesMut::new();
    write::command_complete(&mut out, &format!("SELECT {}", rows.count()));
    Ok(Some(out.freeze()))
}

fn leg_columns(described: &[Column<'_>], formats: &[i16]) -> Vec<LegColumn> {
    let column = |(column, format): (&Column<'_>, &i16)| LegColumn {
        type_oid: column.type_oid,
        type_modifier: column.type_modifier,
        binary: *format == 1,
    };
    described.iter().zip(formats).map(column).collect()
}

/// True where two legs describe the same rows. The user's own types are only passed on, and their OIDs
/// differ from server to server; what is compared (behind `visible`) must be the same.
fn alike(one: &[LegColumn], other: &[LegColumn], visible: usize) -> bool {
    let same = |(index, (one, other)): (usize, (&LegColumn, &LegColumn))| {
        let passed_on = index < visible && is_of_user(one.type_oid.min(other.type_oid));
        passed_on || one.type_oid == other.type_oid
    };
    one.len() == other.len() && one.iter().zip(other).enumerate().all(same)
}

fn servers_differ() -> ClientError {
    ClientError::unsupported(
        "the servers describe the columns of this statement differently",
        "Make their tables equal; \"herdctl check\" names the difference.",
    )
}

/// Reads a leg up to its RowDescription.
async fn description(connection: &mut Lent, peer: &mut Peer) -> Result<Frame, Trouble> {
    loop {
        let frame = reply(connection, peer).await?;
        match frame.tag() {
            b'T' => return Ok(frame),
            b'E' => return Err(view::error_fields(&frame).into()),
            b'n' | b'Z' => return Err(ClientError::internal("a leg of a merge has no rows").into()),
            _ => {}
        }
    }
}

/// Executes leg after leg, each to its end.
async fn execute_in_turn(
    executor: &mut Executor,
    peer: &mut Peer,
    legs: &[Leg],
    merger: &mut Merger,
) -> Result<(), Trouble> {
    let unfinished = vec![false; legs.len()];
    let mut keeping = Keeping::up_to(executor.fleet.config.load().merge.max_bytes);
    for (number, leg) in legs.iter().enumerate() {
        let connection = executor.connection(leg.server);
        execute(connection);
        connection.owe_ready();
        loop {
            let frame = match next_reply(executor, peer, legs, &unfinished, Some(number)).await?.1 {
                Reply::Rows(piece) => {
                    if !keeping.take(piece.len()) {
                        keeping.check()?;
                    }
                    merger.push(number, piece.freeze()).map_err(refused)?;
                    continue;
                }
                Reply::Frame(frame) => frame,
            };
            match frame.tag() {
                b'C' => break,
                b'E' => return Err(view::error_fields(&frame).into()),
                b'N' => peer.out().extend_from_slice(frame.bytes()),
                _ => {}
            }
        }
        merger.finish(number);
        drain(executor.connection(leg.server), peer).await?;
    }
    Ok(())
}

async fn merge(
    executor: &mut Executor,
    peer: &mut Peer,
    rows: &mut Rows,
    legs: &[Leg],
    merger: &mut Merger,
    mut finished: Vec<bool>,
) -> Result<(), Trouble> {
    let mut out = BytesMut::new();
    loop {
        let wanted = match merger.next(&mut out).map_err(refused)? {
            Step::Rows(count) => {
                executor.fleet.metrics.merged_rows.inc_by(count);
                rows.push_all(peer, out.split().freeze(), count).await?;
                continue;
            }
            Step::Done => return Ok(()),
            Step::Need(leg) => Some(leg),
            Step::NeedAny => None,
        };
        let (leg, reply) = next_reply(executor, peer, legs, &finished, wanted).await?;
        let frame = match reply {
            Reply::Rows(piece) => {
                merger.push(leg, piece.freeze()).map_err(refused)?;
                continue;
            }
            Reply::Frame(frame) => frame,
        };
        match frame.tag() {
            b'C' => {
                finished[leg] = true;
                merger.finish(leg);
            }
            b'E' => return Err(view::error_fields(&frame).into()),
            b'N' if leg == 0 => peer.out().extend_from_slice(frame.bytes()),
            _ => {}
        }
    }
}

/// What this leg says next, or the first of all that are not finished: a message, or rows that are whole.
async fn next_reply(
    executor: &mut Executor,
    peer: &mut Peer,
    legs: &[Leg],
    finished: &[bool],
    wanted: Option<usize>,
) -> Result<(usize, Reply), Trouble> {
    let branches = executor.transaction.branches.iter_mut();
    let number = |server| legs.iter().position(|leg| leg.server == server);
    let is_asked = |leg: usize| wanted.map_or(finished.get(leg) == Some(&false), |wanted| wanted == leg);
    let numbered = branches.filter_map(|(server, branch)| Some((number(server)?, &mut branch.connection)));
    let mut asked: Vec<(usize, &mut Lent)> = numbered.filter(|(leg, _)| is_asked(*leg)).collect();
    let first = std::future::poll_fn(|task| {
        for (place, (leg, connection)) in asked.iter_mut().enumerate() {
            if let Poll::Ready(reply) = connection.poll_reply(task) {
                return Poll::Ready(reply.map(|reply| (place, *leg, reply)));
            }
        }
        Poll::Pending
    });
    let (place, leg, mut reply) = tokio::select! {
        biased;
        first = first => first?,
        gone = peer.departure() => return Err(gone.into()),
    };
    while let (Reply::Rows(piece), Some((_, connection))) = (&mut reply, asked.get_mut(place))
        && connection.rest() > 0
    {
        // A row that is too long to be passed on in pieces: it is compared as a whole.
        let more = tokio::select! {
            biased;
            more = connection.reply() => more?,
            gone = peer.departure() => return Err(gone.into()),
        };
        if let Reply::Rows(more) = more {
            piece.unsplit(more);
        }
    }
    Ok((leg, reply))
}

/// Reads a leg to its end; an error there counts, since another order of reading had met it.
async fn drain(connection: &mut Lent, peer: &mut Peer) -> Result<(), Trouble> {
    while connection.owed() > 0 {
        let frame = reply(connection, peer).await?;
        if frame.tag() == b'E' {
            return Err(view::error_fields(&frame).into());
        }
    }
    Ok(())
}

/// After a failure: every leg is cancelled and read to its end, or closed.
pub(super) async fn stop(executor: &mut Executor, legs: &[Leg]) {
    for leg in legs {
        if executor.connection(leg.server).owed() > 0 {
            executor.connection(leg.server).cancel_handle().cancel().await;
        }
    }
    for leg in legs {
        let connection = executor.connection(leg.server);
        let ended = tokio::time::timeout(STOPPING, async {
            while connection.owed() > 0 {
                connection.frame().await?;
            }
            Ok::<(), Trouble>(())
        });
        if !matches!(ended.await, Ok(Ok(()))) {
            executor.drop_branch(leg.server);
        }
    }
}

/// LIMIT and OFFSET with the parameters' values, and how much memory may be used.
fn bounds(plan: &MergePlan, parameters: &[Parameter<'_>], max_bytes: u64) -> Result<Bounds, Trouble> {
    let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    let parameter = |number: u16| {
        let parameter = parameters.get(usize::from(number).checked_sub(1)?)?;
        Some((parameter.binary, parameter.value))
    };
    Bounds::resolve(plan, parameter, max_bytes).map_err(refused)
}

fn refused(error: MergeError) -> Trouble {
    let refusal = ClientError::new(error.sqlstate(), error.to_string());
    match error {
        MergeError::Unsupported { .. } => {
            refusal.hint("Name a tenant, or order and group by columns of simple types.")
        }
        MergeError::TooLarge(_) => refusal.hint("Narrow the statement down, or raise [merge] max_bytes."),
        MergeError::Plan(_)
        | MergeError::OutOfRange(_)
        | MergeError::Malformed(_)
        | MergeError::Negative(_) => refusal,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(type_oid: u32) -> LegColumn {
        LegColumn { type_oid, type_modifier: -1, binary: true }
    }

    #[test]
    fn legs_are_merged_only_where_they_describe_the_same_rows() {
        let [int8, int4, one_enum, other_enum] = [20, 23, 16_400, 16_500].map(column);
        assert!(alike(&[one_enum, int8], &[other_enum, int8], 1), "a type of the user's is passed on");
        assert!(!alike(&[one_enum, int8], &[other_enum, int4], 1), "what is compared must be the same");
        assert!(!alike(&[int8, one_enum], &[int8, other_enum], 1));
        assert!(!alike(&[int8], &[int4], 1) && !alike(&[int8], &[int8, int8], 1));
    }
}
