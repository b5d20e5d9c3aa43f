//! One SELECT over all tenants: the parts that each server gives, and the rest.

use std::collections::HashMap;
use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{A_Expr_Kind, RawStmt, SelectStmt};

use super::conditions::{count_parameters, is_known, parameters};
use super::groups::{Groups, Key};
use super::keys::{Keys, keys};
use super::leg::{Source, lay_out, leg_text, server_text};
use super::part::{Part, PartColumn};
use super::reads::{Reads, Table, unknown};
use super::reduce::{Choice, Form, Reduction};
use super::rest::{Arrival, BlockRest, Changes, Replacement, rest_text};
use super::text::expression_text;
use crate::catalog::{Catalog, SearchPath};
use crate::ids::quote_identifier;
use crate::plan::Refusal;
use crate::sql::shape::without_places;

/// How a statement is gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// What each server gives, in the order of their numbers in the legs' rows, from 1.
    pub(crate) parts: Vec<Part>,
    /// What each server runs.
    pub(crate) leg: Arc<str>,
    /// What the legs may leave out, if any of it.
    pub(crate) keys: Option<Keys>,
    /// The client's parameters that the legs have, in their order there; from 1.
    pub(crate) parameters: Vec<u16>,
    /// The client's parameters that the statement over the parts has not any more.
    pub(crate) absent: Vec<u16>,
    /// The statement over the parts as array parameters, which come after the client's own.
    pub(crate) over_arrays: Arc<str>,
    /// The statement over the parts as temporary tables.
    pub(crate) over_tables: Arc<str>,
    /// True where a part has rows as its tables have them.
    pub(crate) many: bool,
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

/// What the servers are to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Joins, groups, first rows.
    Reduce,
    /// Nothing but conditions on single tables.
    Select,
}

/// Cuts a SELECT into what each server gives and what one computes of it. `now` is what `now()` is.
pub(crate) fn cut(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
    given: Given<'_>,
    effort: Effort,
    now: &str,
) -> Result<Cut, Refusal> {
    let Node::SelectStmt(select) = statement.stmt() else { return Err(unknown()) };
    let known = known_parameters(select, given);
    let reads = Reads::of(select, catalog, path, &known, effort == Effort::Reduce)?;
    let mut made = Made::default();
    let mut changes = Changes { tables: HashMap::new(), blocks: HashMap::new(), met: HashMap::new() };
    let (mut of_tables, mut of_blocks) = (Vec::new(), Vec::new());
    for table in &reads.tables {
        let conditions: Vec<Node<'_>> =
            table.conditions.iter().copied().filter(|condition| is_known(*condition, &known)).collect();
        let replacement = made.table(table, &reads, &conditions)?;
        of_tables.push(replacement.part);
        if let Some(block) = table.filtered {
            let met = changes.met.entry(block).or_default();
            met.extend(conditions.iter().map(|condition| without_places(*condition)));
        }
        if changes.tables.insert(table.range.location, replacement).is_some() {
            return Err(unknown());
        }
    }
    for reduction in &reads.reductions {
        let block = made.block(reduction, &reads)?;
        of_blocks.push(block.part);
        if changes.blocks.insert(reduction.key, block).is_some() {
            return Err(unknown());
        }
    }
    let Made { mut parts, sources, mut sent } = made;
    if parts.is_empty() {
        return Err(unknown());
    }
    let types = lay_out(&mut parts);
    sent.sort_unstable();
    sent.dedup();
    let rest = |arrival| rest_text(statement, &changes, &parts, arrival, now);
    let (over_arrays, left) = rest(Arrival::Arrays(given.count))?;
    let number = |number: i32| u16::try_from(number).ok();
    let all = 1..=i32::try_from(given.count).map_err(|_| unknown())?;
    let leg = |more: &dyn Fn(usize) -> Vec<String>| {
        server_text(&leg_text(&parts, &sources, &types, more), &sent, now)
    };
    Ok(Cut {
        leg: leg(&|_| Vec::new())?,
        keys: keys(&reads, (&of_tables, &of_blocks), &sources, leg, now),
        parameters: sent.into_iter().filter_map(number).collect(),
        absent: all.filter(|number| !left.contains(number)).filter_map(number).collect(),
        over_arrays,
        over_tables: rest(Arrival::Tables)?.0,
        many: !reads.tables.is_empty()
            || reads
                .reductions
                .iter()
                .any(|reduction| matches!(reduction.form, Form::Rows(Choice::All | Choice::Distinct(_)))),
        home: reads.home,
        held: reads.held,
        parts,
    })
}

/// The parts so far.
#[derive(Default)]
struct Made {
    parts: Vec<Part>,
    sources: Vec<Source>,
    /// The parameters that they have.
    sent: Vec<i32>,
}

