//! Views that one sees a table through: each row is one row of one table, and what it shows of it depends on nothing
//! else. Such a view is read and written as its table is; which rows it shows, each server decides alone.

use std::collections::{HashMap, HashSet};

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{SelectStmt, SetOperation};

use super::rewrite::trees;
use super::walk::{children, survey};
use crate::catalog::{FunctionFacts, Volatility};

/// What such a view shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenThrough {
    /// The schema of its table.
    pub schema: String,
    /// The table, or another such view.
    pub table: String,
    /// The table's column behind each of its own; `None` for one that is computed.
    pub columns: Vec<Option<String>>,
}

/// Reads a view's definition, in which tables have their schemas; `None` where it is no such view. `functions` and
/// `operators` are the catalog's.
pub fn seen_through(
    definition: &str,
    functions: &HashMap<String, FunctionFacts>,
    operators: &HashSet<String>,
) -> Option<SeenThrough> {
    let trees = trees(definition).ok()?;
    let root = trees.first()?.stmt();
    let Node::SelectStmt(select) = root else { return None };
    let seen = survey(root)?;
    let only_computes = |name: &str| {
        functions.get(name).is_some_and(|facts| {
            let row_by_row = !(facts.aggregate || facts.window || facts.returns_set);
            facts.builtin && row_by_row && facts.volatility == Volatility::Immutable
        })
    };
    let mut names = seen.calls.iter().map(|call| call.funcname().iter().filter_map(Node::as_str).next_back());
    let computes = names.all(|name| name.is_some_and(only_computes));
    if seen.relations != 1 || seen.unknown || seen.reads_clock || !computes || !is_simple(select) {
        return None;
    }
    if any(root, &|node| is_operator_of(node, operators)) {
        return None;
    }
    let [Node::RangeVar(table)] = select.from_clause().iter().collect::<Vec<_>>()[..] else { return None };
    let columns = select.target_list().iter().map(|target| match target.val() {
        Node::ColumnRef(column) => {
            let name = column.fields().iter().next_back().and_then(Node::as_str)?;
            Some(Some(name.to_owned()))
        }
        _ => Some(None),
    });
    Some(SeenThrough {
        schema: table.schemaname()?.to_owned(),
        table: table.relname()?.to_owned(),
        columns: columns.collect::<Option<_>>()?,
    })
}

/// No clause makes one row of several, or leaves rows out by what others are.
fn is_simple(select: &SelectStmt) -> bool {
    select.op == SetOperation::SETOP_NONE
        && select.with_clause().is_none()
        && select.values_lists().is_empty()
        && select.distinct_clause().is_empty()
        && select.group_clause().is_empty()
        && matches!(select.having_clause(), Node::None)
        && select.window_clause().is_empty()
        && matches!(select.limit_count(), Node::None)
        && matches!(select.limit_offset(), Node::None)
        && select.locking_clause().is_empty()
}

fn is_operator_of(node: Node<'_>, operators: &HashSet<String>) -> bool {
    let Node::A_Expr(expression) = node else { return false };
    expression.name().iter().filter_map(Node::as_str).next_back().is_none_or(|name| operators.contains(name))
}

fn any(root: Node<'_>, is: &impl Fn(Node<'_>) -> bool) -> bool {
    let mut ahead = vec![root];
    while let Some(node) = ahead.pop() {
        if is(node) {
            return true;
        }
        ahead.extend(children(node).into_iter().flatten());
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::catalog;

    fn seen(definition: &str) -> Option<SeenThrough> {
        let catalog = catalog();
        seen_through(definition, &catalog.functions, &["<~>".to_owned()].into())
    }

    #[test]
    fn rows_of_one_table_are_seen_through() {
        let definition = "SELECT users.tenant_id AS org, lower(users.name) AS name, users.id FROM public.users \
                          WHERE ((users.active OR (users.score > 5)) AND (users.name <> 'x'::text));";
        let expected = SeenThrough {
            schema: "public".into(),
            table: "users".into(),
            columns: vec![Some("tenant_id".into()), None, Some("id".into())],
        };
        assert_eq!(seen(definition), Some(expected));
    }

    #[test]
    fn a_view_that_is_more_than_its_rows_is_not() {
        for definition in [
            "SELECT count(*) AS count FROM public.users",
            "SELECT DISTINCT users.id FROM public.users",
            "SELECT users.id FROM public.users LIMIT 3",
            "SELECT users.id FROM public.users OFFSET 3",
            "SELECT users.id FROM public.users GROUP BY users.id",
            "SELECT users.id FROM public.users, public.orders",
            "SELECT users.id FROM (public.users JOIN public.orders USING (id))",
            "SELECT users.id FROM public.users WHERE (EXISTS (SELECT 1 FROM public.orders))",
            "SELECT users.id FROM public.users WHERE (users.created_at < now())",
            "SELECT users.id FROM public.users WHERE (users.created_at < CURRENT_TIMESTAMP)",
            "SELECT users.id, random() AS r FROM public.users",
            "SELECT users.id FROM public.users WHERE (users.name <~> 'x'::text)",
            "SELECT users.id FROM public.users WHERE unheard_of(users.id)",
            "SELECT users.id, row_number() OVER () AS n FROM public.users",
            "SELECT users.id FROM public.users UNION ALL SELECT users.id FROM public.users",
            "WITH x AS (SELECT 1) SELECT users.id FROM public.users",
            "SELECT users.id FROM public.users FOR UPDATE OF users",
            "SELECT users.id FROM users",
            "SELECT x.id FROM ( SELECT users.id FROM public.users) x",
            "VALUES (1)",
        ] {
            assert_eq!(seen(definition), None, "{definition}");
        }
    }
}
