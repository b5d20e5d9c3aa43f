//! A sequence on one server.

/// A sequence as one server has it: its definition, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// START.
    pub start: i64,
    /// INCREMENT; never 0.
    pub increment: i64,
    /// MINVALUE.
    pub min: i64,
    /// MAXVALUE.
    pub max: i64,
    /// CYCLE.
    pub cycles: bool,
    /// Where it stands.
    pub at: Position,
}

/// Where a sequence stands, as `setval` sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// `last_value`.
    pub value: i64,
    /// `is_called`: the value has been given out, the next one comes after it.
    pub called: bool,
}

impl Counter {
    /// The value that it gives next, whatever its bounds say.
    pub fn next(&self) -> i128 {
        let value = i128::from(self.at.value);
        if self.at.called { value + i128::from(self.increment) } else { value }
    }

    /// The class of its values: what remains of them by the increment.
    pub(super) fn class(&self) -> i128 {
        i128::from(self.start).rem_euclid(i128::from(self.increment).abs())
    }

    /// True where its next value is of its class.
    pub(super) fn is_in_class(&self) -> bool {
        self.next().rem_euclid(i128::from(self.increment).abs()) == self.class()
    }

    /// Where it must stand so that its next value is the first one of its class that is not before `least`:
    /// not below it where the sequence ascends, not above where it descends. Where its bounds hold no such
    /// value, it stands on the last one of its class: nothing is left to give.
    pub fn not_before(&self, least: i128) -> Position {
        let increment = i128::from(self.increment);
        let start = i128::from(self.start);
        let distance = if increment > 0 { least - start } else { start - least };
        // Rounded up: the first one that is not before it.
        let whole = -(-distance).div_euclid(increment.abs());
        let next = start + increment * whole;
        match self.in_bounds(next) {
            Some(value) => Position { value, called: false },
            None => Position { value: self.last_of_class(), called: true },
        }
    }

    /// Where it must stand after `setval(sequence, value, called)`: the next value is past the value, or is
    /// it where it was not called, as far as its class allows.
    pub fn set_to(&self, to: Position) -> Position {
        let value = i128::from(to.value);
        let past = if self.increment > 0 { value + 1 } else { value - 1 };
        self.not_before(if to.called { past } else { value })
    }

    fn in_bounds(&self, value: i128) -> Option<i64> {
        i64::try_from(value).ok().filter(|value| (self.min..=self.max).contains(value))
    }

    /// The last value of its class within its bounds; its start is one of them.
    fn last_of_class(&self) -> i64 {
        let bound = if self.increment > 0 { self.max } else { self.min };
        let whole = (i128::from(bound) - i128::from(self.start)) / i128::from(self.increment);
        let last = i128::from(self.start) + whole.max(0) * i128::from(self.increment);
        i64::try_from(last).unwrap_or(self.start)
    }
}
