//! The walk over the query blocks of a statement.

use std::ops::Range;
use std::sync::Arc;

use pg_raw_parse::nodes::{FuncCall, RangeVar, ResTarget, SelectStmt, SetOperation, WithClause};
use pg_raw_parse::{Node, list::NodeList};

use super::region::Place;
use super::scope::{ItemColumn, Scope};
use super::set::KeySet;
use super::touched::{Reference, Touched, Use};
use super::values::Uses;
use crate::catalog::{Catalog, Relation, RelationKind, SearchPath};
use crate::ids::KeyType;
use crate::sql::walk::children;

/// The relations that a SELECT, INSERT, UPDATE, DELETE or MERGE names, and whose rows it can concern.
/// The tree must be shallow. `None` where a relation stands in a place that is not understood.
pub(crate) fn analyse<'a>(
    statement: Node<'a>,
    catalog: &'a Catalog,
    path: &'a SearchPath,
) -> Option<Touched> {
    let mut analysis = Analysis::new(catalog, path);
    analysis.statement(statement, None);
    analysis.finish()
}

/// The relations that a statement without a query names.
pub(crate) fn named(relations: &[&RangeVar], used: Use, catalog: &Catalog, path: &SearchPath) -> Touched {
    let mut analysis = Analysis::new(catalog, path);
    for range in relations {
        if let Some(relation) = analysis.name_relation(range, used)
            && let Some((_, key_type)) = relation.tenant_column()
        {
            let node = analysis.key(key_type);
            analysis.references.push((Reference { relation, used, keys: KeySet::All }, node));
        }
    }
    analysis.finish().unwrap_or_default()
}

/// The state of the walk.
pub(super) struct Analysis<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) path: &'a SearchPath,
    pub(super) scopes: Vec<Scope>,
    /// Every column that holds tenant keys.
    pub(super) nodes: Vec<KeyColumn>,
    pub(super) ctes: Vec<Cte>,
    /// Expressions of this block that may hold subqueries; they are looked at when the block's key
    /// columns are restricted.
    pub(super) later: Vec<(Node<'a>, Place)>,
    pub(super) references: Vec<(Reference, usize)>,
    pub(super) uses: Uses,
    pub(super) understood: usize,
    pub(super) uncertain: bool,
    pub(super) touched: Touched,
}

/// A column that holds tenant keys.
#[derive(Debug)]
pub(super) struct KeyColumn {
    pub(super) key_type: KeyType,
    /// What it can be, as far as it is known by now.
    pub(super) set: KeySet,
}

/// A CTE in scope.
pub(super) struct Cte {
    pub(super) name: String,
    pub(super) output: Output,
}

/// The columns of a query's result; `None` where their names are not all known.
pub(super) type Output = Option<Vec<OutputColumn>>;

/// A column of a query's result.
#[derive(Debug, Clone)]
pub(super) struct OutputColumn {
    pub(super) name: String,
    /// The keys that it can be, where it holds keys.
    pub(super) keys: Option<(KeyType, KeySet)>,
}

type Parent = Option<(usize, Range<usize>)>;

