//! GROUP BY over the servers' partial groups, in bounded memory.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};

use super::aggregate::{Combiner, State};
use super::compare::OrderedKey;
use super::error::MergeError;
use super::merger::LegColumn;
use super::row::Row;
use super::types::{GroupPlan, Output, SortKey};
use super::value::{Value, ValueType};

/// What an entry of a hash map costs besides what it points to.
const ENTRY: usize = 128;

/// The groups seen so far.
#[derive(Debug)]
pub(super) struct Groups {
    keys: Vec<(usize, ValueType)>,
    outputs: Vec<Slot>,
    order: Vec<(Place, SortKey)>,
    groups: HashMap<Vec<Option<Value>>, Group>,
    size: usize,
    max_bytes: usize,
}

/// Where a visible column comes from.
#[derive(Debug)]
enum Slot {
    Key,
    Aggregate { combiner: Combiner, state: usize },
}

/// Where a sort key comes from.
#[derive(Debug)]
enum Place {
    Column(usize, ValueType),
    Output(usize),
}

/// One group.
#[derive(Debug)]
struct Group {
    first: Option<Row>,
    states: Vec<State>,
}

impl Groups {
    pub(super) fn new(
        plan: &GroupPlan,
        order: &[SortKey],
        columns: &[LegColumn],
        max_bytes: usize,
    ) -> Result<Groups, MergeError> {
        let typed = |column: usize| super::merger::compared(columns, column);
        let keys = plan.keys.iter().map(|&key| Ok((key, typed(key)?))).collect::<Result<_, MergeError>>()?;
        let mut states = 0;
        let slot = |(output, from): (usize, &Output)| match from {
            Output::Key => Ok(Slot::Key),
            Output::Aggregate(aggregate) => {
                states += 1;
                let combiner = Combiner::new(aggregate, output, columns)?;
                Ok(Slot::Aggregate { combiner, state: states - 1 })
            }
        };
        let outputs = plan.outputs.iter().enumerate().map(slot).collect::<Result<Vec<_>, MergeError>>()?;
        let place = |key: &SortKey| match key.output {
            None => Ok((Place::Column(key.column, typed(key.column)?), *key)),
            Some(output) if matches!(outputs.get(output), Some(Slot::Aggregate { .. })) => {
                Ok((Place::Output(output), *key))
            }
            Some(_) => Err(MergeError::Plan("the order names an output that is no aggregate")),
        };
        let order = order.iter().map(place).collect::<Result<_, MergeError>>()?;
        let mut groups = Groups { keys, outputs, order, groups: HashMap::new(), size: 0, max_bytes };
        if plan.keys.is_empty() {
            let group = groups.empty_group();
            groups.groups.insert(Vec::new(), group);
        }
        Ok(groups)
    }

    fn empty_group(&self) -> Group {
        let states = self.outputs.iter().filter_map(|slot| match slot {
            Slot::Key => None,
            Slot::Aggregate { combiner, .. } => Some(combiner.start()),
        });
        Group { first: None, states: states.collect() }
    }

    /// Adds a leg's row to its group.
    pub(super) fn add(&mut self, row: &Row, columns: usize) -> Result<(), MergeError> {
        let keys = decode(row, &self.keys)?;
        if !self.groups.contains_key(&keys) {
            let group = self.empty_group();
            let keys: Vec<_> = keys.iter().map(|key| key.as_ref().map(Value::detached)).collect();
            self.size += ENTRY + keys.iter().flatten().map(Value::heap_size).sum::<usize>();
            self.groups.insert(keys, group);
        }
        let group = self.groups.get_mut(&keys).ok_or(MergeError::Plan("a group is lost"))?;
        if group.first.is_none() {
            let first = row.detached(columns)?;
            self.size += first.size() + group.states.iter().map(State::size).sum::<usize>();
            group.first = Some(first);
        }
        for slot in &self.outputs {
            let Slot::Aggregate { combiner, state } = slot else { continue };
            let Some(state) = group.states.get_mut(*state) else { continue };
            let before = state.size();
            combiner.combine(state, row)?;
            self.size = (self.size + state.size()).saturating_sub(before);
        }
        if self.size > self.max_bytes { Err(MergeError::TooLarge(self.max_bytes)) } else { Ok(()) }
    }

    /// The visible fields of all groups' rows, in order.
    pub(super) fn rows(&mut self) -> Result<std::vec::IntoIter<Bytes>, MergeError> {
        let groups = std::mem::take(&mut self.groups);
        let rows = groups.into_values().map(|group| self.row(&group));
        let mut rows = rows.collect::<Result<Vec<_>, MergeError>>()?;
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>().into_iter())
    }

    fn row(&self, group: &Group) -> Result<(Vec<OrderedKey>, Bytes), MergeError> {
        let mut out = BytesMut::new();
        let mut results = Vec::with_capacity(self.outputs.len());
        for (column, slot) in self.outputs.iter().enumerate() {
            match slot {
                Slot::Key => {
                    let first = group.first.as_ref();
                    let first =
                        first.ok_or(MergeError::Malformed("no server gave a row of the aggregate"))?;
                    out.extend_from_slice(first.raw_field(column));
                    results.push(None);
                }
                Slot::Aggregate { combiner, state } => {
                    let state =
                        group.states.get(*state).ok_or(MergeError::Plan("an aggregate has no state"))?;
                    let result = combiner.result(state);
                    combiner.write(state, result.as_ref(), &mut out);
                    results.push(result);
                }
            }
        }
        let key = |(place, key): &(Place, SortKey)| {
            let value = match place {
                Place::Output(output) => results.get(*output).cloned().flatten(),
                Place::Column(column, value_type) => {
                    let field = group.first.as_ref().and_then(|first| first.field(*column));
                    field.map(|field| value_type.decode(field)).transpose()?
                }
            };
            Ok(OrderedKey::new(value, key))
        };
        let keys = self.order.iter().map(key).collect::<Result<Vec<_>, MergeError>>()?;
        Ok((keys, out.freeze()))
    }
}

/// The values of a row's columns.
pub(super) fn decode(row: &Row, columns: &[(usize, ValueType)]) -> Result<Vec<Option<Value>>, MergeError> {
    let value = |(column, value_type): &(usize, ValueType)| {
        row.field(*column).map(|field| value_type.decode(field)).transpose()
    };
    columns.iter().map(value).collect()
}
