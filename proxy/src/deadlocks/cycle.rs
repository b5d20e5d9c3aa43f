//! Who waits for whom, and for himself in the end. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Who waits: a transaction of the list, whose processes are one, or any other process of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waiter {
    Transaction(u64),
    Process(u16, i32),
}

/// For whom each waits.
pub(super) type Waits = BTreeMap<Waiter, BTreeSet<Waiter>>;

/// The transactions of each cycle that has one: who is reached from himself, with all that he reaches and
/// that reach him.
pub(super) fn cycles(waits: &Waits) -> BTreeSet<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for waiter in waits.keys() {
        let ahead = reached(waits, *waiter);
        if !ahead.contains(waiter) {
            continue;
        }
        let within = ahead.iter().filter(|other| reached(waits, **other).contains(waiter));
        let transactions: BTreeSet<u64> = within
            .filter_map(|waiter| match waiter {
                Waiter::Transaction(number) => Some(*number),
                Waiter::Process(..) => None,
            })
            .collect();
        if !transactions.is_empty() {
            found.insert(transactions);
        }
    }
    found
}

fn reached(waits: &Waits, from: Waiter) -> BTreeSet<Waiter> {
    let mut reached = BTreeSet::new();
    let mut ahead = vec![from];
    while let Some(at) = ahead.pop() {
        for next in waits.get(&at).into_iter().flatten() {
            if reached.insert(*next) {
                ahead.push(*next);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::Waiter::{Process, Transaction};
    use super::*;

    fn waits(edges: &[(Waiter, Waiter)]) -> Waits {
        let mut waits = Waits::new();
        for (who, whom) in edges {
            waits.entry(*who).or_default().insert(*whom);
        }
        waits
    }

    #[test]
    fn a_cycle_is_found_and_who_only_waits_is_not_in_it() {
        let crossed = [(Transaction(1), Transaction(2)), (Transaction(2), Transaction(1))];
        assert_eq!(cycles(&waits(&crossed)), [[1, 2].into()].into());
        let behind = [crossed[0], crossed[1], (Transaction(3), Transaction(1))];
        assert_eq!(cycles(&waits(&behind)), [[1, 2].into()].into());
        assert!(cycles(&waits(&behind[..1])).is_empty());
    }

    #[test]
    fn a_cycle_may_go_through_others() {
        let edges = [
            (Transaction(1), Process(0, 77)),
            (Process(0, 77), Transaction(2)),
            (Transaction(2), Transaction(1)),
        ];
        assert_eq!(cycles(&waits(&edges)), [[1, 2].into()].into());
    }
}
