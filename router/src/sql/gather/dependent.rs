//! GROUP BY of a table's primary key lets the other columns stand outside aggregates. What arrives is no
//! table and has no key, so those columns are grouped by as well: the groups stay the same.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{FuncCall, RangeVar, RawStmt, SelectStmt, SelectStmtMut};
use pg_raw_parse::transform::{Transform, transform_select_stmt};

use super::reduce::is_star;
use crate::catalog::{Catalog, Relation, RelationKind, SearchPath};
use crate::plan::Refusal;
use crate::sql::rewrite::print;
use crate::sql::shape::ordinal;
use crate::sql::walk::children;

/// The statement with all columns in GROUP BY that depend on what stands there; `None` where nothing
/// changes.
pub(crate) fn group_by_dependents(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
) -> Result<Option<Arc<str>>, Refusal> {
    let mut changed = false;
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let mut extend = Extend { mem, catalog, path, changed: false };
        extend.transform_raw_stmt(copy.as_mut());
        changed = extend.changed;
        Ok::<_, Refusal>(copy)
    })?;
    if changed { print(&tree).map(Some) } else { Ok(None) }
}

struct Extend<'mem, 'a> {
    mem: MemoryToken<'mem>,
    catalog: &'a Catalog,
    path: &'a SearchPath,
    changed: bool,
}

impl<'mem> Transform<'mem> for Extend<'mem, '_> {
    fn transform_select_stmt<'mutref>(&mut self, mut node: SelectStmtMut<'mem, 'mutref>) {
        for (alias, column) in self.dependents(&node) {
            let names: Vec<Unique<'mem, Node<'_>>> =
                [alias, column].iter().map(|name| self.mem.make_string(Some(name)).uncast()).collect();
            let reference = self.mem.make_column_ref(self.mem.make_list(&names)).uncast();
            node.group_clause_mut().push(self.mem, reference);
            self.changed = true;
        }
        transform_select_stmt(node, self);
    }
}

impl Extend<'_, '_> {
    /// The columns that a block's outputs name and its GROUP BY leaves to a primary key.
    fn dependents(&self, select: &SelectStmt) -> Vec<(String, String)> {
        let grouped: Option<Vec<Vec<&str>>> =
            select.group_clause().iter().map(|node| column_meant(node, select)).collect();
        let Some(grouped) = grouped.filter(|grouped| !grouped.is_empty()) else { return Vec::new() };
        let mut tables = Vec::new();
        select.from_clause().iter().for_each(|item| self.tables(item, &mut tables));
        let mut outside = Outside::default();
        let sorts = select.sort_clause().iter().map(|sort| sort.node());
        let targets = select.target_list().iter().map(|target| target.val());
        let windows = select.window_clause().iter();
        for node in targets.chain(sorts).chain(windows).chain([select.having_clause()]) {
            outside.look(node, self.catalog);
        }
        let is = |fields: &[&str], alias: &str, name: &str| {
            matches!(fields, [one] if *one == name)
                || matches!(fields, [table, one] if *table == alias && *one == name)
        };
        let mut dependents = Vec::new();
        for (alias, relation, columns) in &tables {
            let is_grouped = |name: &str| grouped.iter().any(|fields| is(fields, alias, name));
            let key = relation.unique_keys.first();
            if !key.is_some_and(|key| {
                key.iter().all(|index| columns.get(*index).is_some_and(|name| is_grouped(name)))
            }) {
                continue;
            }
            let named = |name: &&String| {
                outside.star
                    || outside.names.iter().any(|fields| {
                        is(fields, alias, name) || matches!(fields.as_slice(), [one] if one == alias)
                    })
            };
            let left = columns.iter().filter(named).filter(|name| !is_grouped(name));
            dependents.extend(left.map(|name| (alias.clone(), name.clone())));
        }
        dependents
    }

    /// The tables of a FROM item, with the names of their columns.
    fn tables(&self, item: Node<'_>, tables: &mut Vec<(String, Arc<Relation>, Vec<String>)>) {
        match item {
            Node::RangeVar(range) => tables.extend(self.table(range)),
            Node::JoinExpr(join) => {
                self.tables(join.larg(), tables);
                self.tables(join.rarg(), tables);
            }
            _ => {}
        }
    }

    fn table(&self, range: &RangeVar) -> Option<(String, Arc<Relation>, Vec<String>)> {
        let name = range.relname()?;
        let relation = self.catalog.relation(range.schemaname(), name, self.path)?;
        // A view has no primary key.
        let is_table = matches!(relation.kind, RelationKind::Sharded { .. } | RelationKind::Reference);
        if !is_table || relation.view.is_some() {
            return None;
        }
        let alias = range.alias().and_then(|alias| alias.aliasname()).unwrap_or(name).to_owned();
        let mut renamed =
            range.alias().into_iter().flat_map(|alias| alias.colnames().iter().filter_map(Node::as_str));
        let columns =
            relation.columns.iter().map(|column| renamed.next().unwrap_or(&column.name).to_owned()).collect();
        Some((alias, Arc::clone(relation), columns))
    }
}

/// The column that an item of GROUP BY is; no words for an expression, `None` for grouping sets.
fn column_meant<'a>(node: Node<'a>, select: &'a SelectStmt) -> Option<Vec<&'a str>> {
    let node = match (node, ordinal(node)) {
        (Node::GroupingSet(_), _) => return None,
        (_, Some(index)) => select.target_list().iter().nth(index)?.val(),
        (node, None) => node,
    };
    let Node::ColumnRef(column) = node else { return Some(Vec::new()) };
    let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
    Some(fields.unwrap_or_default())
}

/// The names that stand outside aggregates.
#[derive(Default)]
struct Outside<'a> {
    names: Vec<Vec<&'a str>>,
    star: bool,
}

impl<'a> Outside<'a> {
    fn look(&mut self, node: Node<'a>, catalog: &Catalog) {
        match node {
            Node::ColumnRef(column) if is_star(node) => {
                let fields: Vec<&str> = column.fields().iter().filter_map(Node::as_str).collect();
                self.star |= fields.is_empty();
                self.names.push(fields);
            }
            Node::ColumnRef(column) => {
                self.names.push(column.fields().iter().filter_map(Node::as_str).collect());
            }
            Node::FuncCall(call) if call.over().is_none() && is_aggregate(call, catalog) => {}
            _ => children(node).unwrap_or_default().into_iter().for_each(|child| self.look(child, catalog)),
        }
    }
}

fn is_aggregate(call: &FuncCall, catalog: &Catalog) -> bool {
    let name = call.funcname().iter().filter_map(Node::as_str).next_back().unwrap_or_default();
    catalog.functions.get(name).is_some_and(|facts| facts.aggregate)
}
