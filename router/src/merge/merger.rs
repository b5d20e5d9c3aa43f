//! The merge of several legs' rows, driven by whoever reads the legs.
//!
//! ```text
//! loop { match merger.next(&mut out)? {
//!     Step::Rows(n)    so many DataRow messages were appended to `out`
//!     Step::Need(leg)  read this leg: push its rows, or finish it
//!     Step::NeedAny    read whichever leg has something: push or finish
//!     Step::Done       the answer is whole; what legs still have is not wanted
//! } }
//! ```
//! More rows than asked for may be pushed: they wait. Rows stay in the pieces in which they came; only of the
//! next one of each leg it is known where its fields are.

use bytes::{BufMut, Bytes, BytesMut};

use super::bounds::Bounds;
use super::compare::OrderedKey;
use super::distinct::Seen;
use super::error::MergeError;
use super::group::Groups;
use super::heap::Heap;
use super::row::{Places, Rows};
use super::types::{MergePlan, SortKey};
use super::value::ValueType;

/// So many bytes of rows are given at once.
const BATCH: usize = 32 << 10;

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
    /// So many rows were appended, one at least.
    Rows(u64),
    /// This leg's next rows are needed, or its end.
    Need(usize),
    /// Rows or the end of any leg that is not finished are needed.
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
    seen: Seen,
    legs: Vec<Leg>,
    places: Places,
    source: Source,
    skip: u64,
    left: Option<u64>,
}

/// What is here of a leg.
#[derive(Debug, Default)]
struct Leg {
    rows: Rows,
    finished: bool,
    /// The sort keys of its current row.
    order: Vec<OrderedKey>,
    /// Where the visible fields of its current row end.
    end: usize,
}

