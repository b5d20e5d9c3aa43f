//! The merge of several legs' rows, driven by whoever reads the legs.
//!
//! ```text
//! loop { match merger.next(&mut out)? {
//!     Step::Row        one DataRow message was appended to `out`
//!     Step::Need(leg)  read this leg: push its row, or finish it
//!     Step::NeedAny    read whichever leg has something: push or finish
//!     Step::Done       the answer is whole; what legs still have is not wanted
//! } }
//! ```
//! More rows than asked for may be pushed: they wait.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use bytes::{BufMut, Bytes, BytesMut};

use super::bounds::Bounds;
use super::compare::OrderedKey;
use super::distinct::Seen;
use super::error::MergeError;
use super::group::{Groups, decode};
use super::row::Row;
use super::types::{MergePlan, SortKey};
use super::value::{Value, ValueType};

/// A column as the legs' RowDescription tells it, with the format that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegColumn {
    /// OID of its type.
    pub type_oid: u32,
    /// Type modifier, -1 for none.
    pub type_modifier: i32,
    /// True for the binary format; hidden columns always have it.
    pub binary: bool,
}

/// What the driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A row was appended.
    Row,
    /// This leg's next row is needed, or its end.
    Need(usize),
    /// A row or the end of any leg that is not finished is needed.
    NeedAny,
    /// There is no further row.
    Done,
}

/// Merges the rows of several legs.
#[derive(Debug)]
pub struct Merger {
    visible: usize,
    columns: usize,
    order: Vec<(usize, ValueType, SortKey)>,
    distinct: Vec<(usize, ValueType)>,
    seen: Seen,
    finished: Vec<bool>,
    source: Source,
    skip: u64,
    left: Option<u64>,
}

/// Where the next row comes from.
#[derive(Debug)]
enum Source {
    /// As rows come.
    Any(VecDeque<Head>),
    /// Smallest first: one row a leg stands in the heap.
    Ordered { queues: Vec<VecDeque<Head>>, heap: BinaryHeap<Reverse<Head>>, empty: Vec<usize> },
    /// Groups grow until all legs are finished.
    Grouping(Box<Groups>),
    /// Groups' rows.
    Grouped(std::vec::IntoIter<Bytes>),
}

/// A row that waits to be given.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    order: Vec<OrderedKey>,
    leg: usize,
    distinct: Vec<Option<Value>>,
    visible: Bytes,
}

/// The value type of a column that is compared; it must be in binary format.
pub(super) fn compared(columns: &[LegColumn], column: usize) -> Result<ValueType, MergeError> {
    let described = columns.get(column).ok_or(MergeError::Plan("a hidden column is missing"))?;
    if !described.binary {
        return Err(MergeError::Plan("a hidden column is not in binary format"));
    }
    ValueType::of_oid(described.type_oid)
}

impl Merger {
    /// A merge by `plan` of `legs` legs, which all have these columns, visible and hidden.
    ///
    /// # Errors
    /// [`MergeError::Unsupported`] where a type does not compare or add here exactly as in
    /// PostgreSQL; [`MergeError::Plan`] where plan and columns do not fit. No row was needed yet.
    pub fn new(
        plan: &MergePlan,
        columns: &[LegColumn],
        legs: usize,
        bounds: Bounds,
    ) -> Result<Merger, MergeError> {
        if columns.len() != plan.visible + plan.hidden {
            return Err(MergeError::Plan("their number differs"));
        }
        if columns.iter().skip(plan.visible).any(|column| !column.binary) {
            return Err(MergeError::Plan("a hidden column is not in binary format"));
        }
        let distinct = plan.distinct.iter().map(|&column| Ok((column, compared(columns, column)?)));
        let distinct = distinct.collect::<Result<Vec<_>, MergeError>>()?;
        let mut order = Vec::new();
        let source = match &plan.group {
            Some(_) if !distinct.is_empty() => return Err(MergeError::Plan("groups that are distinct")),
            Some(group) if group.outputs.len() != plan.visible => {
                return Err(MergeError::Plan("a group's outputs are not the visible columns"));
            }
            Some(group) => {
                Source::Grouping(Box::new(Groups::new(group, &plan.order, columns, bounds.max_bytes)?))
            }
            None if plan.order.is_empty() => Source::Any(VecDeque::new()),
            None => {
                for key in &plan.order {
                    order.push((key.column, compared(columns, key.column)?, *key));
                }
                let queues = (0..legs).map(|_| VecDeque::new()).collect();
                Source::Ordered { queues, heap: BinaryHeap::new(), empty: (0..legs).rev().collect() }
            }
        };
        Ok(Merger {
            visible: plan.visible,
            columns: columns.len(),
            order,
            distinct,
            seen: Seen::new(bounds.max_bytes),
            finished: vec![false; legs],
            source,
            skip: bounds.offset,
            left: bounds.limit,
        })
    }

