//! Parts of a statement as text.

use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{SelectStmt, SelectStmtMut, SortBy, SortByDir, SortByNulls};
use pg_raw_parse::{Node, NodeMut, nodes};

use super::reads::unknown;
use crate::ids::quote_identifier;
use crate::plan::Refusal;
use crate::sql::rewrite::{print, trees};

/// An expression as text, in parentheses.
pub(in crate::sql) fn expression_text(node: Node<'_>) -> Result<String, Refusal> {
    let text = printed("SELECT WHERE true", |select, mem| {
        select.set_where_clause(mem.make_unique(node).uncast());
    })?;
    text.strip_prefix("SELECT WHERE ").map(|text| format!("({text})")).ok_or_else(unknown)
}

/// ` WHERE a AND b`, or nothing.
pub(super) fn where_text(conditions: &[Node<'_>]) -> Result<String, Refusal> {
    if conditions.is_empty() {
        return Ok(String::new());
    }
    let text = printed("SELECT WHERE true", |select, mem| {
        let condition = conjunction(conditions, mem);
        select.set_where_clause(condition);
    })?;
    text.strip_prefix("SELECT").map(str::to_owned).ok_or_else(unknown)
}

/// `FROM ... WHERE ...` of a block, with these conditions.
pub(super) fn rows_text(block: &SelectStmt, conditions: &[Node<'_>]) -> Result<String, Refusal> {
    let text = printed("SELECT FROM x", |select, mem| {
        select.set_from_clause(mem.make_unique(block.from_clause()));
        if !conditions.is_empty() {
            let condition = conjunction(conditions, mem);
            select.set_where_clause(condition);
        }
    })?;
    text.strip_prefix("SELECT ").map(str::to_owned).ok_or_else(unknown)
}

/// Items of a FROM clause.
pub(super) fn items_text(items: &[Node<'_>]) -> Result<String, Refusal> {
    let text = printed("SELECT FROM x", |select, mem| {
        let items: Vec<_> = items.iter().map(|item| mem.make_unique(*item).uncast()).collect();
        select.set_from_clause(mem.make_list(&items));
    })?;
    text.strip_prefix("SELECT FROM ").map(str::to_owned).ok_or_else(unknown)
}

/// `*` as the outputs that it gives of items with these names.
pub(super) fn star_of<'mem>(
    names: &[String],
    mem: MemoryToken<'mem>,
) -> Option<Vec<Unique<'mem, &'mem nodes::ResTarget>>> {
    let stars: Vec<String> = names.iter().map(|name| format!("{}.*", quote_identifier(name))).collect();
    let trees = trees(&format!("SELECT {}", stars.join(", "))).ok()?;
    match trees.first()?.stmt() {
        Node::SelectStmt(select) => {
            Some(select.target_list().iter().map(|target| mem.make_unique(target)).collect())
        }
        _ => None,
    }
}

/// All conditions as one.
pub(super) fn conjunction<'mem>(conditions: &[Node<'_>], mem: MemoryToken<'mem>) -> Unique<'mem, Node<'mem>> {
    let parts: Vec<_> = conditions.iter().map(|node| mem.make_unique(*node).uncast()).collect();
    match conditions {
        [only] => mem.make_unique(*only).uncast(),
        _ => mem.make_bool_expr(nodes::BoolExprType::AND_EXPR, mem.make_list(&parts)).uncast(),
    }
}

/// The words after an expression of ORDER BY.
pub(super) fn order_words(sort: &SortBy) -> String {
    let direction = match sort.sortby_dir {
        SortByDir::SORTBY_DESC => " DESC",
        _ => "",
    };
    let nulls = match sort.sortby_nulls {
        SortByNulls::SORTBY_NULLS_FIRST => " NULLS FIRST",
        SortByNulls::SORTBY_NULLS_LAST => " NULLS LAST",
        _ => "",
    };
    format!("{direction}{nulls}")
}

fn printed(
    skeleton: &str,
    change: impl for<'mem> FnOnce(&mut SelectStmtMut<'mem, '_>, MemoryToken<'mem>),
) -> Result<String, Refusal> {
    let skeleton = trees(skeleton)?;
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(skeleton.first().ok_or_else(unknown)?);
        match copy.as_mut().stmt_mut() {
            NodeMut::SelectStmt(mut select) => change(&mut select, mem),
            _ => return Err(unknown()),
        }
        Ok::<_, Refusal>(copy)
    })?;
    print(&tree).map(|text| text.to_string())
}