/// Where the next row comes from.
#[derive(Debug)]
enum Source {
    /// As rows come.
    Any,
    /// Smallest first, of those legs that have a current row; the others are asked for one.
    Ordered { heap: Heap, empty: Vec<usize> },
    /// Groups grow until all legs are finished.
    Grouping(Box<Groups>),
    /// Groups' rows.
    Grouped(std::vec::IntoIter<Bytes>),
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
            None if plan.order.is_empty() => Source::Any,
            None => {
                for key in &plan.order {
                    order.push((key.column, compared(columns, key.column)?, *key));
                }
                Source::Ordered { heap: Heap::default(), empty: (0..legs).rev().collect() }
            }
        };
        let keys = || order.iter().map(|(_, _, key)| OrderedKey::new(None, key)).collect();
        Ok(Merger {
            visible: plan.visible,
            columns: columns.len(),
            legs: (0..legs).map(|_| Leg { order: keys(), ..Leg::default() }).collect(),
            order,
            seen: Seen::new(distinct, bounds.max_bytes),
            places: Places::default(),
            source,
            skip: bounds.offset,
            left: bounds.limit,
        })
    }

    /// Takes rows of a leg: whole DataRow messages, as they came.
    ///
    /// # Errors
    /// What is wrong with a row, now or once it is its turn, or [`MergeError::TooLarge`].
    pub fn push(&mut self, leg: usize, rows: Bytes) -> Result<(), MergeError> {
        let leg = self.legs.get_mut(leg).filter(|leg| !leg.finished);
        let leg = leg.ok_or(MergeError::Malformed("it comes after the leg's end"))?;
        leg.rows.push(rows);
        if let Source::Grouping(groups) = &mut self.source {
            while let Some(body) = leg.rows.take()? {
                groups.add(self.places.find(body, self.columns)?)?;
            }
        }
        Ok(())
    }

    /// A leg has no further row.
    pub fn finish(&mut self, leg: usize) {
        if let Some(leg) = self.legs.get_mut(leg) {
            leg.finished = true;
        }
    }

    /// The next step; rows are appended to `out` as whole DataRow messages.
    ///
    /// # Errors
    /// [`MergeError::TooLarge`], a row that is none, or a result that fits no type.
    pub fn next(&mut self, out: &mut BytesMut) -> Result<Step, MergeError> {
        let most = out.len() + BATCH;
        let mut given = 0;
        while out.len() < most {
            if self.left == Some(0) {
                return Ok(if given > 0 { Step::Rows(given) } else { Step::Done });
            }
            match self.take(out)? {
                Ok(rows) => given += rows,
                Err(_) if given > 0 => break,
                Err(step) => return Ok(step),
            }
        }
        Ok(Step::Rows(given))
    }

    /// Writes the next row, or passes over it: how many were written; or what is needed to have one.
    fn take(&mut self, out: &mut BytesMut) -> Result<Result<u64, Step>, MergeError> {
        let all_finished = self.legs.iter().all(|leg| leg.finished);
        match &mut self.source {
            Source::Grouping(_) if !all_finished => Ok(Err(Step::NeedAny)),
            Source::Grouping(groups) => {
                self.source = Source::Grouped(groups.rows()?);
                Ok(Ok(0))
            }
            Source::Grouped(rows) => match rows.next() {
                None => Ok(Err(Step::Done)),
                Some(visible) => match is_wanted(&mut self.skip, &mut self.left) {
                    true => write(&visible, self.visible, out).map(|()| Ok(1)),
                    false => Ok(Ok(0)),
                },
            },
            Source::Any => self.take_any(all_finished, out),
            Source::Ordered { .. } => self.take_ordered(out),
        }
    }

    fn take_any(&mut self, finished: bool, out: &mut BytesMut) -> Result<Result<u64, Step>, MergeError> {
        let whole = self.visible == self.columns && !self.seen.matters();
        for number in 0..self.legs.len() {
            if whole && self.skip == 0 && self.left.is_none() {
                match self.legs[number].rows.take_piece(self.columns, out)? {
                    0 => continue,
                    rows => return Ok(Ok(rows)),
                }
            }
            if self.advance(number)? {
                return self.give(number, out).map(Ok);
            }
        }
        Ok(Err(if finished { Step::Done } else { Step::NeedAny }))
    }

    fn take_ordered(&mut self, out: &mut BytesMut) -> Result<Result<u64, Step>, MergeError> {
        while let Some(number) = self.empty().and_then(|empty| empty.last().copied()) {
            let has_row = self.advance(number)?;
            if !has_row && !self.legs[number].finished {
                return Ok(Err(Step::Need(number)));
            }
            let Source::Ordered { heap, empty } = &mut self.source else { break };
            empty.pop();
            if has_row {
                heap.push(number, |one, other| is_before(&self.legs, one, other));
            }
        }
        let Source::Ordered { heap, .. } = &self.source else { return Ok(Err(Step::Done)) };
        let Some(first) = heap.first() else { return Ok(Err(Step::Done)) };
        let given = self.give(first, out)?;
        let has_row = self.advance(first)?;
        if let Source::Ordered { heap, empty } = &mut self.source {
            match has_row {
                true => heap.first_has_changed(|one, other| is_before(&self.legs, one, other)),
                false => {
                    heap.pop(|one, other| is_before(&self.legs, one, other));
                    empty.push(first);
                }
            }
        }
        Ok(Ok(given))
    }

    fn empty(&self) -> Option<&Vec<usize>> {
        match &self.source {
            Source::Ordered { empty, .. } => Some(empty),
            Source::Any | Source::Grouping(_) | Source::Grouped(_) => None,
        }
    }

    /// The leg's next row becomes its current one; `false` where none is here.
    fn advance(&mut self, number: usize) -> Result<bool, MergeError> {
        let Some(leg) = self.legs.get_mut(number) else { return Ok(false) };
        let Some(body) = leg.rows.take()? else { return Ok(false) };
        let row = self.places.find(body, self.columns)?;
        leg.end = row.end_of(self.visible);
        for ((column, value_type, _), key) in self.order.iter().zip(&mut leg.order) {
            value_type.decode_over(row.field(*column), key.value_mut())?;
        }
        Ok(true)
    }

    /// Writes the leg's current row where it is wanted; how many rows that is.
    fn give(&mut self, number: usize, out: &mut BytesMut) -> Result<u64, MergeError> {
        let Some(leg) = self.legs.get(number) else { return Ok(0) };
        let body = leg.rows.current();
        if self.seen.matters() && !self.seen.is_new(self.places.find(body, self.columns)?, &leg.order)? {
            return Ok(0);
        }
        if !is_wanted(&mut self.skip, &mut self.left) {
            return Ok(0);
        }
        write(body.get(2..leg.end).unwrap_or_default(), self.visible, out)?;
        Ok(1)
    }
}

/// Counts OFFSET and LIMIT down for a row.
fn is_wanted(skip: &mut u64, left: &mut Option<u64>) -> bool {
    if *skip > 0 {
        *skip -= 1;
        return false;
    }
    if let Some(left) = left {
        *left -= 1;
    }
    true
}

/// True where the current row of one leg comes before that of another.
fn is_before(legs: &[Leg], one: usize, other: usize) -> bool {
    match (legs.get(one), legs.get(other)) {
        (Some(a), Some(b)) => a.order.cmp(&b.order).then(one.cmp(&other)).is_lt(),
        (_, _) => false,
    }
}

/// Writes a row of these fields.
fn write(fields: &[u8], count: usize, out: &mut BytesMut) -> Result<(), MergeError> {
    let length = i32::try_from(fields.len() + 6);
    let length = length.map_err(|_| MergeError::OutOfRange("a row is too long for a message"))?;
    out.reserve(fields.len() + 7);
    out.put_u8(b'D');
    out.put_i32(length);
    out.put_u16(count as u16);
    out.extend_from_slice(fields);
    Ok(())
}
