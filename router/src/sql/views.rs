//! Views over sharded tables, written out: the planner knows tables.

use std::collections::HashSet;
use std::sync::Arc;

use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{CommonTableExprMut, RangeVar, RawStmt};
use pg_raw_parse::transform::{Assignable, Transform, transform_common_table_expr, transform_node};
use pg_raw_parse::{Node, NodeMut};

use super::rewrite::{print, trees};
use crate::catalog::{Catalog, RelationKind, SearchPath};
use crate::ids::quote_identifier;
use crate::plan::Refusal;

/// Views may read views, so deep.
const MOST_LEVELS: usize = 16;

/// The statement with the definition of each view over sharded tables in the view's place.
pub(super) fn expand(statement: &RawStmt, catalog: &Catalog, path: &SearchPath) -> Result<Arc<str>, Refusal> {
    let (mut text, mut changed) = expand_once(statement, catalog, path)?;
    for _ in 0..MOST_LEVELS {
        if !changed {
            return Ok(text);
        }
        let trees = trees(&text)?;
        (text, changed) = expand_once(trees.first().ok_or_else(not_expanded)?, catalog, path)?;
    }
    Err(not_expanded())
}

fn expand_once(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
) -> Result<(Arc<str>, bool), Refusal> {
    let mut changed = false;
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let mut expand = Expand { mem, catalog, path, ctes: HashSet::new(), views: 0, failed: false };
        // First the names of all CTEs: a view that has one of them may be either.
        let mut names = Names(&mut expand.ctes);
        names.transform_raw_stmt(copy.as_mut());
        expand.transform_raw_stmt(copy.as_mut());
        changed = expand.views > 0;
        if expand.failed { Err(not_expanded()) } else { Ok(copy) }
    })?;
    Ok((print(&tree)?, changed))
}

struct Names<'a>(&'a mut HashSet<String>);

impl<'mem> Transform<'mem> for Names<'_> {
    fn transform_common_table_expr<'mutref>(&mut self, node: CommonTableExprMut<'mem, 'mutref>) {
        self.0.extend(node.ctename().map(str::to_owned));
        transform_common_table_expr(node, self);
    }
}

struct Expand<'mem, 'a> {
    mem: MemoryToken<'mem>,
    catalog: &'a Catalog,
    path: &'a SearchPath,
    ctes: HashSet<String>,
    views: usize,
    failed: bool,
}

impl<'mem> Transform<'mem> for Expand<'mem, '_> {
    fn transform_node<'mutref>(&mut self, node: Assignable<'mem, 'mutref>) {
        let expanded = match &*node {
            NodeMut::RangeVar(range) => self.definition(range),
            _ => return transform_node(node.into_inner(), self),
        };
        match expanded {
            None => {}
            Some(Some(definition)) => {
                self.views += 1;
                node.replace(definition);
            }
            Some(None) => self.failed = true,
        }
    }
}

impl<'mem> Expand<'mem, '_> {
    /// The subquery that a view stands for; `None` for what is no such view.
    fn definition(&self, range: &RangeVar) -> Option<Option<Unique<'mem, Node<'mem>>>> {
        let name = range.relname()?;
        let relation = self.catalog.relation(range.schemaname(), name, self.path)?;
        let RelationKind::ShardedView { definition } = &relation.kind else { return None };
        if range.schemaname().is_none() && self.ctes.contains(name) {
            return Some(None);
        }
        let renamed =
            range.alias().into_iter().flat_map(|alias| alias.colnames().iter().filter_map(Node::as_str));
        let mut columns: Vec<String> = renamed.map(quote_identifier).collect();
        columns
            .extend(relation.columns.iter().skip(columns.len()).map(|column| quote_identifier(&column.name)));
        let alias = range.alias().and_then(|alias| alias.aliasname()).unwrap_or(name);
        let text = format!(
            "SELECT FROM ({}) AS {} ({})",
            definition.trim().trim_end_matches(';'),
            quote_identifier(alias),
            columns.join(", ")
        );
        Some(self.parsed(&text))
    }

    fn parsed(&self, text: &str) -> Option<Unique<'mem, Node<'mem>>> {
        let trees = trees(text).ok()?;
        match trees.first()?.stmt() {
            Node::SelectStmt(select) => Some(self.mem.make_unique(select.from_clause().first()?).uncast()),
            _ => None,
        }
    }
}

fn not_expanded() -> Refusal {
    Refusal::unsupported(
        "a view over sharded tables cannot be written out in this statement",
        "Read the tables that the view is made of, or give the CTE another name.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::{catalog, path};

    fn expanded(text: &str) -> Result<Arc<str>, Refusal> {
        let trees = trees(text).expect("the test's statement parses");
        expand(trees.first().expect("a statement"), &catalog(), &path())
    }

    #[test]
    fn a_view_becomes_its_definition() {
        let columns = "tenant_id, id, name, email, score, balance, price, ratio, active, born, created_at, lasted, \
                       extra, mood, country_id";
        assert_eq!(
            &*expanded("explain select a.id from active_users a, users u where a.id = $1").expect("expanded"),
            format!(
                "EXPLAIN SELECT a.id FROM (SELECT * FROM users WHERE active) a({columns}), users u WHERE a.id = $1"
            )
        );
        assert!(
            expanded("with active_users as (select 1) select * from active_users, public.active_users x")
                .is_err()
        );
    }
}