impl<'a> Analysis<'a> {
    fn new(catalog: &'a Catalog, path: &'a SearchPath) -> Analysis<'a> {
        Analysis {
            catalog,
            path,
            scopes: Vec::new(),
            nodes: Vec::new(),
            ctes: Vec::new(),
            later: Vec::new(),
            references: Vec::new(),
            uses: Uses::new(),
            understood: 0,
            uncertain: false,
            touched: Touched::default(),
        }
    }

    fn finish(mut self) -> Option<Touched> {
        let nodes = &self.nodes;
        let references = self.references.drain(..).map(|(reference, node)| match reference.used {
            Use::Read | Use::Change => Reference { keys: nodes[node].set.clone(), ..reference },
            Use::Insert | Use::InsertUnknown | Use::InsertMissing => reference,
        });
        self.touched.sharded.extend(references);
        for (number, _) in &self.uses {
            match self.touched.key_parameters.iter_mut().find(|(known, _)| known == number) {
                Some((_, count)) => *count += 1,
                None => self.touched.key_parameters.push((*number, 1)),
            }
        }
        self.touched.understood = self.understood;
        (!self.uncertain).then_some(self.touched)
    }

    /// A statement that stands alone or in a WITH.
    pub(super) fn statement(&mut self, node: Node<'a>, parent: Parent) -> Output {
        match node {
            Node::SelectStmt(select) => self.select(select, parent),
            Node::InsertStmt(insert) => self.insert(insert, parent),
            Node::UpdateStmt(update) => self.update(update, parent),
            Node::DeleteStmt(delete) => self.delete(delete, parent),
            Node::MergeStmt(merge) => self.merge(merge, parent),
            _ => {
                self.uncertain = true;
                None
            }
        }
    }

    pub(super) fn key(&mut self, key_type: KeyType) -> usize {
        self.nodes.push(KeyColumn { key_type, set: KeySet::All });
        self.nodes.len() - 1
    }

    pub(super) fn open(&mut self, parent: Parent) -> usize {
        self.scopes.push(Scope { parent, ..Scope::default() });
        self.scopes.len() - 1
    }

    /// Notes a relation that is named, by its kind; references to sharded tables are noted by the
    /// caller.
    pub(super) fn name_relation(&mut self, range: &RangeVar, used: Use) -> Option<Arc<Relation>> {
        self.understood += 1;
        let (schema, name) = (range.schemaname(), range.relname().unwrap_or_default());
        let Some(relation) = self.catalog.relation(schema, name, self.path) else {
            let system = match schema {
                Some(schema) => matches!(schema, "pg_catalog" | "information_schema" | "pg_toast"),
                None => {
                    name.starts_with("pg_") || self.path.0.iter().any(|schema| schema == "information_schema")
                }
            };
            match system {
                true => self.touched.system = true,
                false => self.touched.unknown.push(name.to_owned()),
            }
            return None;
        };
        let relation = Arc::clone(relation);
        match &relation.kind {
            RelationKind::Sharded { .. } => {}
            RelationKind::ShardedView { .. } => self.touched.sharded.push(Reference {
                relation: Arc::clone(&relation),
                used: if used == Use::Read { Use::Read } else { Use::Change },
                keys: KeySet::All,
            }),
            RelationKind::Unsafe { .. } => self.touched.unsafe_tables.push(Arc::clone(&relation)),
            RelationKind::Reference | RelationKind::ReferenceView | RelationKind::Sequence => {
                let list = match used {
                    Use::Read => &mut self.touched.reads,
                    Use::Change | Use::Insert | Use::InsertUnknown | Use::InsertMissing => {
                        &mut self.touched.writes
                    }
                };
                list.push(Arc::clone(&relation));
            }
        }
        Some(relation)
    }

    /// The CTEs of a block come into scope; the caller lets them go again.
    pub(super) fn with(&mut self, with: Option<&'a WithClause>, parent: &Parent) {
        let Some(with) = with else { return };
        let first = self.ctes.len();
        if with.recursive {
            let names = with.ctes().iter().filter_map(|cte| cte.ctename());
            self.ctes.extend(names.map(|name| Cte { name: name.to_owned(), output: None }));
        }
        for (index, cte) in with.ctes().iter().enumerate() {
            let saved = std::mem::take(&mut self.later);
            let mut output = self.statement(cte.ctequery(), parent.clone());
            self.later = saved;
            if cte.search_clause().is_some() || cte.cycle_clause().is_some() {
                output = None;
            }
            if let Some(columns) = &mut output {
                for (column, name) in
                    columns.iter_mut().zip(cte.aliascolnames().iter().filter_map(Node::as_str))
                {
                    column.name = name.to_owned();
                }
            }
            match with.recursive {
                true => self.ctes[first + index].output = output,
                false => {
                    self.ctes.push(Cte { name: cte.ctename().unwrap_or_default().to_owned(), output });
                }
            }
        }
    }

    /// One query: a block, a set operation, or VALUES.
    pub(super) fn select(&mut self, select: &'a SelectStmt, parent: Parent) -> Output {
        let (ctes, saved) = (self.ctes.len(), std::mem::take(&mut self.later));
        self.with(select.with_clause(), &parent);
        if select.into_clause().is_some() {
            // The planner knows SELECT INTO by its kind only at the top.
            self.touched
                .unknown
                .extend(select.into_clause().and_then(|into| into.rel()?.relname().map(str::to_owned)));
        }
        let output = match (select.op, select.larg(), select.rarg()) {
            (SetOperation::SETOP_NONE, _, _) => self.block(select, parent),
            (operation, Some(left), Some(right)) => {
                let left = self.select(left, parent.clone());
                let right = self.select(right, parent.clone());
                let scope = self.open(parent);
                self.clauses_after(select, scope);
                combined(operation, left, right)
            }
            (_, _, _) => {
                self.uncertain = true;
                None
            }
        };
        self.look_later();
        self.later = saved;
        self.ctes.truncate(ctes);
        output
    }

    fn block(&mut self, select: &'a SelectStmt, parent: Parent) -> Output {
        let scope = self.open(parent);
        let region = self.region_of(select.from_clause(), select.where_clause(), scope);
        self.solve(region);
        for target in select.target_list() {
            self.pending(target.val(), scope);
        }
        self.pending(Node::NodeList(select.values_lists()), scope);
        self.pending(Node::NodeList(select.distinct_clause()), scope);
        self.pending(Node::NodeList(select.group_clause()), scope);
        self.pending(select.having_clause(), scope);
        self.pending(Node::NodeList(select.window_clause()), scope);
        self.clauses_after(select, scope);
        if !select.values_lists().is_empty() {
            return None;
        }
        let place = Place { scope, range: 0..self.scopes[scope].items.len() };
        let columns = self.target_columns(select, &place)?;
        Some(self.output_of(columns))
    }

    /// Columns as the block around sees them. Grouping sets and ROLLUP make NULLs, which are no keys.
    pub(super) fn output_of(&self, columns: Vec<ItemColumn>) -> Vec<OutputColumn> {
        let column = |column: ItemColumn| OutputColumn {
            name: column.name,
            keys: column.node.map(|node| (self.nodes[node].key_type, self.nodes[node].set.clone())),
        };
        columns.into_iter().map(column).collect()
    }

    fn clauses_after(&mut self, select: &'a SelectStmt, scope: usize) {
        for sort in select.sort_clause() {
            self.pending(sort.node(), scope);
        }
        self.pending(select.limit_offset(), scope);
        self.pending(select.limit_count(), scope);
    }

    /// The columns of a target list, with the key columns that stand there plainly.
    pub(super) fn target_columns(&self, select: &SelectStmt, place: &Place) -> Option<Vec<ItemColumn>> {
        self.columns_of(select.target_list().iter(), place)
    }

    /// The columns of a list of targets.
    pub(super) fn columns_of<'t>(
        &self,
        targets: impl Iterator<Item = &'t ResTarget>,
        place: &Place,
    ) -> Option<Vec<ItemColumn>> {
        let mut columns = Vec::new();
        for target in targets {
            if let Node::ColumnRef(column) = target.val()
                && matches!(column.fields().iter().next_back(), Some(Node::A_Star(_)))
            {
                let qualifier: Vec<&str> = column.fields().iter().filter_map(Node::as_str).collect();
                columns.extend(self.star(&qualifier, place)?);
                continue;
            }
            let name = match target.name() {
                Some(name) => name.to_owned(),
                None => plain_name(target.val())?,
            };
            columns.push(ItemColumn { name, node: self.key_column(target.val(), place) });
        }
        Some(columns)
    }

    fn star(&self, qualifier: &[&str], place: &Place) -> Option<Vec<ItemColumn>> {
        let scope = self.scopes.get(place.scope)?;
        let items = scope.items.get(place.range.clone())?;
        if !scope.merged.is_empty() || items.iter().any(|item| item.within.is_some()) {
            return None;
        }
        let mut columns = Vec::new();
        for item in items {
            match qualifier {
                [] => columns.extend(item.columns.clone()?),
                [name] if item.name.as_deref() == Some(*name) => columns.extend(item.columns.clone()?),
                [_] => {}
                _ => return None,
            }
        }
        Some(columns)
    }

    /// True for a subquery whose rows are those of its FROM clause that satisfy its WHERE clause.
    pub(super) fn is_simple(&self, select: &SelectStmt) -> bool {
        select.op == SetOperation::SETOP_NONE
            && select.with_clause().is_none()
            && select.into_clause().is_none()
            && select.values_lists().is_empty()
            && select.distinct_clause().is_empty()
            && select.group_clause().is_empty()
            && matches!(select.having_clause(), Node::None)
            && select.window_clause().is_empty()
            && matches!(select.limit_count(), Node::None)
            && matches!(select.limit_offset(), Node::None)
            && select.sort_clause().is_empty()
            && select.locking_clause().is_empty()
            && select.target_list().iter().all(|target| self.is_scalar(target.val()))
    }

    /// True where no aggregate and no window function stands in an expression.
    fn is_scalar(&self, node: Node<'_>) -> bool {
        let here = match node {
            Node::FuncCall(call) => self.is_scalar_call(call),
            Node::GroupingFunc(_) | Node::JsonObjectAgg(_) | Node::JsonArrayAgg(_) => false,
            // A subquery's aggregates may be the outer block's.
            Node::SubLink(_) => false,
            _ => true,
        };
        here && children(node).is_some_and(|below| below.into_iter().all(|child| self.is_scalar(child)))
    }

    fn is_scalar_call(&self, call: &FuncCall) -> bool {
        let name = call.funcname().iter().filter_map(Node::as_str).next_back().unwrap_or_default();
        let facts = self.catalog.functions.get(name);
        call.over().is_none() && facts.is_some_and(|facts| !facts.aggregate && !facts.window)
    }

    /// Looks for subqueries in the expressions that were put aside.
    fn look_later(&mut self) {
        while let Some((node, place)) = self.later.pop() {
            self.look(node, &place);
        }
    }

    /// Looks at the expressions that were put aside since a block began.
    pub(super) fn look_and_restore(&mut self, saved: Vec<(Node<'a>, Place)>) {
        self.look_later();
        self.later = saved;
    }

    fn look(&mut self, node: Node<'a>, place: &Place) {
        match node {
            Node::SelectStmt(select) => {
                self.select(select, Some((place.scope, place.range.clone())));
            }
            // Only blocks and FROM clauses name relations.
            Node::RangeVar(_) => self.uncertain = true,
            _ => match children(node) {
                Some(below) => below.into_iter().for_each(|child| self.look(child, place)),
                None => self.uncertain = true,
            },
        }
    }

    /// Expressions of a write.
    pub(super) fn pending_list(&mut self, list: &'a NodeList, scope: usize) {
        self.pending(Node::NodeList(list), scope);
    }
}

/// The name that PostgreSQL gives an output without AS, where it is simple to say.
fn plain_name(node: Node<'_>) -> Option<String> {
    match node {
        Node::ColumnRef(column) => column.fields().iter().next_back()?.as_str().map(str::to_owned),
        Node::FuncCall(call) => call.funcname().iter().next_back()?.as_str().map(str::to_owned),
        Node::A_Const(_) | Node::ParamRef(_) | Node::A_Expr(_) | Node::BoolExpr(_) | Node::NullTest(_) => {
            Some("?column?".to_owned())
        }
        _ => None,
    }
}

fn combined(operation: SetOperation::Type, left: Output, right: Output) -> Output {
    let (left, right) = (left?, right?);
    if left.len() != right.len() {
        return None;
    }
    let column = |(left, right): (OutputColumn, OutputColumn)| {
        let keys = match (left.keys, right.keys) {
            (Some((key_type, one)), Some((_, other))) => Some((key_type, one.union(other))),
            (Some(keys), None) if operation == SetOperation::SETOP_EXCEPT => Some(keys),
            (_, _) => None,
        };
        OutputColumn { name: left.name, keys }
    };
    Some(left.into_iter().zip(right).map(column).collect())
}
