//! `setval` over several servers: its arguments are computed once, then every server's counter goes past
//! the value.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use router::ids::quote_literal;
use router::sequences::{Counter, Position, are_apart};
use router::sql::{Place, SetValues, Statement};

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::leg::formats;
use crate::execute::opening::{Hindrance, must};
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::sequences::counter;
use crate::wire::frame::cut;
use crate::wire::view::Row;
use crate::wire::write::{self, OwnColumn};

/// A sequence's name, the value and whether it counts as given out; `None` where one of them is NULL.
type Setting = Option<(String, Position)>;

/// Runs a SELECT that does nothing but call `setval`.
///
/// # Errors
/// PostgreSQL's own, or what it would answer.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    values: &SetValues,
) -> Result<Option<Bytes>, Hindrance> {
    executor.branch_all(decision).await?;
    let settings = settings(executor, peer, ask, values).await?;
    for (name, to) in settings.iter().flatten().flatten() {
        set(executor, decision, name, *to).await?;
    }
    let formats = formats(ask.formats, values.outputs.len(), 0);
    if ask.describe {
        let columns: Vec<OwnColumn> = values.outputs.iter().map(OwnColumn::int8).collect();
        write::row_description_in(peer.out(), &columns, &formats);
    }
    for row in &settings {
        rows.push(peer, answer(row, &formats)).await?;
    }
    let mut out = BytesMut::new();
    write::command_complete(&mut out, &format!("SELECT {}", rows.count()));
    Ok(Some(out.freeze()))
}

/// For each row the calls' settings.
async fn settings(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    values: &SetValues,
) -> Result<Vec<Vec<Setting>>, Trouble> {
    let alone = query(executor, peer, ask, values.alone.as_ref()).await?;
    let rows = query(executor, peer, ask, values.rows.as_ref()).await?;
    let alone = alone.unwrap_or_default().into_iter().next().unwrap_or_default();
    let field = |row: &[Option<String>], place: &Place| match place {
        Place::Alone(index) => alone.get(*index).cloned().flatten(),
        Place::Row(index) => row.get(*index).cloned().flatten(),
    };
    let setting = |row: &[Option<String>], places: &[Place]| {
        setting_of(&places.iter().map(|place| field(row, place)).collect::<Vec<_>>())
    };
    let settings =
        |row: &Vec<Option<String>>| values.places.chunks(3).map(|places| setting(row, places)).collect();
    rows.unwrap_or_else(|| vec![Vec::new()]).iter().map(settings).collect()
}

/// The rows of a query of arguments, as text.
async fn query(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    statement: Option<&Arc<Statement>>,
) -> Result<Option<Vec<Vec<Option<String>>>>, Trouble> {
    let Some(statement) = statement else { return Ok(None) };
    let mut kept = Rows::kept(executor.fleet.config.load().merge.max_bytes);
    let arguments = Ask { statement, formats: &[], describe: false, ..ask };
    Box::pin(executor.run(peer, arguments, &mut kept)).await?;
    kept.into_frames().into_iter().map(|frame| row_of(&frame)).collect::<Result<_, _>>().map(Some)
}

fn row_of(bytes: &Bytes) -> Result<Vec<Option<String>>, Trouble> {
    let mut buffer = BytesMut::from(&bytes[..]);
    let frame = cut(&mut buffer, usize::MAX).map_err(|fault| ClientError::internal(fault.to_string()))?;
    let frame = frame.ok_or_else(|| ClientError::internal("a row that is not whole"))?;
    let row = Row::read(&frame).map_err(|fault| ClientError::internal(fault.to_string()))?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Ok(row.map_while(Result::ok).map(|value| value.map(text)).collect())
}

fn setting_of(fields: &[Option<String>]) -> Result<Setting, Trouble> {
    let [Some(name), Some(value), Some(called)] = fields else { return Ok(None) };
    let called = match called.as_str() {
        "t" | "true" => true,
        "f" | "false" => false,
        _ => return Err(no_such_function()),
    };
    let value = value.parse().map_err(|_| no_such_function())?;
    Ok(Some((name.clone(), Position { value, called })))
}

fn no_such_function() -> Trouble {
    ClientError::new("42883", "function setval does not exist for arguments of these types")
        .hint("It takes a sequence, a bigint, and perhaps a boolean.")
        .into()
}

/// Sets one sequence on every server.
async fn set(executor: &mut Executor, decision: &Decision, name: &str, to: Position) -> Result<(), Trouble> {
    let sequence = format!("{}::pg_catalog.regclass", quote_literal(name));
    let question = format!(
        "SELECT seqstart, seqincrement, seqmin, seqmax, seqcycle, seqstart, false \
         FROM pg_catalog.pg_sequence WHERE seqrelid = {sequence}"
    );
    let mut counters: Vec<Counter> = Vec::new();
    for leg in &decision.plan.legs {
        let outcome = executor.connection(leg.server).simple(&question).await?.ok()?;
        counters.extend(outcome.rows.first().and_then(|row| counter(row)));
    }
    if let Some(counter) = counters.first()
        && !(counter.min..=counter.max).contains(&to.value)
    {
        let (min, max) = (counter.min, counter.max);
        let message =
            format!("setval: value {} is out of bounds for sequence \"{name}\" ({min}..{max})", to.value);
        return Err(ClientError::new("22003", message).into());
    }
    let apart = counters.len() == decision.plan.legs.len() && are_apart(&counters);
    for (index, leg) in decision.plan.legs.iter().enumerate() {
        let at = match counters.get(index) {
            Some(counter) if apart => counter.set_to(to),
            Some(_) | None => to,
        };
        let call = format!("SELECT pg_catalog.setval({sequence}, {}, {})", at.value, at.called);
        executor.executed(leg.server);
        must(executor.connection(leg.server), &call).await?;
    }
    Ok(())
}

/// A row of the values as they were asked for.
fn answer(row: &[Setting], formats: &[i16]) -> Bytes {
    let value = |(setting, format): (&Setting, &i16)| {
        let (_, to) = setting.as_ref()?;
        Some(match format {
            1 => to.value.to_be_bytes().to_vec(),
            _ => to.value.to_string().into_bytes(),
        })
    };
    let values: Vec<Option<Vec<u8>>> = row.iter().zip(formats).map(value).collect();
    let mut out = BytesMut::new();
    write::data_row(&mut out, values.iter().map(Option::as_deref));
    out.freeze()
}
