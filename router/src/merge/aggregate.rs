//! Partial aggregates of the servers become one.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::MergeError;
use super::merger::LegColumn;
use super::numeric::Numeric;
use super::row::Row;
use super::types::{Aggregate, AggregateKind};
use super::value::{Value, ValueType};

const BOOL: u32 = 16;
const INT8: u32 = 20;
const NUMERIC: u32 = 1700;

/// How one aggregate of a plan is combined; the same for all groups.
#[derive(Debug, Clone)]
pub(super) struct Combiner {
    kind: AggregateKind,
    /// The visible column.
    output: usize,
    /// The client's format of it.
    binary: bool,
    parts: Vec<(usize, ValueType)>,
}

impl Combiner {
    /// Checks that the aggregate's parts and its result have types that combine exactly.
    pub(super) fn new(
        aggregate: &Aggregate,
        output: usize,
        columns: &[LegColumn],
    ) -> Result<Combiner, MergeError> {
        let oid = |column: usize| {
            columns.get(column).map(|column| column.type_oid).ok_or(MergeError::Plan("a part is missing"))
        };
        let part = |index: usize| {
            aggregate.parts.get(index).copied().ok_or(MergeError::Plan("an aggregate lacks a part"))
        };
        let (first, result) = (oid(part(0)?)?, oid(output)?);
        let (act, fits) = match aggregate.kind {
            AggregateKind::Count => ("count", first == INT8 && result == INT8),
            AggregateKind::Sum => ("sum", matches!(first, INT8 | NUMERIC) && result == first),
            AggregateKind::Average => {
                let sums = matches!(first, INT8 | NUMERIC) && oid(part(1)?)? == INT8;
                ("average", sums && result == NUMERIC)
            }
            AggregateKind::And | AggregateKind::Or => ("combine", first == BOOL && result == BOOL),
            AggregateKind::Min | AggregateKind::Max => ("compare", result == first),
        };
        if !fits {
            let type_oid = if result == first { first } else { result };
            return Err(MergeError::Unsupported { act, type_oid });
        }
        let parts = aggregate.parts.iter().map(|&part| Ok((part, ValueType::of_oid(oid(part)?)?)));
        let parts = parts.collect::<Result<Vec<_>, MergeError>>()?;
        let binary = columns.get(output).is_some_and(|column| column.binary);
        Ok(Combiner { kind: aggregate.kind, output, binary, parts })
    }

    /// The state of a group that has no row yet.
    pub(super) fn start(&self) -> State {
        State { value: None, count: 0, field: None }
    }

    /// Adds the part of one leg's row.
    pub(super) fn combine(&self, state: &mut State, row: &Row<'_>) -> Result<(), MergeError> {
        let part = |index: usize| match self.parts.get(index) {
            None => Ok(None),
            Some((column, value_type)) => {
                row.field(*column).map(|field| value_type.decode(field)).transpose()
            }
        };
        if self.kind == AggregateKind::Average {
            let count = match part(1)? {
                Some(Value::Integer(count)) => u64::try_from(count).ok(),
                None | Some(Value::Float(_) | Value::Numeric(_) | Value::Bytes(_)) => None,
            };
            let count = count.ok_or(MergeError::Malformed("an average's count is no count"))?;
            let total = state.count.checked_add(count);
            state.count = total.ok_or(MergeError::OutOfRange("bigint out of range"))?;
        }
        let Some(value) = part(0)? else { return Ok(()) };
        let Some(standing) = &state.value else {
            return self.replace(state, row, &value);
        };
        match self.kind {
            AggregateKind::Count | AggregateKind::Sum | AggregateKind::Average => {
                state.value = Some(add(standing, &value)?);
                Ok(())
            }
            AggregateKind::Min | AggregateKind::And if value < *standing => self.replace(state, row, &value),
            AggregateKind::Max | AggregateKind::Or if value > *standing => self.replace(state, row, &value),
            AggregateKind::Min | AggregateKind::Max | AggregateKind::And | AggregateKind::Or => Ok(()),
        }
    }

    fn replace(&self, state: &mut State, row: &Row<'_>, value: &Value) -> Result<(), MergeError> {
        state.value = Some(value.clone());
        if matches!(self.kind, AggregateKind::Min | AggregateKind::Max) {
            state.field = Some(Bytes::copy_from_slice(row.raw_field(self.output)));
        }
        Ok(())
    }

    /// The aggregate's value over the whole group, for ORDER BY and for the client; `None` is NULL.
    pub(super) fn result(&self, state: &State) -> Option<Value> {
        match self.kind {
            AggregateKind::Count => Some(state.value.clone().unwrap_or(Value::Integer(0))),
            AggregateKind::Average if state.count == 0 => None,
            AggregateKind::Average => state.value.as_ref().map(|sum| match sum {
                Value::Integer(sum) => Value::Numeric(Numeric::from_integer(*sum).average(state.count)),
                Value::Numeric(sum) => Value::Numeric(sum.average(state.count)),
                Value::Float(_) | Value::Bytes(_) => sum.clone(),
            }),
            AggregateKind::Sum
            | AggregateKind::Min
            | AggregateKind::Max
            | AggregateKind::And
            | AggregateKind::Or => state.value.clone(),
        }
    }

    /// Writes the result as a field of a DataRow, length word and content, in the client's format.
    pub(super) fn write(&self, state: &State, result: Option<&Value>, out: &mut BytesMut) {
        if let Some(field) = &state.field {
            return out.extend_from_slice(field);
        }
        let Some(result) = result else { return out.put_i32(-1) };
        let boolean = matches!(self.kind, AggregateKind::And | AggregateKind::Or);
        let content: Vec<u8> = match result {
            Value::Integer(value) if boolean && self.binary => vec![u8::from(*value != 0)],
            Value::Integer(value) if boolean => vec![if *value != 0 { b't' } else { b'f' }],
            Value::Integer(value) if self.binary => value.to_be_bytes().to_vec(),
            Value::Integer(value) => value.to_string().into_bytes(),
            Value::Numeric(value) if self.binary => value.binary(),
            Value::Numeric(value) => value.text().into_bytes(),
            Value::Float(_) | Value::Bytes(_) => Vec::new(),
        };
        out.put_i32(content.len() as i32);
        out.extend_from_slice(&content);
    }
}

/// What one aggregate of one group has come to.
#[derive(Debug)]
pub(super) struct State {
    /// The sum or the extreme so far.
    value: Option<Value>,
    /// How many values an average is over.
    count: u64,
    /// The visible field of the extreme, with its length word.
    field: Option<Bytes>,
}

impl State {
    /// About how much memory it takes.
    pub(super) fn size(&self) -> usize {
        let value = self.value.as_ref().map_or(0, Value::heap_size);
        size_of::<State>() + value + self.field.as_ref().map_or(0, Bytes::len)
    }
}

fn add(one: &Value, other: &Value) -> Result<Value, MergeError> {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => {
            let sum = one.checked_add(*other);
            sum.map(Value::Integer).ok_or(MergeError::OutOfRange("bigint out of range"))
        }
        (Value::Numeric(one), Value::Numeric(other)) => one.add(other).map(Value::Numeric),
        (Value::Integer(_) | Value::Numeric(_) | Value::Float(_) | Value::Bytes(_), _) => {
            Err(MergeError::Malformed("parts of one sum have different types"))
        }
    }
}
