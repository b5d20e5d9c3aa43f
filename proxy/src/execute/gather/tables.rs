//! Many rows: temporary tables on the server that computes the answer. Its own rows go there without leaving
//! it, the others' as they come, so no more than a batch of them is held here. The tables end with the
//! transaction, which is this statement's own.

use bytes::BytesMut;
use router::ids::ServerId;
use router::plan::{GatherPlan, Leg, Parameter, Part};

use super::arrays::Rows;
use super::collect::{Bound, Given, broken};
use crate::execute::executor::Executor;
use crate::execute::leg::reply;
use crate::execute::opening::must;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::view;
use crate::wire::write;

/// So many bytes of one part are written at once.
const BATCH: usize = 1 << 20;

/// How the statement is planned. PostgreSQL looks at 300 times as many rows of each table: enough to choose how to join,
/// in a fifth of the time that tables take which last. The tables have no indexes, and rows that servers have left out
/// make it expect too few: one loop over them for each such row takes hours, any other join about the same as the best.
/// To leave loops out where there is nothing else looks expensive, which is no reason to compile.
const PLANNED: [&str; 3] =
    ["SET LOCAL default_statistics_target = 20", "SET LOCAL enable_nestloop = off", "SET LOCAL jit = off"];

/// Fills the tables: `given` is what the legs gave before they were found to have many rows.
///
/// # Errors
/// A server's own; 53400 where the other legs give too much; the client is gone.
pub(super) async fn fill(
    executor: &mut Executor,
    peer: &mut Peer,
    (place, legs): (ServerId, &[Leg]),
    plan: &GatherPlan,
    parameters: &[Parameter<'_>],
    mut given: Vec<Given>,
    bound: &Bound,
) -> Result<(u64, u64), Trouble> {
    // The other servers go on meanwhile.
    for leg in legs.iter().filter(|leg| leg.server != place) {
        if given.iter().any(|given| given.server == leg.server && given.has_more) {
            let connection = executor.connection(leg.server);
            write::execute(connection.out(), b"", 0);
            connection.queue_sync();
            connection.flush().await?;
        }
    }
    let definitions = plan.parts.iter().enumerate().map(definition);
    let definitions: Vec<String> = PLANNED.map(str::to_owned).into_iter().chain(definitions).collect();
    must(executor.connection(place), &definitions.join("; ")).await?;
    let (mut count, mut bytes) = (0, 0);
    for given in &mut given {
        let own = given.server == place;
        if own && given.has_more {
            let leg = legs.iter().find(|leg| leg.server == place);
            let text = leg.and_then(|leg| leg.text.as_deref()).unwrap_or_default();
            insert_own(executor, place, text, plan, parameters).await?;
            continue;
        }
        if given.has_more {
            stream(executor, peer, place, plan, given, bound).await?;
        }
        for (number, rows) in given.parts.iter_mut().enumerate() {
            count += rows.count as u64;
            copy(executor, peer, place, number, rows).await?;
        }
        bytes += given.bytes;
    }
    settle(executor, peer, place).await?;
    let tables: Vec<String> = (0..plan.parts.len()).map(table).collect();
    let indexes = plan.parts.iter().zip(&tables).filter_map(|(part, table)| {
        part.index().map(|columns| format!("CREATE INDEX ON {table} ({columns}); "))
    });
    let finish = format!("{}ANALYZE {}", indexes.collect::<String>(), tables.join(", "));
    must(executor.connection(place), &finish).await?;
    Ok((count, bytes))
}

fn table(number: usize) -> String {
    format!("pg_temp.{}", Part::table(number))
}

fn definition((number, part): (usize, &Part)) -> String {
    format!("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP", Part::table(number), part.definition())
}

/// The server's own rows, of each part in turn.
async fn insert_own(
    executor: &mut Executor,
    place: ServerId,
    text: &str,
    plan: &GatherPlan,
    parameters: &[Parameter<'_>],
) -> Result<(), Trouble> {
    let connection = executor.connection(place);
    for (number, part) in plan.parts.iter().enumerate() {
        let columns: Vec<String> = part.columns.iter().map(|column| format!("q.c{}", column.place)).collect();
        let insert = format!(
            "INSERT INTO {} SELECT {} FROM ({text}) q WHERE q.part = {}",
            table(number),
            columns.join(", "),
            number + 1
        );
        write_ask(connection.out(), &insert, parameters, 0);
    }
    connection.queue_sync();
    Ok(connection.flush().await?)
}

/// What a leg has left, in batches.
async fn stream(
    executor: &mut Executor,
    peer: &mut Peer,
    place: ServerId,
    plan: &GatherPlan,
    given: &mut Given,
    bound: &Bound,
) -> Result<(), Trouble> {
    while executor.connection(given.server).owed() > 0 {
        let frame = reply(executor.connection(given.server), peer).await?;
        match frame.tag() {
            b'D' => {
                bound.take(given.take(&plan.parts, frame.body()).ok_or_else(broken)?)?;
                for number in 0..given.parts.len() {
                    if let Some(rows) = given.parts.get_mut(number).filter(|rows| rows.size() > BATCH) {
                        executor.fleet.metrics.gathered_rows.inc_by(rows.count as u64);
                        copy(executor, peer, place, number, rows).await?;
                    }
                }
            }
            b'E' => return Err(view::error_fields(&frame).without_place().into()),
            _ => {}
        }
    }
    Ok(())
}

/// Writes a part's rows into its table. What the server says to that is heard before the next ones are written, so
/// it stores them while more are read.
async fn copy(
    executor: &mut Executor,
    peer: &mut Peer,
    place: ServerId,
    number: usize,
    rows: &mut Rows,
) -> Result<(), Trouble> {
    if rows.count == 0 {
        return Ok(());
    }
    settle(executor, peer, place).await?;
    let connection = executor.connection(place);
    connection.queue_query(&format!("COPY {} FROM STDIN (FORMAT binary)", table(number)));
    write::copy_data(connection.out(), &rows.take_copy());
    write::copy_done(connection.out());
    Ok(connection.flush().await?)
}

async fn settle(executor: &mut Executor, peer: &mut Peer, place: ServerId) -> Result<(), Trouble> {
    while executor.connection(place).owed() > 0 {
        let frame = reply(executor.connection(place), peer).await?;
        if frame.tag() == b'E' {
            return Err(view::error_fields(&frame).without_place().into());
        }
    }
    Ok(())
}

/// Appends Parse, Bind, Describe and Execute for at most so many rows, 0 for all; Sync is the caller's.
pub(super) fn write_ask(out: &mut BytesMut, text: &str, parameters: &[Parameter<'_>], most: i32) {
    let types: Vec<u32> = parameters.iter().map(|parameter| parameter.type_oid).collect();
    let formats: Vec<i16> = parameters.iter().map(|parameter| i16::from(parameter.binary)).collect();
    let values = parameters.iter().map(|parameter| parameter.value);
    write::parse(out, b"", text.as_bytes(), &types);
    write::bind(out, b"", b"", &formats, values, &[1]);
    write::describe_portal(out, b"");
    // The description comes as soon as the snapshot is taken.
    write::flush(out);
    write::execute(out, b"", most);
}
