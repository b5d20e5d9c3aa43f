//! The text for the server that computes the answer: the statement itself, in which each sharded table is
//! a subquery of the same name over the rows that arrived.

use std::collections::HashMap;
use std::sync::Arc;

use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{ColumnRefMut, RawStmt};
use pg_raw_parse::transform::{Assignable, Transform, transform_node};
use pg_raw_parse::{Node, NodeMut};

use super::part::Part;
use super::reads::unknown;
use crate::ids::quote_identifier;
use crate::plan::Refusal;
use crate::sql::rewrite::{print, trees};
use crate::sql::shape;

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

/// The statement over the rows that arrived. References are known by where they stand in the text.
pub(super) fn rest_text(
    statement: &RawStmt,
    replacements: &HashMap<i32, Replacement>,
    parts: &[Part],
    arrival: Arrival,
    now: &str,
) -> Result<Arc<str>, Refusal> {
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let mut replace = Replace { mem, replacements, parts, arrival, replaced: 0, failed: false };
        replace.transform_raw_stmt(copy.as_mut());
        let whole = !replace.failed && replace.replaced == replacements.len();
        match whole && shape::stop_clock(&mut copy, mem, now) {
            true => Ok(copy),
            false => Err(unknown()),
        }
    })?;
    print(&tree)
}

struct Replace<'mem, 'a> {
    mem: MemoryToken<'mem>,
    replacements: &'a HashMap<i32, Replacement>,
    parts: &'a [Part],
    arrival: Arrival,
    replaced: usize,
    failed: bool,
}

impl<'mem> Transform<'mem> for Replace<'mem, '_> {
    fn transform_node<'mutref>(&mut self, node: Assignable<'mem, 'mutref>) {
        let location = match &*node {
            NodeMut::RangeVar(range) => range.location,
            _ => return transform_node(node.into_inner(), self),
        };
        let Some(replacement) = self.replacements.get(&location) else { return };
        match self.subquery(replacement) {
            Some(subquery) => {
                self.replaced += 1;
                node.replace(subquery);
            }
            None => self.failed = true,
        }
    }

    /// A gathered table has no schema any more.
    fn transform_column_ref<'mutref>(&mut self, mut node: ColumnRefMut<'mem, 'mutref>) {
        let fields: Vec<Node<'_>> = node.fields().iter().collect();
        if let [Node::String(_), Node::String(table), _] = fields.as_slice()
            && self.replacements.values().any(|replacement| Some(replacement.alias.as_str()) == table.sval())
        {
            let kept: Vec<Unique<'mem, Node<'_>>> =
                fields[1..].iter().map(|field| self.mem.make_unique(*field).uncast()).collect();
            let kept = self.mem.make_list(&kept);
            node.set_fields(kept);
        }
    }
}

impl<'mem> Replace<'mem, '_> {
    fn subquery(&self, replacement: &Replacement) -> Option<Unique<'mem, Node<'mem>>> {
        let part = self.parts.get(replacement.part)?;
        let column = |(index, name): (usize, &String)| {
            let restored = part.columns.get(index)?.restored(&format!("p.c{}", index + 1));
            Some(format!("{restored} AS {}", quote_identifier(name)))
        };
        let columns: Option<Vec<String>> = replacement.columns.iter().enumerate().map(column).collect();
        let text = format!(
            "SELECT FROM (SELECT {} FROM {} AS p ({})) AS {}",
            columns?.join(", "),
            self.source(replacement.part)?,
            part.arrivals(),
            quote_identifier(&replacement.alias)
        );
        let trees = trees(&text).ok()?;
        match trees.first()?.stmt() {
            Node::SelectStmt(select) => Some(self.mem.make_unique(select.from_clause().first()?).uncast()),
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
