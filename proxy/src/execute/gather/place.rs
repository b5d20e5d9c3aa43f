//! Which server computes a statement over what was collected: the one with the least to do. Moving many rows away from
//! where they are must be worth it.

use router::ids::ServerId;
use router::plan::{GatherPlan, Leg};

use super::collect::Given;
use crate::execute::executor::Executor;

/// How much busier, in connections, a server must be before its many rows go to one that has few.
const MOVING: usize = 4;

/// The server that takes the rows as arrays.
pub(super) fn of_arrays(executor: &Executor, plan: &GatherPlan, legs: &[Leg], given: &[Given]) -> ServerId {
    plan.place.or_else(|| least(executor, legs, given, (0, |_| true))).unwrap_or(ServerId::HOME)
}

/// The server that takes the rows in temporary tables, where one can: a primary.
pub(super) fn of_tables(
    executor: &Executor,
    plan: &GatherPlan,
    legs: &[Leg],
    given: &[Given],
) -> Option<ServerId> {
    let writable =
        |server: ServerId| executor.transaction.branches.get(server).is_some_and(|branch| !branch.replica);
    match plan.place {
        Some(place) => Some(place).filter(|place| writable(*place)),
        None => least(executor, legs, given, (MOVING, writable)),
    }
}

/// Of servers that are as busy, the one that had given all first.
fn least(
    executor: &Executor,
    legs: &[Leg],
    given: &[Given],
    (moving, may): (usize, impl Fn(ServerId) -> bool),
) -> Option<ServerId> {
    let has_many = |given: &Given| given.has_more;
    let candidates = given.iter().filter(|given| legs.iter().any(|leg| leg.server == given.server));
    let busy = |given: &&Given| {
        let branch = executor.transaction.branches.get(given.server);
        let load = branch.map_or(0, |branch| branch.connection.load());
        (load + if has_many(given) { 0 } else { moving }, given.ended)
    };
    candidates.filter(|given| may(given.server)).min_by_key(busy).map(|given| given.server)
}
