//! The text for the server that computes the answer: the statement itself, in which each sharded table is
//! a subquery of the same name over the rows that arrived, and the FROM clause of a block that the servers
//! have computed is made of what they sent, again under the names of its items.

use std::collections::HashMap;
use std::sync::Arc;

use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{ColumnRefMut, RawStmt, SelectStmtMut};
use pg_raw_parse::transform::{Assignable, Transform, transform_node, transform_select_stmt};
use pg_raw_parse::{Node, NodeMut};

use super::conditions::{conjuncts, count_parameters};
use super::groups::{Aggregate, Combine};
use super::part::Part;
use super::reads::unknown;
use super::reduce::{BlockKey, is_star, key_of};
use super::text::{conjunction, star_of};
use crate::ids::quote_identifier;
use crate::plan::Refusal;
use crate::sql::rewrite::{print, trees};
use crate::sql::shape::{self, output_name, without_places};

/// What the names of columns begin with that stand in a block of the statement beside those of its own items.
const HIDDEN: &str = "?";

/// How rows arrive at the server that computes the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// As array parameters, after this many of the client's own.
    Arrays(usize),
    /// In temporary tables.
    Tables,
}

/// One reference that is replaced.
#[derive(Debug)]
pub(super) struct Replacement {
    /// The part that has its rows.
    pub(super) part: usize,
    /// The name that its columns are qualified with.
    pub(super) alias: String,
    /// The names of the part's columns.
    pub(super) columns: Vec<String>,
}

/// A block whose FROM clause is made of a part.
pub(super) struct BlockRest<'a> {
    /// The part that the servers send of it.
    pub(super) part: usize,
    /// Its items, and which columns of the part are theirs, by what names.
    pub(super) items: Vec<(String, Vec<(usize, String)>)>,
    /// The conditions that the servers have not applied.
    pub(super) left: Vec<Node<'a>>,
    /// Expressions that are columns of the part, as trees without places.
    pub(super) computed: Vec<(String, usize)>,
    /// Aggregates, each with its first column.
    pub(super) aggregates: Vec<(&'a Aggregate, usize)>,
}

/// What becomes of a statement's tables.
pub(super) struct Changes<'a> {
    /// References, by where they stand.
    pub(super) tables: HashMap<i32, Replacement>,
    pub(super) blocks: HashMap<BlockKey, BlockRest<'a>>,
    /// Conditions of WHERE that all rows of the parts meet, as trees without places; by their blocks. Judged
    /// again they would only deceive PostgreSQL about how many rows there are.
    pub(super) met: HashMap<BlockKey, Vec<String>>,
}

/// The statement over the rows that arrived, and the client's parameters that it still has.
pub(super) fn rest_text(
    statement: &RawStmt,
    changes: &Changes<'_>,
    parts: &[Part],
    arrival: Arrival,
    now: &str,
) -> Result<(Arc<str>, Vec<i32>), Refusal> {
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let mut replace =
            Replace { mem, changes, parts, arrival, replaced: 0, failed: false, around: Vec::new() };
        replace.transform_raw_stmt(copy.as_mut());
        let wanted = changes.tables.len() + changes.blocks.len();
        let whole = !replace.failed && replace.replaced == wanted;
        match whole && shape::stop_clock(&mut copy, mem, now) {
            true => Ok(copy),
            false => Err(unknown()),
        }
    })?;
    let mut counts = HashMap::new();
    count_parameters(tree.stmt(), &mut counts);
    Ok((print(&tree)?, counts.into_keys().collect()))
}

struct Replace<'mem, 'c, 'a> {
    mem: MemoryToken<'mem>,
    changes: &'c Changes<'a>,
    parts: &'c [Part],
    arrival: Arrival,
    replaced: usize,
    failed: bool,
    /// The blocks around, the innermost last; those that are as they were are `None`.
    around: Vec<Option<&'c BlockRest<'a>>>,
}

