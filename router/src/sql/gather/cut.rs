//! One SELECT over all tenants: the parts that each server gives, and the rest.

use std::collections::HashMap;
use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{RawStmt, SelectStmt};

use super::conditions::{count_parameters, parameters};
use super::leg::{Source, lay_out, leg_text};
use super::part::{Part, PartColumn};
use super::reads::{Reads, Table, unknown};
use super::rest::{Arrival, Replacement, rest_text};
use crate::catalog::{Catalog, SearchPath};
use crate::plan::Refusal;

/// How a statement is gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// What each server gives, in the order of their numbers in the legs' rows, from 1.
    pub(crate) parts: Vec<Part>,
    /// What each server runs.
    pub(crate) leg: Arc<str>,
    /// The client's parameters that the legs have, in their order there; from 1.
    pub(crate) parameters: Vec<u16>,
    /// The statement over the parts as array parameters, which come after the client's own.
    pub(crate) over_arrays: Arc<str>,
    /// The statement over the parts as temporary tables.
    pub(crate) over_tables: Arc<str>,
    /// True where the home server must compute it.
    pub(crate) home: bool,
    /// True where the connection that the session keeps must compute it.
    pub(crate) held: bool,
}

/// What is known of the client's parameters: how many there are, and the types that it declared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'a> {
    /// OIDs of types, 0 where the server infers it.
    pub(crate) types: &'a [u32],
    /// How many parameters the statement has.
    pub(crate) count: usize,
}

/// Cuts a SELECT into what each server gives and what one computes of it. `now` is what `now()` is.
pub(crate) fn cut(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
    given: Given<'_>,
    now: &str,
) -> Result<Cut, Refusal> {
    let Node::SelectStmt(select) = statement.stmt() else { return Err(unknown()) };
    let reads = Reads::of(select, catalog, path)?;
    let known = known_parameters(select, given);
    let mut parts: Vec<Part> = Vec::new();
    let mut sources: Vec<Source> = Vec::new();
    let mut replacements = HashMap::new();
    let mut sent = Vec::new();
    for table in &reads.tables {
        let columns = needed(table, &reads);
        let conditions: Vec<Node<'_>> = table
            .conditions
            .iter()
            .copied()
            .filter(|condition| parameters(*condition).iter().all(|number| known.contains(number)))
            .collect();
        sent.extend(conditions.iter().flat_map(|condition| parameters(*condition)));
        let source = Source::of_table(table, &columns, &conditions)?;
        let part = sources.iter().position(|other| *other == source).unwrap_or_else(|| {
            let columns = columns.iter().filter_map(|index| table.relation.columns.get(*index));
            let name = table.relation.name.clone();
            parts.push(Part { name, columns: columns.map(PartColumn::of).collect() });
            sources.push(source);
            sources.len() - 1
        });
        let columns = columns.iter().filter_map(|index| table.columns.get(*index).cloned()).collect();
        let replacement = Replacement { part, alias: table.alias.clone(), columns };
        if replacements.insert(table.range.location, replacement).is_some() {
            return Err(unknown());
        }
    }
    if parts.is_empty() {
        return Err(unknown());
    }
    let types = lay_out(&mut parts);
    sent.sort_unstable();
    sent.dedup();
    let rest = |arrival| rest_text(statement, &replacements, &parts, arrival, now);
    Ok(Cut {
        leg: leg_text(&parts, &sources, &types, &sent, now)?,
        parameters: sent.into_iter().filter_map(|number| u16::try_from(number).ok()).collect(),
        over_arrays: rest(Arrival::Arrays(given.count))?,
        over_tables: rest(Arrival::Tables)?,
        home: reads.home,
        held: reads.held,
        parts,
    })
}

/// The parameters that mean the same in a part of the statement: their types are declared, or they stand
/// in one place only, which says what they are.
fn known_parameters(select: &SelectStmt, given: Given<'_>) -> Vec<i32> {
    let mut counts = HashMap::new();
    count_parameters(Node::SelectStmt(select), &mut counts);
    let declared = |number: i32| {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        index.and_then(|index| given.types.get(index)).is_some_and(|oid| *oid != 0)
    };
    counts
        .into_iter()
        .filter(|(number, count)| *count == 1 || declared(*number))
        .map(|(number, _)| number)
        .collect()
}

/// The columns that a reference's rows need; one at least, for there may be as many rows as there are.
fn needed(table: &Table<'_>, reads: &Reads<'_>) -> Vec<usize> {
    let whole = table.whole || reads.names.mean_all_of(&table.alias);
    let wanted =
        |index: &usize| whole || table.columns.get(*index).is_some_and(|name| reads.names.mean(name));
    let columns: Vec<usize> = (0..table.columns.len()).filter(wanted).collect();
    match (columns.is_empty(), table.relation.tenant_column()) {
        (true, Some((column, _))) => table.relation.column(&column.name).into_iter().collect(),
        (_, _) => columns,
    }
}
