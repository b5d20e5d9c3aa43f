//! UPDATE and DELETE in three steps: rows that may be meant are locked, those that are meant are chosen and
//! their new values computed by a SELECT over all servers, and each is written by its key, all in one atomic
//! commit.

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use router::plan::{ChosenWrite, Computed, Parameter, RowDeed, RowWrite};

use crate::error::ClientError;
use crate::execute::executor::{Decision, Executor, Hindrance};
use crate::execute::inner::{types_of_parameters, values};
use crate::execute::insert::{leg_of, value_of};
use crate::execute::leg::{LegAsk, reply};
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::frame::Frame;
use crate::wire::{view, write};

/// Runs the write.
///
/// # Errors
/// A refusal of the SELECT that chooses, a server's own error; the caller rolls back.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    chosen: &ChosenWrite,
) -> Result<Option<Bytes>, Hindrance> {
    // All fences are held before anything runs.
    for leg in &decision.plan.legs {
        executor.branch(leg, decision).await?;
    }
    let mut parameters = ask.parameters.to_vec();
    if chosen.needs_types(&parameters)
        && let Some(first) = decision.plan.legs.first()
    {
        let connection = executor.connection(first.server);
        let types = types_of_parameters(connection, peer, chosen.statement(), &parameters).await?;
        for (parameter, type_oid) in parameters.iter_mut().zip(types) {
            parameter.type_oid = type_oid;
        }
    }
    let locked = executor.answer(peer, chosen.lock(), &parameters).await?;
    let mut left: HashSet<Vec<Option<Bytes>>> = locked.rows.into_iter().collect();
    let Computed { types, rows: meant } = executor.answer(peer, chosen.choose(), &parameters).await?;
    let mut count = 0_u64;
    let mut described = false;
    for row in meant {
        // Once, and not what came into being after the rows were locked.
        if !left.remove(row.get(..chosen.keys()).unwrap_or_default()) {
            continue;
        }
        let deed = chosen.deed(&decision.directory, &types, &row).map_err(Trouble::from)?;
        let mut known = Computed { types: types.clone(), rows: vec![row] };
        let put = match deed {
            RowDeed::Write(write) => write,
            RowDeed::Move { take, put } => {
                let taken = step(executor, peer, (&[], &parameters), decision, &take, &known).await?;
                let taken = taken.rows.into_iter().next().ok_or_else(gone)?;
                known.rows.push(values(taken)?);
                put
            }
        };
        let answer = step(executor, peer, (ask.formats, &parameters), decision, &put, &known).await?;
        if answer.count != 1 {
            return Err(gone().into());
        }
        count += 1;
        tell(peer, ask, rows, answer, &mut described).await?;
    }
    if count == 0
        && let Some(leg) = decision.plan.legs.first()
    {
        // No row has this key: what RETURNING has is told all the same.
        let known = Computed { rows: vec![vec![None; types.len()]], types };
        let write = chosen.write_on(leg.server, &known.types);
        let answer = step(executor, peer, (ask.formats, &parameters), decision, &write, &known).await?;
        tell(peer, ask, rows, answer, &mut described).await?;
    }
    let mut out = BytesMut::new();
    write::command_complete(&mut out, &format!("{} {count}", chosen.word()));
    Ok(Some(out.freeze()))
}

/// What a statement for one row answered.
struct Answer {
    description: Option<Frame>,
    rows: Vec<Bytes>,
    count: u64,
}

/// Runs a statement for one row.
async fn step(
    executor: &mut Executor,
    peer: &mut Peer,
    (formats, parameters): (&[i16], &[Parameter<'_>]),
    decision: &Decision,
    write: &RowWrite,
    known: &Computed,
) -> Result<Answer, Hindrance> {
    executor.branch(leg_of(&decision.plan.legs, write.server)?, decision).await?;
    executor.executed(write.server);
    let values: Vec<Parameter<'_>> =
        write.arguments.iter().map(|argument| value_of(argument, parameters, known)).collect();
    let outcome = ask_row(executor, peer, write, &values, formats).await;
    let outcome = outcome.inspect_err(|trouble| {
        if trouble.is_connection_failure() {
            executor.drop_branch(write.server);
        }
    });
    Ok(outcome?)
}

async fn ask_row(
    executor: &mut Executor,
    peer: &mut Peer,
    write: &RowWrite,
    parameters: &[Parameter<'_>],
    formats: &[i16],
) -> Result<Answer, Trouble> {
    let connection = executor.connection(write.server);
    LegAsk { text: &write.text, parameters, formats }.write(connection.out());
    connection.owe_ready();
    let mut answer = Answer { description: None, rows: Vec::new(), count: 0 };
    let mut error = None;
    while connection.owed() > 0 {
        let frame = reply(connection, peer).await?;
        match frame.tag() {
            b'T' => answer.description = Some(frame),
            b'D' => answer.rows.push(frame.into_bytes()),
            b'C' => answer.count = view::affected(&frame),
            b'E' => error = error.or(Some(view::error_fields(&frame).without_place())),
            b'N' => peer.out().extend_from_slice(frame.bytes()),
            _ => {}
        }
    }
    match error {
        Some(fields) => Err(fields.into()),
        None => Ok(answer),
    }
}

/// Passes on what one row returned.
async fn tell(
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    answer: Answer,
    described: &mut bool,
) -> Result<(), Trouble> {
    if let Some(description) = answer.description.filter(|_| !std::mem::replace(described, true)) {
        match ask.describe {
            true => peer.out().extend_from_slice(description.bytes()),
            false => {
                let columns = view::columns(&description);
                rows.describe(&columns.map_err(|fault| ClientError::internal(fault.to_string()))?);
            }
        }
    }
    for row in answer.rows {
        rows.push(peer, row).await?;
    }
    Ok(())
}

/// A row that is locked cannot go.
fn gone() -> Trouble {
    ClientError::internal("a row that was locked was not found by its key").into()
}
