//! FROM clauses: their items become names of the scope, their conditions those of regions.

use std::sync::Arc;

use pg_raw_parse::nodes::{Alias, JoinExpr, JoinType, RangeFunction, RangeSubselect, RangeVar, SelectStmt};
use pg_raw_parse::{Node, list::NodeList};

use super::blocks::{Analysis, Output};
use super::region::{Place, Region};
use super::scope::{Item, ItemColumn, Merged, Scope};
use super::touched::{Reference, Use};
use crate::catalog::{Relation, RelationKind};
use crate::sql::walk::children;

impl<'a> Analysis<'a> {
    /// One item of a FROM clause.
    pub(super) fn item(&mut self, node: Node<'a>, scope: usize, region: &mut Region<'a>) {
        match node {
            Node::RangeVar(range) => self.table(range, scope, region),
            Node::RangeSubselect(subquery) => self.subselect(subquery, scope, region),
            Node::JoinExpr(join) => self.join(join, scope, region),
            Node::RangeTableSample(sample) => {
                self.item(sample.relation(), scope, region);
                self.pending(Node::NodeList(sample.args()), scope);
                self.pending(sample.repeatable(), scope);
            }
            Node::RangeFunction(function) => {
                match self.numbers(function) {
                    Some((name, columns)) => {
                        let item = Item { name: Some(name), columns: Some(columns), within: None };
                        self.scopes[scope].items.push(item);
                    }
                    None => self.opaque(function.alias(), scope),
                }
                self.pending(Node::NodeList(function.functions()), scope);
            }
            Node::RangeTableFunc(function) => {
                self.opaque(function.alias(), scope);
                self.pending_below(node, scope);
            }
            Node::JsonTable(table) => {
                self.opaque(table.alias(), scope);
                self.pending_below(node, scope);
            }
            _ => {
                self.uncertain = true;
                self.opaque(None, scope);
            }
        }
    }

    /// The name and the columns of PostgreSQL's own `generate_series`, which has one.
    fn numbers(&self, function: &RangeFunction) -> Option<(String, Vec<ItemColumn>)> {
        const NAME: &str = "generate_series";
        let [Node::NodeList(pair)] = function.functions().iter().collect::<Vec<_>>()[..] else { return None };
        let Some(Node::FuncCall(call)) = pair.iter().next() else { return None };
        let named: Vec<&str> = call.funcname().iter().filter_map(Node::as_str).collect();
        let own = matches!(named.as_slice(), [NAME] | ["pg_catalog", NAME])
            && self.catalog.functions.get(NAME).is_some_and(|facts| facts.builtin);
        if !own || !function.coldeflist().is_empty() {
            return None;
        }
        let alias = function.alias();
        let name = alias.and_then(Alias::aliasname).unwrap_or(NAME).to_owned();
        let mut columns = vec![ItemColumn { name: name.clone(), node: None }];
        if function.ordinality {
            columns.push(ItemColumn { name: "ordinality".to_owned(), node: None });
        }
        let given = alias.into_iter().flat_map(|alias| alias.colnames().iter().filter_map(Node::as_str));
        for (column, given) in columns.iter_mut().zip(given) {
            given.clone_into(&mut column.name);
        }
        Some((name, columns))
    }

    /// An item whose columns are not known.
    fn opaque(&mut self, alias: Option<&Alias>, scope: usize) {
        let name = alias.and_then(Alias::aliasname).map(str::to_owned);
        self.scopes[scope].items.push(Item { name, columns: None, within: None });
    }

    /// An expression to be looked at once the block's key columns are restricted.
    pub(super) fn pending(&mut self, node: Node<'a>, scope: usize) {
        let range = 0..self.scopes[scope].items.len();
        self.later.push((node, Place { scope, range }));
    }

    fn pending_below(&mut self, node: Node<'a>, scope: usize) {
        for child in children(node).unwrap_or_default() {
            self.pending(child, scope);
        }
    }

    fn table(&mut self, range: &'a RangeVar, scope: usize, region: &mut Region<'a>) {
        let name = range.relname().unwrap_or_default();
        if range.schemaname().is_none()
            && let Some(cte) = self.ctes.iter().rev().find(|cte| cte.name == name)
        {
            let output = cte.output.clone();
            self.understood += 1;
            self.derived(range.alias(), Some(name), output, scope, region);
            return;
        }
        self.relation_item(range, Use::Read, scope, region);
    }

