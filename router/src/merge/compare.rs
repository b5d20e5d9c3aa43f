//! The order of rows: ORDER BY's keys with DESC and NULLS FIRST.

use std::cmp::Ordering;

use super::types::SortKey;
use super::value::Value;

/// One key of a row together with how it is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OrderedKey {
    value: Option<Value>,
    descending: bool,
    nulls_first: bool,
}

impl OrderedKey {
    pub(super) fn new(value: Option<Value>, key: &SortKey) -> OrderedKey {
        OrderedKey { value, descending: key.descending, nulls_first: key.nulls_first }
    }

    /// The value, to be replaced by another row's.
    pub(super) fn value_mut(&mut self) -> &mut Option<Value> {
        &mut self.value
    }
}

impl Ord for OrderedKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let null_side = if self.nulls_first { Ordering::Less } else { Ordering::Greater };
        match (&self.value, &other.value) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => null_side,
            (Some(_), None) => null_side.reverse(),
            (Some(one), Some(other)) if self.descending => other.cmp(one),
            (Some(one), Some(other)) => one.cmp(other),
        }
    }
}

impl PartialOrd for OrderedKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
