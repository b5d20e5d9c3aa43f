//! When a table reference may become a subquery: only if nothing needs the table itself.

use std::ops::ControlFlow;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::ColumnRef;
use pg_raw_parse::walk::{Recurse, walk_manual};

use super::block::Restrict;
use super::from::cannot_replace;
use crate::plan::Refusal;

/// Columns that tables have and subqueries have not.
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

impl Restrict<'_, '_> {
    /// Refuses where something in the statement may need the table that `name` stands for: a system
    /// column, its row type, a name with its schema, functional dependency on its key.
    pub(super) fn check_replaceable(&self, name: &str) -> Result<(), Refusal> {
        match reason_against(self.original, name) {
            Some(reason) => Err(cannot_replace(reason)),
            None => Ok(()),
        }
    }
}

fn reason_against(query: Node<'_>, name: &str) -> Option<&'static str> {
    let reason = |node: Node<'_>| match node {
        Node::ColumnRef(column) => reason_against_column(column, name),
        Node::SelectStmt(select) if !select.group_clause().is_empty() => {
            Some("the statement groups its rows")
        }
        _ => None,
    };
    // The walk gives the nodes below the first one.
    reason(query).or_else(|| {
        walk_manual(query, |node| match reason(node) {
            Some(reason) => ControlFlow::Break(reason),
            None => Recurse::yes(),
        })
    })
}

fn reason_against_column(column: &ColumnRef, name: &str) -> Option<&'static str> {
    let fields: Vec<Option<&str>> = column.fields().iter().map(Node::as_str).collect();
    match fields.as_slice() {
        [Some(only)] if *only == name => Some("its whole row is used"),
        [.., Some(last)] if SYSTEM_COLUMNS.contains(last) => Some("a system column is used"),
        [] | [_] | [_, _] => None,
        [_, _, _, ..] => Some("a column is named with its schema"),
    }
}