impl<'mem> Transform<'mem> for Replace<'mem, '_, '_> {
    fn transform_node<'mutref>(&mut self, node: Assignable<'mem, 'mutref>) {
        let replacement = match &*node {
            NodeMut::RangeVar(range) if range.schemaname() != Some("pg_temp") => {
                let Some(table) = self.changes.tables.get(&range.location) else { return };
                self.replaced += 1;
                Some(self.subquery(table))
            }
            NodeMut::RangeVar(_) => return,
            _ => self.computed(node.as_ref()).map(|text| self.parsed(&text)),
        };
        match replacement {
            Some(Some(replacement)) => node.replace(replacement),
            Some(None) => self.failed = true,
            None => transform_node(node.into_inner(), self),
        }
    }

    fn transform_select_stmt<'mutref>(&mut self, mut node: SelectStmtMut<'mem, 'mutref>) {
        let changes = self.changes;
        let key = key_of(&node);
        let block = key.and_then(|key| changes.blocks.get(&key));
        if let Some(met) = key.and_then(|key| changes.met.get(&key)) {
            let all = conjuncts(node.where_clause());
            let left: Vec<Node<'_>> =
                all.into_iter().filter(|condition| !met.contains(&without_places(*condition))).collect();
            let left = if left.is_empty() { self.mem.none() } else { conjunction(&left, self.mem) };
            node.set_where_clause(left);
        }
        if let Some(block) = block {
            self.replaced += 1;
            if self.change_block(&mut node, block).is_none() {
                self.failed = true;
                return;
            }
        }
        self.around.push(block);
        transform_select_stmt(node, self);
        self.around.pop();
    }

    /// What was gathered has no schema any more.
    fn transform_column_ref<'mutref>(&mut self, mut node: ColumnRefMut<'mem, 'mutref>) {
        let fields: Vec<Node<'_>> = node.fields().iter().collect();
        if let [Node::String(_), Node::String(table), _] = fields.as_slice()
            && table.sval().is_some_and(|table| self.is_gathered(table))
        {
            let kept: Vec<Unique<'mem, Node<'_>>> =
                fields[1..].iter().map(|field| self.mem.make_unique(*field).uncast()).collect();
            let kept = self.mem.make_list(&kept);
            node.set_fields(kept);
        }
    }
}

impl<'mem> Replace<'mem, '_, '_> {
    fn is_gathered(&self, name: &str) -> bool {
        let tables = self.changes.tables.values().map(|table| &table.alias);
        let items = self.changes.blocks.values().flat_map(|block| block.items.iter().map(|(item, _)| item));
        tables.chain(items).any(|alias| alias == name)
    }

    fn subquery(&self, table: &Replacement) -> Option<Unique<'mem, Node<'mem>>> {
        let columns: Vec<(usize, String)> = table.columns.iter().cloned().enumerate().collect();
        let text = format!(
            "SELECT FROM (SELECT {} FROM {} AS p ({})) AS {}",
            self.columns(("p", ""), table.part, &columns)?,
            self.source(table.part)?,
            self.parts.get(table.part)?.arrivals(""),
            quote_identifier(&table.alias)
        );
        let trees = trees(&text).ok()?;
        match trees.first()?.stmt() {
            Node::SelectStmt(select) => Some(self.mem.make_unique(select.from_clause().first()?).uncast()),
            _ => None,
        }
    }

    /// `p.c1 AS id, p.c2::numeric(10,2) AS price`.
    fn columns(&self, source: (&str, &str), part: usize, columns: &[(usize, String)]) -> Option<String> {
        let column = |(index, name): &(usize, String)| {
            Some(format!("{} AS {}", self.value(source, part, *index)?, quote_identifier(name)))
        };
        let columns: Option<Vec<String>> = columns.iter().map(column).collect();
        Some(columns?.join(", "))
    }

    /// A value of a part as it was. `source`: the name of what it arrives in, and what its columns' names begin with.
    fn value(&self, (source, prefix): (&str, &str), part: usize, column: usize) -> Option<String> {
        let name = quote_identifier(&format!("{prefix}c{}", column + 1));
        let (value, typed) = (format!("{source}.{name}"), self.parts.get(part)?.columns.get(column)?);
        Some(match self.arrival {
            Arrival::Arrays(_) => typed.restored(&value),
            Arrival::Tables => typed.restored_from_table(&value),
        })
    }

