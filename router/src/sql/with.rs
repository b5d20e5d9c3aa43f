//! WITH clauses of which parts run before the rest.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{CommonTableExpr, WithClause};

/// The WITH clause of a statement.
pub(crate) fn with_of(statement: Node<'_>) -> Option<&WithClause> {
    match statement {
        Node::SelectStmt(select) => select.with_clause(),
        Node::InsertStmt(insert) => insert.with_clause(),
        Node::UpdateStmt(update) => update.with_clause(),
        Node::DeleteStmt(delete) => delete.with_clause(),
        Node::MergeStmt(merge) => merge.with_clause(),
        // No other statement that is analysed has one.
        _ => None,
    }
}

/// True where a CTE of the statement writes, or locks rows.
pub(crate) fn has_steps(statement: Node<'_>) -> bool {
    with_of(statement).is_some_and(|with| with.ctes().iter().any(is_step))
}

/// True where a CTE writes, or locks rows: it runs once, before what reads it.
pub(crate) fn is_step(cte: &CommonTableExpr) -> bool {
    match cte.ctequery() {
        Node::SelectStmt(select) => !select.locking_clause().is_empty(),
        // Nothing else stands in a WITH clause but what writes.
        _ => true,
    }
}
