//! GROUP BY over the servers' partial groups, in bounded memory.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};

use super::aggregate::{Combiner, State};
use super::compare::OrderedKey;
use super::error::MergeError;
use super::merger::LegColumn;
use super::row::{Places, Row};
use super::types::{GroupPlan, Output, SortKey};
use super::value::ValueType;

/// What an entry of a hash map costs besides what it points to.
const ENTRY: usize = 128;

/// The groups seen so far.
#[derive(Debug)]
pub(super) struct Groups {
    keys: Vec<(usize, ValueType)>,
    outputs: Vec<Slot>,
    order: Vec<(Place, SortKey)>,
    groups: HashMap<Box<[u8]>, Group>,
    /// What identifies the group of the row that is looked at.
    identity: Vec<u8>,
    columns: usize,
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
    /// The body of its first row.
    first: Option<Box<[u8]>>,
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
        let (columns, identity) = (columns.len(), Vec::new());
        let mut groups =
            Groups { keys, outputs, order, groups: HashMap::new(), identity, columns, size: 0, max_bytes };
        if plan.keys.is_empty() {
            let group = groups.empty_group();
            groups.groups.insert(Box::default(), group);
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
    pub(super) fn add(&mut self, row: Row<'_>) -> Result<(), MergeError> {
        self.identity.clear();
        for (column, value_type) in &self.keys {
            value_type.identify(row.field(*column), &mut self.identity)?;
        }
        if !self.groups.contains_key(self.identity.as_slice()) {
            let group = self.empty_group();
            self.size += ENTRY + self.identity.len();
            self.groups.insert(self.identity.as_slice().into(), group);
        }
        let group = self.groups.get_mut(self.identity.as_slice());
        let group = group.ok_or(MergeError::Plan("a group is lost"))?;
        if group.first.is_none() {
            self.size += row.body().len() + group.states.iter().map(State::size).sum::<usize>();
            group.first = Some(row.body().into());
        }
        for slot in &self.outputs {
            let Slot::Aggregate { combiner, state } = slot else { continue };
            let Some(state) = group.states.get_mut(*state) else { continue };
            let before = state.size();
            combiner.combine(state, &row)?;
            self.size = (self.size + state.size()).saturating_sub(before);
        }
        if self.size > self.max_bytes { Err(MergeError::TooLarge(self.max_bytes)) } else { Ok(()) }
    }

    /// The visible fields of all groups' rows, in order.
    pub(super) fn rows(&mut self) -> Result<std::vec::IntoIter<Bytes>, MergeError> {
        let groups = std::mem::take(&mut self.groups);
        let mut places = Places::default();
        let rows = groups.into_values().map(|group| self.row(&group, &mut places));
        let mut rows = rows.collect::<Result<Vec<_>, MergeError>>()?;
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>().into_iter())
    }

    fn row(&self, group: &Group, places: &mut Places) -> Result<(Vec<OrderedKey>, Bytes), MergeError> {
        let mut out = BytesMut::new();
        let first = group.first.as_deref().map(|body| places.find(body, self.columns)).transpose()?;
        let mut results = Vec::with_capacity(self.outputs.len());
        for (column, slot) in self.outputs.iter().enumerate() {
            match slot {
                Slot::Key => {
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
                    let field = first.and_then(|first| first.field(*column));
                    field.map(|field| value_type.decode(field)).transpose()?
                }
            };
            Ok(OrderedKey::new(value, key))
        };
        let keys = self.order.iter().map(key).collect::<Result<Vec<_>, MergeError>>()?;
        Ok((keys, out.freeze()))
    }
}
