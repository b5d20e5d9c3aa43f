//! UPDATE and DELETE in three steps: rows that may be meant are locked, those that are meant are chosen and
//! their new values computed by a SELECT over all servers, and each is written by its key, all in one atomic
//! commit.

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use router::ids::ServerId;
use router::plan::{ChosenWrite, Computed, Parameter, RowDeed, RowWrite};

use crate::error::ClientError;
use crate::execute::answered::{Answered, Keeping, tell_columns};
use crate::execute::executor::Executor;
use crate::execute::inner::values;
use crate::execute::insert::{leg_of, values_of};
use crate::execute::leg::LegAsk;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::execute::whole::not_whole;
use crate::net::peer::Peer;
use crate::wire::write;

/// How many rows are written before the first is answered.
const AT_ONCE: usize = 200;

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
    let first = executor.branch_all(decision).await?;
    let mut parameters = ask.parameters.to_vec();
    if chosen.needs_types(&parameters) {
        parameters = executor.typed(peer, first, chosen.statement(), &parameters).await?;
    }
    let locked = executor.answer(peer, first, chosen.lock(), &parameters).await?;
    let mut left: HashSet<Vec<Option<Bytes>>> = locked.rows.into_iter().collect();
    let Computed { types, rows: meant, binary, .. } =
        executor.answer(peer, first, chosen.choose(), &parameters).await?;
    chosen.check_returned(&types).map_err(Trouble::from)?;
    let mut deeds = Vec::new();
    for row in meant {
        // Once, and not what came into being after the rows were locked.
        if left.remove(row.get(..chosen.keys()).unwrap_or_default()) {
            let deed = chosen.deed(&decision.directory, (&types, &binary), &row).map_err(Trouble::from)?;
            if matches!(deed, RowDeed::Move { .. }) && !executor.writes_whole_values() {
                return Err(Trouble::from(not_whole()).into());
            }
            let (types, binary) = (types.clone(), binary.clone());
            deeds.push((deed, Computed { types, rows: vec![row], binary, ..Computed::default() }));
        }
    }
    let count = deeds.len();
    if deeds.is_empty() {
        // No row has this key: what RETURNING has is told all the same.
        let known = Computed { rows: vec![vec![None; types.len()]], types, binary, ..Computed::default() };
        deeds.push((RowDeed::Write(chosen.write_on(first, &known.types)), known));
    }
    let keeping = Keeping::up_to(executor.fleet.config.load().merge.max_bytes);
    let mut hand = Hand { decision, parameters: &parameters, formats: ask.formats, keeping };
    let mut returned = Vec::new();
    let moves = |(deed, _): &(RowDeed, Computed)| matches!(deed, RowDeed::Move { .. });
    for alike in deeds.chunk_by_mut(|one, other| !moves(one) && !moves(other)) {
        for some in alike.chunks_mut(AT_ONCE) {
            returned.extend(hand.write(executor, peer, some).await?);
        }
    }
    if count > 0 && returned.iter().any(|answer| answer.count() != 1) {
        return Err(gone().into());
    }
    if let Some(description) = returned.first().and_then(|answer| answer.description.as_ref()) {
        tell_columns(peer, ask, rows, description)?;
    }
    for row in returned.into_iter().flat_map(|answer| answer.rows) {
        rows.push(peer, row).await?;
    }
    let mut out = BytesMut::new();
    write::command_complete(&mut out, &format!("{} {count}", chosen.word()));
    Ok(Some(out.freeze()))
}

/// What writes rows by their keys.
struct Hand<'a> {
    decision: &'a Decision,
    /// The statement's parameters.
    parameters: &'a [Parameter<'a>],
    /// The formats of what RETURNING gives.
    formats: &'a [i16],
    keeping: Keeping,
}

impl Hand<'_> {
    /// Writes rows where they are, server after server, or moves one; the answers in the rows' order.
    async fn write(
        &mut self,
        executor: &mut Executor,
        peer: &mut Peer,
        some: &mut [(RowDeed, Computed)],
    ) -> Result<Vec<Answered>, Hindrance> {
        if let [(RowDeed::Move { take, .. }, known)] = some {
            let taken = self.on_one(executor, peer, &[(take, known)], &[]).await?;
            let row = taken.into_iter().flat_map(|answer| answer.rows).next().ok_or_else(gone)?;
            known.rows.push(values(row)?);
        }
        let mut servers: Vec<ServerId> = some.iter().map(|row| row_of(row).0.server).collect();
        servers.sort_unstable();
        servers.dedup();
        let mut answers: Vec<Answered> = some.iter().map(|_| Answered::default()).collect();
        for server in servers {
            let here = some.iter().map(row_of).enumerate().filter(|(_, (write, _))| write.server == server);
            let (places, rows): (Vec<usize>, Vec<_>) = here.unzip();
            let here = self.on_one(executor, peer, &rows, self.formats).await?;
            for (place, answer) in places.into_iter().zip(here) {
                answers[place] = answer;
            }
        }
        Ok(answers)
    }

    /// Runs statements for single rows on the server of the first of them.
    async fn on_one(
        &mut self,
        executor: &mut Executor,
        peer: &mut Peer,
        rows: &[(&RowWrite, &Computed)],
        formats: &[i16],
    ) -> Result<Vec<Answered>, Hindrance> {
        let Some((RowWrite { server, .. }, _)) = rows.first() else { return Ok(Vec::new()) };
        executor.branch(leg_of(&self.decision.plan.legs, *server)?, self.decision).await?;
        let values: Vec<Vec<Parameter<'_>>> =
            rows.iter().map(|(write, known)| values_of(&write.arguments, self.parameters, known)).collect();
        let asks: Vec<LegAsk<'_>> = std::iter::zip(rows, &values)
            .map(|((write, _), parameters)| LegAsk { text: &write.text, parameters, formats })
            .collect();
        Ok(executor.ask_kept(peer, *server, &asks, &mut self.keeping).await?)
    }
}

/// The statement that ends with a row, and what is known of the row.
fn row_of((deed, known): &(RowDeed, Computed)) -> (&RowWrite, &Computed) {
    match deed {
        RowDeed::Write(write) | RowDeed::Move { put: write, .. } => (write, known),
    }
}

/// A row that is locked cannot go.
fn gone() -> Trouble {
    ClientError::internal("a row that was locked was not found by its key").into()
}
