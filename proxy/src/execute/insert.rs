//! INSERT whose rows belong to several servers: what the statement does not spell out is computed first,
//! then each row is written on its tenant's server, all in one atomic commit.

use bytes::Bytes;
use router::ids::ServerId;
use router::plan::{Argument, Computed, Division, Insert, InsertPart, Leg, Parameter};

use crate::error::ClientError;
use crate::execute::answered::{Keeping, tell_columns};
use crate::execute::everywhere::sum;
use crate::execute::executor::Executor;
use crate::execute::leg::LegAsk;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;

/// Runs the INSERT. RETURNING gives its rows in the order in which the statement has them.
///
/// # Errors
/// A row whose tenant cannot be told, a server's own error; the caller rolls back.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    insert: &Insert,
) -> Result<Option<Bytes>, Hindrance> {
    let legs = &decision.plan.legs;
    let first = legs.first().ok_or_else(|| Trouble::from(ClientError::internal("an INSERT without legs")))?;
    // All fences are held before anything runs.
    if legs.iter().any(|leg| !leg.fences.is_empty()) {
        executor.branch_all(decision).await?;
    }
    let mut parameters = ask.parameters.to_vec();
    if insert.needs_types(&parameters) || insert.is_misfit() {
        executor.branch(first, decision).await?;
        parameters = executor.typed(peer, first.server, insert.statement(), &parameters).await?;
    }
    let computed = match insert.question() {
        Some(question) => {
            if !executor.writes_whole_values() {
                executor.branch(first, decision).await?;
            }
            executor.answer(peer, first.server, question, &parameters).await?
        }
        None => Computed::default(),
    };
    let division = Division {
        directory: &decision.directory,
        first: first.server,
        parameters: &parameters,
        computed: &computed,
    };
    let parts = insert.parts(division).map_err(Trouble::from)?;
    write_parts(executor, peer, Ask { parameters: &parameters, ..ask }, rows, decision, (&parts, &computed))
        .await
}

/// Runs the parts of a write, each on its server. What they return comes in the order of the rows; `computed` is
/// what parameters beyond the statement's are taken from.
pub(super) async fn write_parts(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    (parts, computed): (&[InsertPart], &Computed),
) -> Result<Option<Bytes>, Hindrance> {
    let legs = &decision.plan.legs;
    let mut returned: Vec<Option<Bytes>> = Vec::new();
    let mut completions = Vec::new();
    let mut keeping = Keeping::up_to(executor.fleet.config.load().merge.max_bytes);
    for (number, part) in parts.iter().enumerate() {
        executor.branch(leg_of(legs, part.server)?, decision).await?;
        let values = values_of(&part.arguments, ask.parameters, computed);
        let leg = LegAsk { text: &part.text, parameters: &values, formats: ask.formats };
        for answer in executor.ask_kept(peer, part.server, &[leg], &mut keeping).await? {
            if let (0, Some(description)) = (number, &answer.description) {
                tell_columns(peer, ask, rows, description)?;
            }
            completions.extend(answer.completion);
            place(&mut returned, &part.rows, answer.rows);
        }
    }
    for row in returned.into_iter().flatten() {
        rows.push(peer, row).await?;
    }
    Ok(sum(&completions))
}

/// The leg of a server.
pub(super) fn leg_of(legs: &[Leg], server: ServerId) -> Result<&Leg, Trouble> {
    let leg = legs.iter().find(|leg| leg.server == server);
    leg.ok_or_else(|| ClientError::internal("a row belongs to a server that was not planned").into())
}

/// The values of a part's parameters.
pub(super) fn values_of<'a>(
    arguments: &[Argument],
    own: &[Parameter<'a>],
    computed: &'a Computed,
) -> Vec<Parameter<'a>> {
    arguments.iter().map(|argument| value_of(argument, own, computed)).collect()
}

/// The value of an argument: the client's, or a computed one.
fn value_of<'a>(argument: &Argument, own: &[Parameter<'a>], computed: &'a Computed) -> Parameter<'a> {
    match argument {
        Argument::Own(number) => {
            let own = usize::from(*number).checked_sub(1).and_then(|at| own.get(at));
            own.copied().unwrap_or(Parameter { type_oid: 0, binary: false, value: None })
        }
        Argument::Computed { row, column, type_oid } => {
            let value = computed.rows.get(*row).and_then(|row| row.get(*column));
            let value = value.and_then(|value| value.as_deref());
            Parameter { type_oid: *type_oid, binary: *type_oid != 0 && computed.is_binary(*column), value }
        }
    }
}

/// Puts a part's rows where its inserted rows are; where some were left out, in their order.
fn place(returned: &mut Vec<Option<Bytes>>, rows: &[usize], frames: Vec<Bytes>) {
    for (row, frame) in rows.iter().zip(frames) {
        if returned.len() <= *row {
            returned.resize(row + 1, None);
        }
        returned[*row] = Some(frame);
    }
}
