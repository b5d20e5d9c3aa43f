//! The way of a statement that is gathered: its legs, then the rest of it on one of their servers.

use bytes::Bytes;
use router::plan::{GatherPlan, Leg, Parameter, PartColumn};
use router::sql::Kind;

use super::answer::{relay, write_over_arrays, write_rest};
use super::collect::{Bound, Given, collect};
use super::keys::{Keys, MANY, usable};
use super::place;
use super::tables::{fill, write_ask};
use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::merge::stop;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::together::Together;
use crate::execute::trouble::Trouble;
use crate::execute::whole::not_whole;
use crate::net::peer::Peer;
use crate::wire::write;

/// Runs the legs, and the statement over what they gave.
///
/// # Errors
/// A server's own; 53400 where the legs give too much. What runs is stopped.
pub(in crate::execute) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    plan: &GatherPlan,
) -> Result<Option<Bytes>, Hindrance> {
    if executor.needs_bracket() && matches!(ask.statement.kind(), Kind::DeclareCursor { .. }) {
        let message = "DECLARE CURSOR can only be used in transaction blocks";
        return Err(ClientError::new("25P01", message).into());
    }
    if !executor.writes_whole_values()
        && plan.parts.iter().flat_map(|part| &part.columns).any(PartColumn::travels_as_text)
    {
        return Err(Trouble::from(not_whole()).into());
    }
    let legs = &decision.plan.legs;
    let mut all: Vec<Leg> = legs.to_vec();
    if let Some(place) = plan.place
        && legs.iter().all(|leg| leg.server != place)
    {
        all.push(Leg::on(place));
    }
    for number in 0.. {
        for leg in &all {
            executor.branch(leg, decision).await?;
        }
        let bracket = executor.needs_bracket();
        let together = executor.together(legs, number).await?;
        let outcome = gather(executor, peer, ask, rows, (legs, &all), plan, (bracket, together)).await;
        if outcome.is_err() {
            stop(executor, &all).await;
        }
        if bracket && !matches!(outcome, Ok(Some(_))) {
            abandon(executor, &all).await;
        }
        match outcome {
            Ok(None) => {}
            outcome => return outcome.map_err(Hindrance::Trouble),
        }
    }
    Ok(None)
}

/// `None` where the legs' snapshots were not taken together: nothing was sent to the client.
async fn gather(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    (legs, all): (&[Leg], &[Leg]),
    plan: &GatherPlan,
    (bracket, together): (bool, Together),
) -> Result<Option<Bytes>, Trouble> {
    let own = parameters_of(plan, ask.parameters)?;
    let config = executor.fleet.config.load().gather.clone();
    // What must not end with a transaction of the client's cannot be in temporary tables.
    let read_only =
        executor.settings.value("default_transaction_read_only").is_some_and(|value| value == "on");
    let few = if bracket && !read_only { few(plan, config.array_rows) } else { 0 };
    let keys = usable(executor, plan);
    let most = if keys.is_some() { first_rows(few) } else { few };
    for leg in all {
        if bracket {
            executor.begin_bracket(leg.server);
        }
        executor.executed(leg.server);
        let connection = executor.connection(leg.server);
        if let Some(text) = &leg.text {
            write_ask(connection.out(), text, &own, most);
            connection.queue_sync();
        }
        connection.flush().await?;
    }
    let bound = Bound::new(config.max_bytes).with(together);
    let mut given = collect(executor, peer, all, plan, &bound).await?;
    if bound.is_torn() {
        return Ok(None);
    }
    let found = match keys.filter(|_| given.iter().any(|given| given.has_more)) {
        Some(keys) => Some(Keys::ask(executor, peer, legs, (keys, ask.parameters), &bound).await?),
        None => None,
    };
    let limited = found.as_ref().filter(|keys| keys.are_found());
    let asked_legs = limited.map(|keys| keys.legs(legs));
    let legs = asked_legs.as_deref().unwrap_or(legs);
    let parameters = limited.map_or_else(|| own.clone(), |keys| keys.parameters(own.clone()));
    if let Some(keys) = &found {
        executor.fleet.metrics.gathered_bytes.inc_by(keys.bytes);
        let anew = limited.is_some().then_some(parameters.as_slice());
        given = ask_on(executor, peer, legs, plan, &bound, given, (anew, few, most)).await?;
    }
    let has_more = given.iter().any(|given| given.has_more);
    let tables = if has_more { place::of_tables(executor, plan, legs, &given) } else { None };
    if has_more && tables.is_none() {
        given = go_on(executor, peer, all, plan, &bound, given).await?;
    }
    let place = tables.unwrap_or_else(|| place::of_arrays(executor, plan, legs, &given));
    let _computing = executor.connection(place).computes();
    if tables.is_some() {
        let (count, bytes) = fill(executor, peer, (place, legs), plan, &parameters, given, &bound).await?;
        executor.fleet.metrics.gathered_rows.inc_by(count);
        executor.fleet.metrics.gathered_bytes.inc_by(bytes);
        write_rest(executor.connection(place).out(), &plan.over_tables, ask, plan, &[]);
    } else {
        let counts = given.iter().flat_map(|given| &given.parts).map(|rows| rows.count as u64);
        executor.fleet.metrics.gathered_rows.inc_by(counts.sum());
        executor.fleet.metrics.gathered_bytes.inc_by(given.iter().map(|given| given.bytes).sum());
        write_over_arrays(executor.connection(place).out(), &plan.over_arrays, ask, plan, &given);
    }
    if bracket {
        for leg in all.iter().filter(|leg| leg.server != place) {
            executor.end_bracket(leg.server);
            executor.connection(leg.server).flush().await?;
        }
    }
    executor.connection(place).queue_sync();
    if bracket {
        executor.end_bracket(place);
    }
    executor.connection(place).flush().await?;
    let completion = relay(executor, peer, place, ask, rows).await?;
    for leg in all {
        executor.settle_bracket(leg.server).await?;
    }
    Ok(completion)
}

