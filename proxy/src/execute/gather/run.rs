//! The way of a statement that is gathered: its legs, then the rest of it on one of their servers.

use bytes::Bytes;
use router::ids::ServerId;
use router::plan::{GatherPlan, Leg, Parameter};

use super::answer::{relay, write_over_arrays};
use super::collect::{Bound, Given, collect};
use crate::error::ClientError;
use crate::execute::executor::{Decision, Executor, Hindrance};
use crate::execute::leg::LegAsk;
use crate::execute::merge::stop;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;

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
    let legs = &decision.plan.legs;
    let mut all: Vec<Leg> = legs.to_vec();
    if let Some(place) = plan.place
        && legs.iter().all(|leg| leg.server != place)
    {
        all.push(Leg { server: place, text: None, fences: Vec::new() });
    }
    for leg in &all {
        executor.branch(leg, decision).await?;
    }
    let bracket = executor.needs_bracket();
    let outcome = gather(executor, peer, ask, rows, (legs, &all), plan, bracket).await;
    if outcome.is_err() {
        stop(executor, &all).await;
        if bracket {
            abandon(executor, &all).await;
        }
    }
    outcome.map_err(Hindrance::Trouble)
}

async fn gather(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    (legs, all): (&[Leg], &[Leg]),
    plan: &GatherPlan,
    bracket: bool,
) -> Result<Option<Bytes>, Trouble> {
    let parameters = parameters_of(plan, ask.parameters)?;
    for leg in all {
        if bracket {
            executor.begin_bracket(leg.server);
        }
        executor.executed(leg.server);
        let connection = executor.connection(leg.server);
        if let Some(text) = &leg.text {
            LegAsk { text, parameters: &parameters, formats: &[1] }.write(connection.out());
            connection.owe_ready();
        }
        connection.flush().await?;
    }
    let bound = Bound::new(executor.fleet.config.load().gather.max_bytes);
    let given = collect(executor, peer, all, plan, &bound).await?;
    let metrics = &executor.fleet.metrics;
    metrics
        .gathered_rows
        .inc_by(given.iter().flat_map(|given| &given.parts).map(|rows| rows.count as u64).sum());
    metrics.gathered_bytes.inc_by(given.iter().map(|given| given.bytes).sum());
    let place = plan.place.unwrap_or_else(|| first_done(legs, &given));
    if bracket {
        for leg in all.iter().filter(|leg| leg.server != place) {
            executor.end_bracket(leg.server);
            executor.connection(leg.server).flush().await?;
        }
    }
    let connection = executor.connection(place);
    write_over_arrays(connection.out(), &plan.over_arrays, ask, plan, &given);
    connection.queue_sync();
    drop(given);
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

/// The server that had given all first has the least to do.
fn first_done(legs: &[Leg], given: &[Given]) -> ServerId {
    let done = given.iter().filter(|given| legs.iter().any(|leg| leg.server == given.server));
    done.min_by_key(|given| given.ended).map_or(ServerId::HOME, |given| given.server)
}

/// The client's parameters that the legs have.
pub(super) fn parameters_of<'a>(
    plan: &GatherPlan,
    all: &[Parameter<'a>],
) -> Result<Vec<Parameter<'a>>, Trouble> {
    let parameter = |number: &u16| all.get(usize::from(*number).checked_sub(1)?).copied();
    let parameters: Option<Vec<Parameter<'a>>> = plan.parameters.iter().map(parameter).collect();
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