    /// Puts what the servers sent in place of a block's tables.
    fn change_block(&mut self, node: &mut SelectStmtMut<'mem, '_>, block: &BlockRest<'_>) -> Option<()> {
        let source = source_name(block.part);
        let mut text = format!(
            "SELECT FROM {} AS {source} ({})",
            self.source(block.part)?,
            self.parts.get(block.part)?.arrivals(HIDDEN)
        );
        for (item, columns) in block.items.iter().filter(|(_, columns)| !columns.is_empty()) {
            let columns = self.columns((&source, HIDDEN), block.part, columns)?;
            text.push_str(&format!(", LATERAL (SELECT {columns}) AS {}", quote_identifier(item)));
        }
        let trees = trees(&text).ok()?;
        let Node::SelectStmt(made) = trees.first()?.stmt() else { return None };
        self.change_targets(node, block)?;
        node.set_from_clause(self.mem.make_unique(made.from_clause()));
        match block.left.as_slice() {
            [] => node.set_where_clause(self.mem.none()),
            left => node.set_where_clause(conjunction(left, self.mem)),
        }
        Some(())
    }

    /// A bare `*` means the items, not what they are made of; an output keeps its name.
    fn change_targets(&self, node: &mut SelectStmtMut<'mem, '_>, block: &BlockRest<'_>) -> Option<()> {
        let mut targets = Vec::new();
        for target in node.target_list() {
            let bare = matches!(target.val(), Node::ColumnRef(column) if column.fields().len() == 1);
            if bare && is_star(target.val()) {
                let names: Vec<String> = block.items.iter().map(|(item, _)| item.clone()).collect();
                targets.extend(star_of(&names, self.mem)?);
                continue;
            }
            let mut copy = self.mem.make_unique(target);
            if target.name().is_none()
                && !is_star(target.val())
                && !block.aggregates.is_empty() | !block.computed.is_empty()
            {
                let name = output_name(target.val())?;
                copy.as_mut().set_name(Some(self.mem.copy_string(&name)));
            }
            targets.push(copy);
        }
        node.set_target_list(self.mem.make_list(&targets));
        Some(())
    }

    /// What stands for an expression that the servers computed; `None` for others.
    fn computed(&self, node: Node<'_>) -> Option<String> {
        let block = (*self.around.last()?)?;
        if block.computed.is_empty() && block.aggregates.is_empty()
            || matches!(node, Node::None | Node::ColumnRef(_) | Node::SelectStmt(_) | Node::A_Const(_))
        {
            return None;
        }
        let form = without_places(node);
        let source = source_name(block.part);
        if let Some((_, column)) = block.computed.iter().find(|(computed, _)| *computed == form) {
            return self.value((&source, HIDDEN), block.part, *column);
        }
        let (aggregate, column) = block.aggregates.iter().find(|(aggregate, _)| aggregate.form == form)?;
        let first = self.value((&source, HIDDEN), block.part, *column)?;
        Some(match aggregate.combine {
            Combine::Count => format!("COALESCE(pg_catalog.sum({first})::bigint, 0)"),
            Combine::SumAsBigint => format!("pg_catalog.sum({first})::bigint"),
            Combine::Sum => format!("pg_catalog.sum({first})"),
            Combine::Average => {
                let count = self.value((&source, HIDDEN), block.part, *column + 1)?;
                format!("(pg_catalog.sum({first}) / nullif(pg_catalog.sum({count}), 0))")
            }
            Combine::Again(name) => format!("pg_catalog.{name}({first})"),
        })
    }

    fn parsed(&self, expression: &str) -> Option<Unique<'mem, Node<'mem>>> {
        let trees = trees(&format!("SELECT {expression}")).ok()?;
        match trees.first()?.stmt() {
            Node::SelectStmt(select) => {
                Some(self.mem.make_unique(select.target_list().first()?.val()).uncast())
            }
            _ => None,
        }
    }

    /// Where the rows of a part are.
    fn source(&self, number: usize) -> Option<String> {
        let own = match self.arrival {
            Arrival::Tables => return Some(format!("pg_temp.{}", Part::table(number))),
            Arrival::Arrays(own) => own,
        };
        let before: usize = self.parts.get(..number)?.iter().map(|part| part.columns.len()).sum();
        let array = |(index, column): (usize, &super::part::PartColumn)| {
            format!("${}::{}[]", own + before + index + 1, column.sent_as)
        };
        let columns = &self.parts.get(number)?.columns;
        let arrays: Vec<String> = columns.iter().enumerate().map(array).collect();
        Some(format!("unnest({})", arrays.join(", ")))
    }
}

/// The name of what a block is made of.
fn source_name(part: usize) -> String {
    quote_identifier(&format!("?pgherd_{}?", part + 1))
}
