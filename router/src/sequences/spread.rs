//! One sequence on all servers.

use super::{Counter, Position};

/// Why a sequence cannot count on several servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unspreadable {
    /// CYCLE: its values come again by themselves.
    #[error("it cycles, so its values would come again sooner than it says")]
    Cycles,
    /// Its bounds hold fewer values than there are classes.
    #[error("its MINVALUE and MAXVALUE leave no value for some server")]
    TooNarrow,
    /// The servers' definitions differ by more than pgherd makes them differ.
    #[error("the servers define it differently")]
    Unequal,
}

/// True where no two of these servers' counters can give the same value.
pub fn are_apart(counters: &[Counter]) -> bool {
    let Some(first) = counters.first() else { return true };
    if counters.len() == 1 {
        return true;
    }
    let alike = counters.iter().all(|counter| counter.increment == first.increment && !counter.cycles);
    let mut classes: Vec<i128> = counters.iter().map(Counter::class).collect();
    classes.sort_unstable();
    classes.dedup();
    alike && classes.len() == counters.len() && counters.iter().all(Counter::is_in_class)
}

/// The INCREMENT that the sequence has over all servers together: what divides both the servers' increments
/// and the distances of their starts.
pub fn step(counters: &[Counter]) -> Option<i64> {
    let first = counters.first()?;
    let distances =
        counters.iter().map(|counter| (i128::from(counter.start) - i128::from(first.start)).unsigned_abs());
    let increments = counters.iter().map(|counter| i128::from(counter.increment).unsigned_abs());
    let divisor = distances.chain(increments).fold(0, greatest_common_divisor);
    let step = i64::try_from(divisor).ok()?;
    Some(if first.increment < 0 { -step } else { step })
}

/// The definitions with which the servers count apart, one a server in the same order: `step` is the
/// sequence's INCREMENT over all of them, `stride` how many servers there may be. No value comes that any of
/// the counters may have given.
///
/// # Errors
/// [`Unspreadable`].
pub fn spread(counters: &[Counter], step: i64, stride: u16) -> Result<Vec<Counter>, Unspreadable> {
    let Some(first) = counters.first() else { return Ok(Vec::new()) };
    if counters.iter().any(|counter| counter.cycles) {
        return Err(Unspreadable::Cycles);
    }
    if counters.iter().any(|counter| (counter.increment < 0) != (first.increment < 0)) {
        return Err(Unspreadable::Unequal);
    }
    let least = least(counters, step);
    let increment = step.checked_mul(i64::from(stride)).ok_or(Unspreadable::TooNarrow)?;
    let place = |(index, counter): (usize, &Counter)| {
        let start = i64::try_from(index).ok().and_then(|index| step.checked_mul(index));
        let start = start.and_then(|distance| first.start.checked_add(distance));
        let start = start.filter(|start| (counter.min..=counter.max).contains(start));
        let placed = Counter { start: start.ok_or(Unspreadable::TooNarrow)?, increment, ..*counter };
        Ok(Counter { at: placed.not_before(least), ..placed })
    };
    counters.iter().enumerate().map(place).collect()
}

/// Where `placed` stands when it has given its class's values in place of those that `counter`, new until
/// then, has given already.
pub fn renumbered(counter: &Counter, placed: &Counter) -> Position {
    let given = (i128::from(counter.at.value) - i128::from(counter.start)) / i128::from(counter.increment);
    let value = i128::from(placed.start) + given * i128::from(placed.increment);
    match (counter.at.called, i64::try_from(value)) {
        (true, Ok(value)) => Position { value, called: true },
        (true, Err(_)) | (false, _) => Position { value: placed.start, called: counter.at.called },
    }
}

/// The first value that none of them has given.
fn least(counters: &[Counter], step: i64) -> i128 {
    let next = |counter: &Counter| {
        let Position { value, called } = counter.at;
        i128::from(value) + if called { i128::from(step) } else { 0 }
    };
    let nexts = counters.iter().map(next);
    let least = if step > 0 { nexts.max() } else { nexts.min() };
    least.unwrap_or_default()
}

