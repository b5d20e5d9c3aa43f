//! DISTINCT over rows of several servers, in bounded memory.

use std::collections::HashSet;

use super::compare::OrderedKey;
use super::error::MergeError;
use super::row::Row;
use super::value::ValueType;

/// What an entry of a hash set costs besides what it points to.
const ENTRY: usize = 48;

/// The rows seen so far.
#[derive(Debug)]
pub(super) struct Seen {
    columns: Vec<(usize, ValueType)>,
    rows: HashSet<Box<[u8]>>,
    order: Vec<OrderedKey>,
    /// What identifies the row that is looked at.
    identity: Vec<u8>,
    size: usize,
    max_bytes: usize,
}

impl Seen {
    /// Rows are equal where these columns are; without any, no row is equal to another.
    pub(super) fn new(columns: Vec<(usize, ValueType)>, max_bytes: usize) -> Seen {
        let (rows, order, identity) = (HashSet::new(), Vec::new(), Vec::new());
        Seen { columns, rows, order, identity, size: 0, max_bytes }
    }

    /// True where rows are looked at.
    pub(super) fn matters(&self) -> bool {
        !self.columns.is_empty()
    }

    /// True where no row equal to this one came before. `order` are the row's sort keys: SQL wants
    /// them to be among the distinct columns, so with the next key all earlier rows can be forgotten.
    pub(super) fn is_new(&mut self, row: Row<'_>, order: &[OrderedKey]) -> Result<bool, MergeError> {
        if self.order != order {
            self.order = order.to_vec();
            self.rows.clear();
            self.size = 0;
        }
        self.identity.clear();
        for (column, value_type) in &self.columns {
            value_type.identify(row.field(*column), &mut self.identity)?;
        }
        if self.rows.contains(self.identity.as_slice()) {
            return Ok(false);
        }
        self.size += ENTRY + self.identity.len();
        if self.size > self.max_bytes {
            return Err(MergeError::TooLarge(self.max_bytes));
        }
        self.rows.insert(self.identity.as_slice().into());
        Ok(true)
    }
}
