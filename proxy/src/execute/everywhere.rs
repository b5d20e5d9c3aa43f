//! One statement on several servers, to be committed on all or none: DDL, writes to reference tables.
//!
//! The servers take it one after the other in the order of their ids, so that two such statements
//! cannot wait for each other crosswise.

use bytes::{Bytes, BytesMut};
use router::plan::{Answer, Leg};

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::leg::{LegAsk, reply};
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::frame::Frame;
use crate::wire::{view, write};

/// Runs the plan's legs. The first leg's rows and notices go to the client; the others' are equal,
/// unless the answer is a sum.
///
/// # Errors
/// The error of the first leg that meets one; the caller rolls all legs back.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    answer: Answer,
) -> Result<Option<Bytes>, Hindrance> {
    let mut completions = Vec::new();
    executor.branch_all(decision).await?;
    for (index, leg) in decision.plan.legs.iter().enumerate() {
        let shown = index == 0 || answer == Answer::Sum;
        let outcome = ask_leg(executor, peer, ask, rows, leg, (index == 0, shown)).await;
        match outcome {
            Ok(completion) => completions.extend(completion),
            Err(Trouble::Told) => return Err(Trouble::Told.into()),
            Err(trouble) => {
                executor.drop_branch(leg.server);
                return Err(trouble.into());
            }
        }
    }
    Ok(match answer {
        Answer::First => completions.first().map(|frame| frame.bytes().clone()),
        Answer::Sum => sum(&completions),
    })
}

/// Asks one leg; what the client is to see of it goes there. `(first, shown)` say whether it is the
/// leg that speaks for all, and whether its rows count.
async fn ask_leg(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    leg: &Leg,
    (first, shown): (bool, bool),
) -> Result<Option<Frame>, Trouble> {
    executor.executed(leg.server);
    let text = leg.text.as_deref().unwrap_or(ask.statement.text());
    let connection = executor.connection(leg.server);
    LegAsk { text, parameters: ask.parameters, formats: ask.formats }.write(connection);
    connection.owe_ready();
    let mut completion = None;
    let mut error = None;
    while connection.owed() > 0 {
        let frame = reply(connection, peer).await?;
        match frame.tag() {
            b'C' => completion = Some(frame),
            b'E' => error = error.or(Some(view::error_fields(&frame))),
            b'G' => write::copy_fail(connection.out(), "COPY is not distributed here"),
            b'T' if first && !ask.describe => {
                rows.describe(
                    &view::columns(&frame).map_err(|fault| ClientError::internal(fault.to_string()))?,
                );
            }
            b'D' if shown => rows.push(peer, frame.into_bytes()).await?,
            b'T' | b'n' if first && ask.describe && (frame.tag() == b'T' || rows.is_kept()) => {
                peer.out().extend_from_slice(frame.bytes());
            }
            b'N' if first => peer.out().extend_from_slice(frame.bytes()),
            _ => {}
        }
    }
    match error {
        None => Ok(completion),
        Some(fields) => {
            executor.cancellable.tell(peer.out(), &fields);
            Err(Trouble::Told)
        }
    }
}

/// The CommandComplete with the sum of the affected rows.
pub(super) fn sum(completions: &[Frame]) -> Option<Bytes> {
    let tags: Vec<&str> = completions.iter().map(view::command_tag).collect();
    let total: u64 = tags.iter().filter_map(|tag| tag.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    let words = tags.first()?.rsplit_once(' ')?.0;
    let mut out = BytesMut::new();
    write::command_complete(&mut out, &format!("{words} {total}"));
    Some(out.freeze())
}