fn greatest_common_divisor(one: u128, other: u128) -> u128 {
    let (mut one, mut other) = (one, other);
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counter(start: i64, increment: i64, value: i64, called: bool) -> Counter {
        let (min, max) = if increment > 0 { (1, i64::MAX) } else { (i64::MIN, -1) };
        Counter { start, increment, min, max, cycles: false, at: Position { value, called } }
    }

    /// The next values of a counter.
    fn values(counter: &Counter, count: usize) -> Vec<i128> {
        (0..count as i128).map(|index| counter.next() + index * i128::from(counter.increment)).collect()
    }

    #[test]
    fn a_new_sequence_counts_in_classes() {
        let new = [counter(1, 1, 1, false); 3];
        assert!(!are_apart(&new));
        let placed = spread(&new, 1, 16).expect("it can be");
        assert!(are_apart(&placed));
        assert_eq!(
            placed.iter().map(|counter| values(counter, 2)).collect::<Vec<_>>(),
            [[1, 17], [2, 18], [3, 19]]
        );
        assert_eq!(step(&placed), Some(1));
    }

    #[test]
    fn a_step_of_the_users_own_is_kept() {
        let placed = spread(&[counter(100, 5, 100, false); 2], 5, 16).expect("it can be");
        assert_eq!(values(&placed[1], 2), [105, 185]);
        assert_eq!(step(&placed), Some(5));
        let down = spread(&[counter(-1, -1, -1, false); 2], -1, 16).expect("it can be");
        assert_eq!((values(&down[0], 2), values(&down[1], 2)), (vec![-1, -17], vec![-2, -18]));
        assert_eq!(step(&down), Some(-1));
    }

    #[test]
    fn a_server_that_comes_later_gets_a_class_of_its_own() {
        let mut all = spread(&[counter(1, 1, 40, true); 2], 1, 16).expect("it can be");
        all.push(counter(1, 16, 1, false));
        assert!(!are_apart(&all));
        let again = spread(&all, step(&all).expect("there is one"), 16).expect("it can be");
        assert!(are_apart(&again) && again.iter().all(|counter| counter.next() > 40));
    }

    #[test]
    fn what_cannot_be_unique_is_refused() {
        let cycling = Counter { cycles: true, ..counter(1, 1, 1, false) };
        assert_eq!(spread(&[cycling; 2], 1, 16), Err(Unspreadable::Cycles));
        let narrow = Counter { max: 1, ..counter(1, 1, 1, false) };
        assert_eq!(spread(&[narrow; 2], 1, 16), Err(Unspreadable::TooNarrow));
        assert_eq!(
            spread(&[counter(1, 1, 1, false), counter(-1, -1, -1, false)], 1, 16),
            Err(Unspreadable::Unequal)
        );
    }

    #[test]
    fn setval_leads_every_class_past_the_value() {
        let placed = spread(&[counter(1, 1, 1, false); 2], 1, 16).expect("it can be");
        let set = |index: usize, value, called| {
            let at = placed[index].set_to(Position { value, called });
            Counter { at, ..placed[index] }.next()
        };
        assert_eq!((set(0, 100, true), set(1, 100, true)), (113, 114));
        assert_eq!((set(0, 1, false), set(1, 1, false)), (1, 2));
        assert_eq!((set(0, 1, true), set(1, 1, true)), (17, 2));
    }

    #[test]
    fn what_was_given_before_becomes_the_classes_own() {
        let new = [counter(1, 1, 3, true), counter(1, 1, 1, false), counter(1, 1, 2, true)];
        let placed = spread(&new, 1, 16).expect("it can be");
        let at: Vec<Position> =
            new.iter().zip(&placed).map(|(counter, placed)| renumbered(counter, placed)).collect();
        let next = |(counter, at): (&Counter, &Position)| Counter { at: *at, ..*counter }.next();
        assert_eq!(placed.iter().zip(&at).map(next).collect::<Vec<_>>(), [49, 2, 35]);
    }

    #[test]
    fn a_class_that_is_used_up_gives_nothing_more() {
        let small = Counter { max: 40, ..counter(1, 16, 1, false) };
        let at = small.set_to(Position { value: 34, called: true });
        assert_eq!(at, Position { value: 33, called: true });
    }

    proptest! {
        #[test]
        fn nothing_that_may_have_been_given_comes_again(
            lasts in prop::collection::vec((1_i64..10_000, any::<bool>()), 2..8),
            step in 1_i64..20, down in any::<bool>(),
        ) {
            let sign = if down { -1 } else { 1 };
            let counters: Vec<Counter> = lasts
                .iter()
                .map(|(last, called)| counter(sign, sign * step, sign * last, *called))
                .collect();
            let placed = spread(&counters, sign * step, 8).expect("it can be");
            prop_assert!(are_apart(&placed));
            let mut all: Vec<i128> = placed.iter().flat_map(|counter| values(counter, 50)).collect();
            let given = lasts.iter().filter(|(_, called)| *called).map(|(last, _)| i128::from(*last)).max();
            prop_assert!(all.iter().all(|value| given.is_none_or(|given| value * i128::from(sign) > given)));
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), count);
            let near = placed.iter().map(|counter| (counter.next() * i128::from(sign)) as i64).max();
            let far = lasts.iter().map(|(last, _)| last).max().copied().unwrap_or(0);
            prop_assert!(near.is_none_or(|near| near <= far + 20 * step), "no value is skipped without need");
        }
    }
}