    /// An item that names a relation of the catalog.
    pub(super) fn relation_item(
        &mut self,
        range: &'a RangeVar,
        used: Use,
        scope: usize,
        region: &mut Region<'a>,
    ) -> Option<Arc<Relation>> {
        let own = range.relname().unwrap_or_default();
        let name = range.alias().and_then(Alias::aliasname).unwrap_or(own).to_owned();
        let relation = self.name_relation(range, used);
        let columns = relation.as_ref().filter(|relation| !relation.columns.is_empty()).map(|relation| {
            let mut columns: Vec<ItemColumn> = relation
                .columns
                .iter()
                .map(|column| ItemColumn { name: column.name.clone(), node: None })
                .collect();
            if let RelationKind::Sharded { tenant_column, key_type } = &relation.kind
                && let Some(column) = columns.get_mut(*tenant_column)
            {
                let node = self.key(*key_type);
                self.references.push((
                    Reference { relation: Arc::clone(relation), used, keys: super::set::KeySet::All },
                    node,
                ));
                region.nodes.push(node);
                column.node = Some(node);
            }
            rename(&mut columns, range.alias());
            columns
        });
        self.scopes[scope].items.push(Item { name: Some(name), columns, within: None });
        relation
    }

    fn join(&mut self, join: &'a JoinExpr, scope: usize, region: &mut Region<'a>) {
        let start = self.scopes[scope].items.len();
        let (mut left, mut right) = (Region::default(), Region::default());
        self.item(join.larg(), scope, &mut left);
        let middle = self.scopes[scope].items.len();
        self.item(join.rarg(), scope, &mut right);
        let end = self.scopes[scope].items.len();
        let place = Place { scope, range: start..end };
        let equal = self.using(join, scope, start, middle, end);
        let condition = (!matches!(join.quals(), Node::None)).then(|| (join.quals(), place.clone()));
        if let Some((condition, place)) = condition.clone() {
            self.later.push((condition, place));
        }
        match join.jointype {
            JoinType::JOIN_INNER => {
                absorb(region, left);
                absorb(region, right);
                region.conditions.extend(condition);
                region.equal.extend(equal);
            }
            JoinType::JOIN_LEFT => {
                absorb(region, left);
                nest(region, right, condition, equal);
            }
            JoinType::JOIN_RIGHT => {
                absorb(region, right);
                nest(region, left, condition, equal);
            }
            JoinType::JOIN_FULL => {
                nest(region, left, None, Vec::new());
                nest(region, right, None, Vec::new());
            }
            _ => {
                self.uncertain = true;
                nest(region, left, None, Vec::new());
                nest(region, right, None, Vec::new());
            }
        }
        if let Some(alias) = join.join_using_alias() {
            self.opaque(Some(alias), scope);
        }
        if let Some(alias) = join.alias() {
            for item in &mut self.scopes[scope].items[start..end] {
                item.within.get_or_insert(start..end);
            }
            for merged in &mut self.scopes[scope].merged {
                // Inside the join nothing but its own condition sees the names, and it has been noted.
                if merged.within.start >= start {
                    merged.node = None;
                }
            }
            self.opaque(Some(alias), scope);
        }
    }

    /// The columns that a join makes one of two; the pairs of key columns among them.
    fn using(
        &mut self,
        join: &'a JoinExpr,
        scope: usize,
        start: usize,
        middle: usize,
        end: usize,
    ) -> Vec<(usize, usize)> {
        let names: Vec<String> = if join.is_natural {
            match self.common_names(scope, start, middle, end) {
                Some(names) => names,
                None => {
                    self.opaque(None, scope);
                    return Vec::new();
                }
            }
        } else {
            join.using_clause().iter().filter_map(|name| name.sval()).map(str::to_owned).collect()
        };
        let mut equal = Vec::new();
        for name in names {
            let here = &self.scopes[scope];
            let node = |range: std::ops::Range<usize>| match here.unqualified(&range, &name) {
                super::scope::Meaning::Key(node) => Some(node),
                _ => None,
            };
            let (left, right) = (node(start..middle), node(middle..end));
            if let (Some(left), Some(right)) = (left, right) {
                equal.push((left, right));
            }
            let node = match join.jointype {
                JoinType::JOIN_INNER | JoinType::JOIN_LEFT => left,
                JoinType::JOIN_RIGHT => right,
                _ => None,
            };
            self.scopes[scope].merged.push(Merged { name, node, within: start..end });
        }
        equal
    }

    fn common_names(&self, scope: usize, start: usize, middle: usize, end: usize) -> Option<Vec<String>> {
        let names = |range: std::ops::Range<usize>| {
            let mut names = Vec::new();
            for item in self.scopes[scope].items.get(range)? {
                names.extend(item.columns.as_ref()?.iter().map(|column| column.name.clone()));
            }
            Some(names)
        };
        let right = names(middle..end)?;
        let mut common = names(start..middle)?;
        common.retain(|name| right.contains(name));
        common.sort();
        common.dedup();
        Some(common)
    }

