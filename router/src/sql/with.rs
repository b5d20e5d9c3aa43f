//! WITH clauses that write.

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

/// True where a CTE of the statement writes.
pub(crate) fn writes_in_with(statement: Node<'_>) -> bool {
    with_of(statement).is_some_and(|with| with.ctes().iter().any(writes))
}

/// True where a CTE writes.
pub(crate) fn writes(cte: &CommonTableExpr) -> bool {
    !matches!(cte.ctequery(), Node::SelectStmt(_))
}