impl Made {
    /// The part of one table; one that is the same as another's is the same part.
    fn table(
        &mut self,
        table: &Table<'_>,
        reads: &Reads<'_>,
        conditions: &[Node<'_>],
    ) -> Result<Replacement, Refusal> {
        let columns = needed(table, reads);
        self.sent.extend(&table.partners.parameters);
        self.sent.extend(conditions.iter().flat_map(|condition| parameters(*condition)));
        let source = Source::of_table(table, &columns, conditions)?;
        let sent = columns.iter().filter_map(|index| table.relation.columns.get(*index));
        let part = self.add(table.relation.name.clone(), sent.map(PartColumn::of).collect(), source);
        let columns = columns.iter().filter_map(|index| table.columns.get(*index).cloned()).collect();
        Ok(Replacement { part, alias: table.alias.clone(), columns })
    }

    fn add(&mut self, name: String, columns: Vec<PartColumn>, source: Source) -> usize {
        let same = self.sources.iter().position(|other| *other == source);
        same.unwrap_or_else(|| {
            self.parts.push(Part { name, columns, looked_up: Vec::new() });
            self.sources.push(source);
            self.sources.len() - 1
        })
    }

    /// The part of a block that the servers compute.
    fn block<'a>(
        &mut self,
        reduction: &'a Reduction<'_>,
        reads: &Reads<'_>,
    ) -> Result<BlockRest<'a>, Refusal> {
        self.sent.extend(reduction.applied.iter().flat_map(|condition| parameters(*condition)));
        self.sent.extend(parameters_of_joins(reduction));
        let mut block = BlockRest {
            part: 0,
            items: reduction.items.iter().map(|item| (item.name.clone(), Vec::new())).collect(),
            left: reduction.left.clone(),
            computed: Vec::new(),
            aggregates: Vec::new(),
        };
        let mut expressions = Vec::new();
        let mut columns = Vec::new();
        match &reduction.form {
            Form::Groups(groups) => {
                for key in &groups.keys {
                    self.sent.extend(parameters(key.node));
                    match &key.column {
                        Some((item, name)) => block.items[*item].1.push((columns.len(), name.clone())),
                        None => block.computed.push((key.form.clone(), columns.len())),
                    }
                    expressions.push(expression_text(key.node)?);
                    columns.push(key.typed.clone());
                }
                for aggregate in &groups.aggregates {
                    self.sent.extend(&aggregate.parameters);
                    block.aggregates.push((aggregate, columns.len()));
                    for (expression, typed) in &aggregate.sent {
                        expressions.push(expression.clone());
                        columns.push(typed.clone());
                    }
                }
            }
            Form::Rows(choice) => {
                if let Choice::First(first) = choice {
                    let ordered = first.order.iter().map(|(node, _)| *node);
                    let nodes = ordered.chain([first.count, first.offset]);
                    self.sent.extend(nodes.flat_map(parameters));
                }
                for (item, name) in needed_of(reduction, choice, reads) {
                    let own = &reduction.items[item];
                    let typed = own.columns.iter().find(|(column, _)| *column == name);
                    let typed = typed.and_then(|(_, typed)| typed.clone()).ok_or_else(unknown)?;
                    expressions.push(format!("{}.{}", quote_identifier(&own.name), quote_identifier(&name)));
                    block.items[item].1.push((columns.len(), name));
                    columns.push(typed);
                }
            }
        }
        let source = Source::of_block(reduction, expressions)?;
        let names: Vec<&str> = reduction.items.iter().map(|item| item.name.as_str()).collect();
        block.part = self.add(names.join(", "), columns, source);
        if let (Form::Groups(groups), Some(part)) = (&reduction.form, self.parts.get_mut(block.part)) {
            part.looked_up = looked_up(groups, &reduction.left);
        }
        Ok(block)
    }
}

/// The groups' keys that conditions which are left compare with something else: what a block around gives, for which
/// the groups are looked through each time. An index is a hint only; nothing depends on it.
fn looked_up(groups: &Groups<'_>, left: &[Node<'_>]) -> Vec<usize> {
    // Others may have no order, or be too long for an index.
    let small = |key: &Key<'_>| matches!(key.typed.element_oid, 20 | 21 | 23 | 1082 | 1114 | 1184 | 2950);
    let key = |node: Node<'_>| {
        let form = without_places(node);
        groups.keys.iter().position(|key| key.form == form && small(key))
    };
    let compared = |condition: &Node<'_>| {
        let Node::A_Expr(equal) = condition else { return None };
        let is_equality =
            equal.kind == A_Expr_Kind::AEXPR_OP && equal.name().iter().map(Node::as_str).eq([Some("=")]);
        match (is_equality, key(equal.lexpr()), key(equal.rexpr())) {
            (true, Some(column), None) | (true, None, Some(column)) => Some(column),
            (_, _, _) => None,
        }
    };
    let mut columns: Vec<usize> = left.iter().filter_map(compared).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The columns of a block's items that its rows need, at least one.
fn needed_of(reduction: &Reduction<'_>, choice: &Choice<'_>, reads: &Reads<'_>) -> Vec<(usize, String)> {
    if let Choice::Distinct(columns) = choice {
        let mut columns = columns.clone();
        columns.sort_unstable();
        columns.dedup();
        return columns;
    }
    let mut needed = Vec::new();
    for (index, item) in reduction.items.iter().enumerate() {
        let whole = reduction.whole || reads.names.mean_all_of(&item.name);
        let wanted = item.columns.iter().filter(|(name, _)| whole || reads.names.mean(name));
        needed.extend(wanted.map(|(name, _)| (index, name.clone())));
    }
    if needed.is_empty()
        && let Some((name, _)) = reduction.items.first().and_then(|item| item.columns.first())
    {
        needed.push((0, name.clone()));
    }
    needed
}

/// The parameters in the conditions of a block's joins, and in its subqueries.
fn parameters_of_joins(reduction: &Reduction<'_>) -> Vec<i32> {
    reduction.select.from_clause().iter().flat_map(parameters).collect()
}

/// The parameters that mean the same in a part of the statement: their types are declared, or they stand
/// in one place only, which says what they are.
pub(super) fn known_parameters(select: &SelectStmt, given: Given<'_>) -> Vec<i32> {
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