    fn subselect(&mut self, subquery: &'a RangeSubselect, scope: usize, region: &mut Region<'a>) {
        let Node::SelectStmt(select) = subquery.subquery() else {
            self.uncertain = true;
            return self.opaque(subquery.alias(), scope);
        };
        let parent = match subquery.lateral {
            true => Some((scope, 0..self.scopes[scope].items.len())),
            false => self.scopes[scope].parent.clone(),
        };
        if self.is_simple(select) {
            let output = self.flatten(select, parent, region);
            return self.derived_nodes(subquery.alias(), output, scope);
        }
        if subquery.lateral {
            // What it is laid beside is not restricted yet.
            let place = Place { scope, range: 0..self.scopes[scope].items.len() };
            self.later.push((subquery.subquery(), place));
            return self.opaque(subquery.alias(), scope);
        }
        let output = self.select(select, parent);
        self.derived(subquery.alias(), None, output, scope, region);
    }

    /// A subquery that only selects and projects is read as if its FROM and WHERE stood outside.
    fn flatten(
        &mut self,
        select: &'a SelectStmt,
        parent: Option<(usize, std::ops::Range<usize>)>,
        region: &mut Region<'a>,
    ) -> Option<Vec<ItemColumn>> {
        let inner = self.scopes.len();
        self.scopes.push(Scope { parent, ..Scope::default() });
        for item in select.from_clause() {
            self.item(item, inner, region);
        }
        let place = Place { scope: inner, range: 0..self.scopes[inner].items.len() };
        if !matches!(select.where_clause(), Node::None) {
            region.conditions.push((select.where_clause(), place.clone()));
            self.later.push((select.where_clause(), place.clone()));
        }
        for target in select.target_list() {
            self.later.push((target.val(), place.clone()));
        }
        self.target_columns(select, &place)
    }

    /// An item with the columns of a subquery that was read as part of this block.
    fn derived_nodes(&mut self, alias: Option<&Alias>, columns: Option<Vec<ItemColumn>>, scope: usize) {
        let mut columns = columns;
        if let Some(columns) = &mut columns {
            rename(columns, alias);
        }
        let name = alias.and_then(Alias::aliasname).map(str::to_owned);
        self.scopes[scope].items.push(Item { name, columns, within: None });
    }

    /// An item with the columns of a subquery or CTE that stands by itself.
    fn derived(
        &mut self,
        alias: Option<&Alias>,
        own_name: Option<&str>,
        output: Output,
        scope: usize,
        region: &mut Region<'a>,
    ) {
        let columns = output.map(|columns| {
            let mut columns: Vec<ItemColumn> = columns
                .into_iter()
                .map(|column| {
                    let node = column.keys.map(|(key_type, set)| {
                        let node = self.key(key_type);
                        self.nodes[node].set = set;
                        region.nodes.push(node);
                        node
                    });
                    ItemColumn { name: column.name, node }
                })
                .collect();
            rename(&mut columns, alias);
            columns
        });
        let name = alias.and_then(Alias::aliasname).or(own_name).map(str::to_owned);
        self.scopes[scope].items.push(Item { name, columns, within: None });
    }

    /// The items of a list, and the conditions of a clause, as one region.
    pub(super) fn region_of(&mut self, from: &'a NodeList, condition: Node<'a>, scope: usize) -> Region<'a> {
        let mut region = Region::default();
        for item in from {
            self.item(item, scope, &mut region);
        }
        self.add_condition(&mut region, condition, scope);
        region
    }

    /// A condition over all items of a scope.
    pub(super) fn add_condition(&mut self, region: &mut Region<'a>, condition: Node<'a>, scope: usize) {
        if !matches!(condition, Node::None) {
            let place = Place { scope, range: 0..self.scopes[scope].items.len() };
            region.conditions.push((condition, place.clone()));
            self.later.push((condition, place));
        }
    }
}

fn rename(columns: &mut [ItemColumn], alias: Option<&Alias>) {
    let Some(alias) = alias else { return };
    for (column, name) in columns.iter_mut().zip(alias.colnames().iter().filter_map(Node::as_str)) {
        column.name = name.to_owned();
    }
}

fn absorb<'a>(region: &mut Region<'a>, side: Region<'a>) {
    region.nodes.extend(side.nodes);
    region.conditions.extend(side.conditions);
    region.equal.extend(side.equal);
    region.nested.extend(side.nested);
}

fn nest<'a>(
    region: &mut Region<'a>,
    mut side: Region<'a>,
    condition: Option<(Node<'a>, Place)>,
    equal: Vec<(usize, usize)>,
) {
    region.nodes.extend(&side.nodes);
    side.conditions.extend(condition);
    side.equal.extend(equal);
    region.nested.push(side);
}
