//! UPDATE and DELETE of the rows that a subquery locks: the subquery becomes a CTE, which runs once and first.

use std::sync::Arc;

use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{CommonTableExpr, RawStmt, SelectStmt, SubLinkMut, WithClause};
use pg_raw_parse::transform::{Assignable, Transform, transform_node};
use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, NodeMut};

use super::chosen::name_of;
use super::rewrite::{print, trees};
use crate::catalog::{Catalog, Relation, SearchPath};
use crate::ids::quote_identifier;
use crate::plan::Refusal;

/// The statement with the locking subqueries of its condition as CTEs; `None` where it has none that stand by
/// themselves.
pub(crate) fn hoisted(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
) -> Result<Option<Arc<str>>, Refusal> {
    let mut found = 0;
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let mut hoist = Hoist { mem, catalog, path, queries: Vec::new() };
        let mut root = copy.as_mut();
        let with = match root.stmt_mut() {
            NodeMut::UpdateStmt(mut update) => {
                hoist.condition(update.where_clause_mut());
                update.with_clause().map(|with| mem.make_unique(with))
            }
            NodeMut::DeleteStmt(mut delete) => {
                hoist.condition(delete.where_clause_mut());
                delete.with_clause().map(|with| mem.make_unique(with))
            }
            // Others have no rows that they find by a subquery.
            _ => None,
        };
        found = hoist.queries.len();
        if found > 0 {
            let with = with_all(with, hoist.queries, mem)?;
            match root.stmt_mut() {
                NodeMut::UpdateStmt(mut update) => update.set_with_clause(with.as_option()),
                NodeMut::DeleteStmt(mut delete) => delete.set_with_clause(with.as_option()),
                _ => {}
            }
        }
        Ok::<_, Refusal>(copy)
    })?;
    if found == 0 { Ok(None) } else { print(&tree).map(Some) }
}

/// The name of the CTE of this number.
fn name(number: usize) -> String {
    format!("?pgherd_locked_{}?", number + 1)
}

/// A WITH clause with these queries behind its own.
fn with_all<'mem>(
    with: Option<Unique<'mem, &'mem WithClause>>,
    queries: Vec<Unique<'mem, &'mem SelectStmt>>,
    mem: MemoryToken<'mem>,
) -> Result<Unique<'mem, &'mem WithClause>, Refusal> {
    let mut all: Vec<Unique<'mem, &CommonTableExpr>> = match &with {
        Some(with) => with.ctes().iter().map(|cte| mem.make_unique(cte)).collect(),
        None => Vec::new(),
    };
    let unprintable = || Refusal::unsupported("this statement", "Name one tenant.");
    let mut frame = None;
    for (number, query) in queries.into_iter().enumerate() {
        let tree = trees(&format!("WITH {} AS (SELECT) SELECT", quote_identifier(&name(number))))?;
        let Some(Node::SelectStmt(select)) = tree.first().map(|tree| tree.stmt()) else {
            return Err(unprintable());
        };
        let clause = select.with_clause().ok_or_else(unprintable)?;
        let cte = clause.ctes().first().ok_or_else(unprintable)?;
        let mut cte = mem.make_unique(cte);
        cte.as_mut().set_ctequery(query.uncast());
        all.push(cte);
        frame = Some(mem.make_unique(clause));
    }
    let mut with = with.or(frame).ok_or_else(unprintable)?;
    with.as_mut().set_ctes(mem.make_list(&all));
    Ok(with)
}

/// Takes locking subqueries out of a condition.
struct Hoist<'mem, 'a> {
    mem: MemoryToken<'mem>,
    catalog: &'a Catalog,
    path: &'a SearchPath,
    queries: Vec<Unique<'mem, &'mem SelectStmt>>,
}

impl<'mem> Hoist<'mem, '_> {
    fn condition(&mut self, condition: NodeMut<'mem, '_>) {
        match condition {
            NodeMut::None(..) => {}
            NodeMut::SubLink(link) => self.link(link),
            condition => transform_node(condition, self),
        }
    }

    fn link(&mut self, mut link: SubLinkMut<'mem, '_>) {
        let Node::SelectStmt(select) = link.subselect() else { return };
        if select.locking_clause().is_empty() || !self.stands_alone(select) {
            return;
        }
        let query = self.mem.make_unique(select);
        let text = format!("SELECT * FROM {}", quote_identifier(&name(self.queries.len())));
        let Ok(tree) = trees(&text) else { return };
        if let Some(Node::SelectStmt(all)) = tree.first().map(|tree| tree.stmt()) {
            link.set_subselect(self.mem.make_unique(all).uncast());
            self.queries.push(query);
        }
    }

    /// True for a query of one table that names nothing else.
    fn stands_alone(&self, select: &SelectStmt) -> bool {
        let mut from = select.from_clause().iter();
        let (Some(Node::RangeVar(table)), None) = (from.next(), from.next()) else { return false };
        let relation =
            self.catalog.relation(table.schemaname(), table.relname().unwrap_or_default(), self.path);
        let Some(relation) = relation else { return false };
        let foreign =
            walk_manual(Node::SelectStmt(select), |node| match is_foreign(node, name_of(table), relation) {
                true => std::ops::ControlFlow::Break(()),
                false => Recurse::yes(),
            });
        foreign.is_none()
    }
}

fn is_foreign(node: Node<'_>, table: &str, relation: &Relation) -> bool {
    match node {
        Node::SubLink(_) => true,
        Node::ColumnRef(column) => {
            let fields: Vec<Option<&str>> = column.fields().iter().map(Node::as_str).collect();
            match fields.as_slice() {
                [Some(name)] => relation.column(name).is_none(),
                [Some(of), Some(name)] => *of != table || relation.column(name).is_none(),
                [None] => false,
                _ => true,
            }
        }
        _ => false,
    }
}

impl<'mem> Transform<'mem> for Hoist<'mem, '_> {
    fn transform_node<'mutref>(&mut self, node: Assignable<'mem, 'mutref>) {
        match node.into_inner() {
            NodeMut::SubLink(link) => self.link(link),
            node => transform_node(node, self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::{catalog, path};

    #[test]
    fn a_locking_subquery_that_stands_alone_becomes_a_cte() {
        let locked = "SELECT id FROM orders WHERE status = 'new' ORDER BY id LIMIT 3 FOR UPDATE SKIP LOCKED";
        for (text, expected) in [
            (
                format!("UPDATE orders SET status = 'x' WHERE id IN ({locked}) AND total > 1"),
                Some(format!("WITH \"?pgherd_locked_1?\" AS ({locked}) UPDATE orders SET status = 'x' WHERE id IN (SELECT * FROM \"?pgherd_locked_1?\") AND total > 1")),
            ),
            (
                format!("WITH a AS (SELECT 1) DELETE FROM users WHERE id = ({locked})"),
                Some(format!("WITH a AS (SELECT 1), \"?pgherd_locked_1?\" AS ({locked}) DELETE FROM users WHERE id = (SELECT * FROM \"?pgherd_locked_1?\")")),
            ),
            ("UPDATE users u SET score = 1 WHERE id IN (SELECT id FROM orders WHERE total = u.score FOR UPDATE)".into(), None),
            ("UPDATE users u SET score = 1 WHERE id IN (SELECT id FROM orders)".into(), None),
            ("DELETE FROM users".into(), None),
        ] {
            let trees = trees(&text).expect("parses");
            let made = hoisted(trees.first().expect("a statement"), &catalog(), &path()).expect("printed");
            assert_eq!(made.as_deref(), expected.as_deref(), "{text}");
        }
    }
}