    /// Takes a row of a leg: the body of its DataRow message.
    ///
    /// # Errors
    /// What is wrong with the row, or [`MergeError::TooLarge`].
    pub fn push(&mut self, leg: usize, body: Bytes) -> Result<(), MergeError> {
        if self.finished.get(leg) != Some(&false) {
            return Err(MergeError::Malformed("it comes after the leg's end"));
        }
        let row = Row::read(body, self.columns)?;
        if let Source::Grouping(groups) = &mut self.source {
            return groups.add(&row, self.columns);
        }
        let mut order = Vec::with_capacity(self.order.len());
        for (column, value_type, key) in &self.order {
            let value = row.field(*column).map(|field| value_type.decode(field)).transpose()?;
            order.push(OrderedKey::new(value, key));
        }
        let distinct = decode(&row, &self.distinct)?;
        let head = Head { order, leg, distinct, visible: row.visible(self.visible) };
        match &mut self.source {
            Source::Any(queue) => queue.push_back(head),
            Source::Ordered { queues, .. } => {
                if let Some(queue) = queues.get_mut(leg) {
                    queue.push_back(head);
                }
            }
            Source::Grouping(_) | Source::Grouped(_) => {}
        }
        Ok(())
    }

    /// A leg has no further row.
    pub fn finish(&mut self, leg: usize) {
        if let Some(finished) = self.finished.get_mut(leg) {
            *finished = true;
        }
    }

    /// The next step; a row is appended to `out` as a whole DataRow message.
    ///
    /// # Errors
    /// [`MergeError::TooLarge`], or a result that fits no type.
    pub fn next(&mut self, out: &mut BytesMut) -> Result<Step, MergeError> {
        loop {
            if self.left == Some(0) {
                return Ok(Step::Done);
            }
            let head = match self.take()? {
                Ok(head) => head,
                Err(step) => return Ok(step),
            };
            if !self.distinct.is_empty() && !self.seen.is_new(&head.distinct, &head.order)? {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            if let Some(left) = &mut self.left {
                *left -= 1;
            }
            self.write(&head.visible, out)?;
            return Ok(Step::Row);
        }
    }

    /// The next row before DISTINCT, OFFSET and LIMIT, or what is needed to have it.
    fn take(&mut self) -> Result<Result<Head, Step>, MergeError> {
        let all_finished = self.finished.iter().all(|finished| *finished);
        if all_finished && let Source::Grouping(groups) = &mut self.source {
            self.source = Source::Grouped(groups.rows()?);
        }
        let starved = if all_finished { Step::Done } else { Step::NeedAny };
        Ok(match &mut self.source {
            Source::Any(queue) => queue.pop_front().ok_or(starved),
            Source::Grouping(_) => Err(starved),
            Source::Grouped(rows) => rows.next().map(Head::of_group).ok_or(Step::Done),
            Source::Ordered { queues, heap, empty } => {
                while let Some(&leg) = empty.last() {
                    match queues.get_mut(leg).and_then(VecDeque::pop_front) {
                        Some(head) => heap.push(Reverse(head)),
                        None if self.finished.get(leg) == Some(&false) => return Ok(Err(Step::Need(leg))),
                        None => {}
                    }
                    empty.pop();
                }
                let head = heap.pop().map(|Reverse(head)| head);
                empty.extend(head.as_ref().map(|head| head.leg));
                head.ok_or(Step::Done)
            }
        })
    }

    fn write(&self, visible: &[u8], out: &mut BytesMut) -> Result<(), MergeError> {
        let length = i32::try_from(visible.len() + 6);
        let length = length.map_err(|_| MergeError::OutOfRange("a row is too long for a message"))?;
        out.reserve(visible.len() + 7);
        out.put_u8(b'D');
        out.put_i32(length);
        out.put_u16(self.visible as u16);
        out.extend_from_slice(visible);
        Ok(())
    }
}

impl Head {
    fn of_group(visible: Bytes) -> Head {
        Head { order: Vec::new(), leg: 0, distinct: Vec::new(), visible }
    }
}
