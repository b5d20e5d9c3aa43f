//! DISTINCT over rows of several servers, in bounded memory.

use std::collections::HashSet;

use super::compare::OrderedKey;
use super::error::MergeError;
use super::value::Value;

/// What an entry of a hash set costs besides what it points to.
const ENTRY: usize = 96;

/// The rows seen so far.
#[derive(Debug)]
pub(super) struct Seen {
    rows: HashSet<Vec<Option<Value>>>,
    order: Vec<OrderedKey>,
    size: usize,
    max_bytes: usize,
}

impl Seen {
    pub(super) fn new(max_bytes: usize) -> Seen {
        Seen { rows: HashSet::new(), order: Vec::new(), size: 0, max_bytes }
    }

    /// True where no row with these values came before. `order` are the row's sort keys: SQL wants
    /// them to be among the distinct columns, so with the next key all earlier rows can be forgotten.
    pub(super) fn is_new(
        &mut self,
        values: &[Option<Value>],
        order: &[OrderedKey],
    ) -> Result<bool, MergeError> {
        if self.order != order {
            self.order = order.iter().map(OrderedKey::detached).collect();
            self.rows.clear();
            self.size = 0;
        }
        if self.rows.contains(values) {
            return Ok(false);
        }
        let values: Vec<_> = values.iter().map(|value| value.as_ref().map(Value::detached)).collect();
        self.size += ENTRY + size_of_val(values.as_slice());
        self.size += values.iter().flatten().map(Value::heap_size).sum::<usize>();
        if self.size > self.max_bytes {
            return Err(MergeError::TooLarge(self.max_bytes));
        }
        self.rows.insert(values);
        Ok(true)
    }
}
