//! One statement on several servers, to be committed on all or none: DDL, writes to reference tables.
//!
//! The servers take it one after the other in the order of their ids, so that two such statements
//! cannot wait for each other crosswise.

use bytes::{Bytes, BytesMut};
use router::plan::{Answer, Leg};
use router::sql::Kind;

use crate::execute::answered::{Keeping, tell_columns};
use crate::execute::executor::Executor;
use crate::execute::leg::{LegAsk, reply};
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::settled::Waits;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::frame::Frame;
use crate::wire::view::Fields;
use crate::wire::{view, write};

/// Runs the plan's legs. The first leg's rows and notices go to the client; the others' are equal,
/// unless the answer is a sum. As in PostgreSQL, nothing of what a write returns is told before all of it is done.
///
/// # Errors
/// The error of the first leg that meets one; the caller rolls all legs back. 53400 where a write returns too much.
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
    let kept = matches!(ask.statement.kind(), Kind::Write);
    let keeping = kept.then(|| Keeping::up_to(executor.fleet.config.load().merge.max_bytes));
    let mut told = Told { rows, keeping, description: None, kept: Vec::new() };
    let copies =
        (answer == Answer::First && matches!(ask.statement.kind(), Kind::Write)).then_some(ask.statement);
    for (index, leg) in decision.plan.legs.iter().enumerate() {
        let shown = index == 0 || answer == Answer::Sum;
        let home = completions.first().map(view::affected);
        if let (Some(statement), Some(home), 1) = (copies, home, index) {
            if home == 0 && statement.writes_alike() {
                // Nothing there was to be written: what has come into being since is left alone in each copy.
                break;
            }
            executor.settled().await?;
        }
        let mut waits = Waits::default();
        loop {
            match ask_leg(executor, peer, ask, &mut told, leg, (index == 0, shown)).await {
                Ok((completion, None)) => {
                    let count = completion.as_ref().map(view::affected);
                    if copies.is_some() && home.is_some() && count != home {
                        executor.wait_for_copy(&mut waits, count.unwrap_or_default()).await?;
                        continue;
                    }
                    executor.note_written(leg.server, completion.iter());
                    completions.extend(completion);
                }
                Ok((_, Some(fields))) => return Err(fields.into()),
                Err(trouble) => {
                    executor.drop_branch(leg.server);
                    return Err(trouble.into());
                }
            }
            break;
        }
    }
    told.tell_kept(peer, ask).await?;
    Ok(match answer {
        Answer::First => completions.first().map(|frame| frame.bytes().clone()),
        Answer::Sum => sum(&completions),
    })
}

/// What the client is told.
struct Told<'a> {
    rows: &'a mut Rows,
    /// How much may be kept, where rows are.
    keeping: Option<Keeping>,
    /// The RowDescription of what is kept.
    description: Option<Frame>,
    kept: Vec<Bytes>,
}

impl Told<'_> {
    /// What the first leg's rows are: RowDescription or NoData.
    fn describe(&mut self, peer: &mut Peer, ask: Ask<'_>, frame: Frame) -> Result<(), Trouble> {
        match frame.tag() {
            b'T' if self.keeping.is_some() => self.description = Some(frame),
            b'T' => tell_columns(peer, ask, self.rows, &frame)?,
            _ if ask.describe && self.rows.is_kept() => peer.out().extend_from_slice(frame.bytes()),
            _ => {}
        }
        Ok(())
    }

    async fn push(&mut self, peer: &mut Peer, row: Bytes) -> Result<(), Trouble> {
        match &mut self.keeping {
            Some(keeping) => {
                if keeping.take(row.len()) {
                    self.kept.push(row);
                }
                Ok(())
            }
            None => self.rows.push(peer, row).await,
        }
    }

    async fn tell_kept(self, peer: &mut Peer, ask: Ask<'_>) -> Result<(), Trouble> {
        if let Some(keeping) = &self.keeping {
            keeping.check()?;
        }
        if let Some(description) = &self.description {
            tell_columns(peer, ask, self.rows, description)?;
        }
        for row in self.kept {
            self.rows.push(peer, row).await?;
        }
        Ok(())
    }
}

/// Asks one leg, and reads it to its end: its CommandComplete, or its error. `(first, shown)` say whether it is
/// the leg that speaks for all, and whether its rows count.
async fn ask_leg(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    told: &mut Told<'_>,
    leg: &Leg,
    (first, shown): (bool, bool),
) -> Result<(Option<Frame>, Option<Fields>), Trouble> {
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
            b'T' | b'n' if first => told.describe(peer, ask, frame)?,
            b'D' if shown => told.push(peer, frame.into_bytes()).await?,
            b'N' if first => peer.out().extend_from_slice(frame.bytes()),
            _ => {}
        }
    }
    Ok((completion, error))
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