/// How many rows are asked for before it is known whether keys are worth asking for.
pub(super) fn first_rows(few: i32) -> i32 {
    if few == 0 { MANY } else { few.min(MANY) }
}

/// Asks the legs that have more rows than the first ones: anew with keys, where those were found, else for more. There may
/// be `few` then, of which `most` have come.
async fn ask_on(
    executor: &mut Executor,
    peer: &mut Peer,
    legs: &[Leg],
    plan: &GatherPlan,
    bound: &Bound,
    mut given: Vec<Given>,
    (anew, few, most): (Option<&[Parameter<'_>]>, i32, i32),
) -> Result<Vec<Given>, Trouble> {
    if anew.is_none() && few == most {
        return Ok(given);
    }
    for leg in legs {
        let Some(had) = given.iter_mut().find(|given| given.server == leg.server && given.has_more) else {
            continue;
        };
        had.has_more = false;
        let connection = executor.connection(leg.server);
        match (anew, &leg.text) {
            (Some(parameters), Some(text)) => {
                had.clear();
                bound.give_back(had.bytes);
                write_ask(connection.out(), text, parameters, few);
            }
            (_, _) => write::execute(connection.out(), b"", if few == 0 { 0 } else { few - most }),
        }
        connection.queue_sync();
        connection.flush().await?;
    }
    for more in collect(executor, peer, legs, plan, bound).await? {
        if let Some(had) = given.iter_mut().find(|given| given.server == more.server) {
            had.join(more);
        }
    }
    Ok(given)
}

/// How many rows of a server may become arrays; 0: all of them. Rows that are looked up again and again had better be
/// in a table with an index.
pub(super) fn few(plan: &GatherPlan, array_rows: usize) -> i32 {
    const LOOKED_UP: usize = 200;
    let looked_up = plan.parts.iter().any(|part| part.index().is_some());
    let most = if looked_up { array_rows.min(LOOKED_UP) } else { array_rows };
    if plan.many || looked_up { i32::try_from(most).unwrap_or(i32::MAX) } else { 0 }
}

/// Where there can be no tables, all rows become arrays after all.
async fn go_on(
    executor: &mut Executor,
    peer: &mut Peer,
    legs: &[Leg],
    plan: &GatherPlan,
    bound: &Bound,
    mut given: Vec<Given>,
) -> Result<Vec<Given>, Trouble> {
    for given in given.iter().filter(|given| given.has_more) {
        let connection = executor.connection(given.server);
        write::execute(connection.out(), b"", 0);
        connection.queue_sync();
        connection.flush().await?;
    }
    given.extend(collect(executor, peer, legs, plan, bound).await?);
    Ok(given)
}

/// The client's parameters that the legs have.
pub(super) fn parameters_of<'a>(
    plan: &GatherPlan,
    all: &[Parameter<'a>],
) -> Result<Vec<Parameter<'a>>, Trouble> {
    chosen_parameters(&plan.parameters, all)
}

/// The client's parameters of these numbers.
pub(super) fn chosen_parameters<'a>(
    numbers: &[u16],
    all: &[Parameter<'a>],
) -> Result<Vec<Parameter<'a>>, Trouble> {
    let parameter = |number: &u16| all.get(usize::from(*number).checked_sub(1)?).copied();
    let parameters: Option<Vec<Parameter<'a>>> = numbers.iter().map(parameter).collect();
    parameters
        .ok_or_else(|| ClientError::internal("a leg of a gather has a parameter that nobody gave").into())
}

/// Nothing that a failed statement began is left open.
async fn abandon(executor: &mut Executor, legs: &[Leg]) {
    for leg in legs {
        if executor.transaction.branches.contains(leg.server) {
            let rolled_back = executor.connection(leg.server).simple("ROLLBACK").await;
            if rolled_back.is_err() {
                executor.drop_branch(leg.server);
            }
        }
    }
}
