//! Which UPDATE, DELETE and INSERT ... SELECT over rows of all tenants each server does for its own rows,
//! so that together they do what one server with all rows would do; by themselves, or in a WITH clause, where
//! what they return is one more table whose rows are at home.
//!
//! Every sharded table of the statement is tied to the written one by the tenant column, and what is
//! computed is the same on every server. INSERT ... SELECT gives each row the tenant of the row that it
//! is made from.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{
    DeleteStmt, InsertStmt, OnConflictClause, RangeVar, RawStmt, ResTarget, ReturningClause, UpdateStmt,
    WithClause,
};

use super::analysis::{Analysis, Role};
use super::clock::text_reads_clock;
use super::expression::unknown_expression;
use super::from::{Conditions, Item, not_joined_by_tenant, unite_by_condition};
use super::leg::{Leg, leg_text};
use super::outputs::outputs_of;
use super::scope::{Reach, Scope, TableReference};
use crate::catalog::{Catalog, Column, Relation, RelationKind, SearchPath};
use crate::plan::Refusal;
use crate::sql::matched::stamped_merge;

/// The text that each server runs for its own rows. `now` is what `now()` is on all servers, as the text
/// of a timestamptz.
pub(crate) fn split_write(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
    now: &str,
) -> Result<Arc<str>, Refusal> {
    Analysis::new(catalog, path).write(statement.stmt())?;
    match statement.stmt() {
        Node::MergeStmt(merge) => {
            let target = merge.relation().ok_or_else(not_by_each)?;
            let relation = sharded_table(target, catalog, path).ok_or_else(not_by_each)?;
            stamped_merge(statement, &relation, now)
        }
        _ => leg_text(statement, &Leg::default(), now),
    }
}

/// True where an expression without columns gives the same wherever it is computed, or another value each
/// time anyway.
pub(crate) fn is_same_anywhere(node: Node<'_>, catalog: &Catalog, path: &SearchPath) -> bool {
    Analysis::new(catalog, path).check(node, &Scope::inside(None)).is_ok()
}

/// Refuses an INSERT whose ON CONFLICT or RETURNING is not the business of each row's server alone.
pub(crate) fn check_insert_clauses(
    insert: &InsertStmt,
    catalog: &Catalog,
    path: &SearchPath,
) -> Result<(), Refusal> {
    let target = insert.relation().ok_or_else(not_by_each)?;
    Analysis::new(catalog, path).check_clauses_of(insert, target).map(|_| ())
}

impl<'a> Analysis<'a> {
    /// The table that a write's RETURNING is, spread over the servers as the written rows are.
    pub(super) fn write(self, node: Node<'a>) -> Result<TableReference, Refusal> {
        match node {
            Node::UpdateStmt(update) => self.check_update(update),
            Node::DeleteStmt(delete) => self.check_delete(delete),
            Node::InsertStmt(insert) => self.check_insert(insert),
            Node::MergeStmt(merge) => self.check_merge_into(merge),
            _ => Err(not_by_each()),
        }
    }

    fn check_update(mut self, update: &'a UpdateStmt) -> Result<TableReference, Refusal> {
        self.enter(update.with_clause())?;
        let target = update.relation().ok_or_else(not_by_each)?;
        let written = self.written(target, update.from_clause(), update.where_clause())?;
        let relation = self.relation_of(target)?;
        check_defaults(update.target_list().iter(), &relation)?;
        self.check_assignments(update.target_list().iter(), &written.scope)?;
        self.returned(update.returning_clause(), &written)
    }

    fn check_delete(mut self, delete: &'a DeleteStmt) -> Result<TableReference, Refusal> {
        self.enter(delete.with_clause())?;
        let target = delete.relation().ok_or_else(not_by_each)?;
        let written = self.written(target, delete.using_clause(), delete.where_clause())?;
        self.returned(delete.returning_clause(), &written)
    }

    /// INSERT ... SELECT whose rows stay on the server of the rows that they are made from.
    fn check_insert(mut self, insert: &'a InsertStmt) -> Result<TableReference, Refusal> {
        self.enter(insert.with_clause())?;
        let target = insert.relation().ok_or_else(not_by_each)?;
        let relation = self.relation_of(target)?;
        let Node::SelectStmt(select) = insert.select_stmt() else { return Err(not_by_each()) };
        let source = self.subquery(select, None, Role::Table)?;
        let columns = source.columns.as_ref().ok_or_else(unknown_expression)?;
        let (tenant, _) = relation.tenant_column().ok_or_else(not_by_each)?;
        let names = names_of(insert);
        let position = match names.is_empty() {
            true => relation.column(&tenant.name),
            false => names.iter().position(|name| *name == tenant.name),
        };
        let key = position.and_then(|position| columns.get(position));
        if !source.sharded || !key.is_some_and(|column| column.tenant && !column.nullable) {
            return Err(Refusal::unsupported(
                "the inserted rows do not take their tenant from the rows that they are made from",
                "Select the tenant column into the tenant column.",
            ));
        }
        let left = |column: &&Column| match names.is_empty() {
            true => relation.columns.iter().skip(columns.len()).any(|other| other.name == column.name),
            false => !names.contains(&column.name.as_str()),
        };
        if relation.columns.iter().filter(left).any(is_stamped) {
            return Err(not_by_each());
        }
        self.check_clauses_of(insert, target)
    }

    fn check_clauses_of(
        &self,
        insert: &'a InsertStmt,
        target: &'a RangeVar,
    ) -> Result<TableReference, Refusal> {
        self.relation_of(target)?;
        let mut written = Written { scope: Scope::inside(None), items: Vec::new() };
        let item = self.add_item(Node::RangeVar(target), &mut written.scope, &mut Conditions::default())?;
        written.items.push(item);
        self.check_conflict(insert.on_conflict_clause(), &written.scope)?;
        self.returned(insert.returning_clause(), &written)
    }

    pub(super) fn enter(&mut self, with: Option<&'a WithClause>) -> Result<(), Refusal> {
        with.map_or(Ok(()), |with| self.add_ctes(with, None))
    }

    /// The table that is written; a CTE of its name is another one.
    pub(super) fn relation_of(&self, target: &RangeVar) -> Result<Arc<Relation>, Refusal> {
        match self.cte(target.relname().unwrap_or_default()) {
            None => sharded_table(target, self.catalog, self.path).ok_or_else(not_by_each),
            Some(_) => Err(not_by_each()),
        }
    }

    /// The names of an UPDATE or DELETE, once its tables are tied to the written one.
    fn written(
        &self,
        target: &'a RangeVar,
        from: &'a NodeList,
        condition: Node<'a>,
    ) -> Result<Written, Refusal> {
        self.relation_of(target)?;
        let mut scope = Scope::inside(None);
        let mut conditions = Conditions::default();
        let mut items = vec![self.add_item(Node::RangeVar(target), &mut scope, &mut conditions)?];
        for item in from {
            items.push(self.add_item(item, &mut scope, &mut conditions)?);
        }
        conditions.holding.push(condition);
        for holding in &conditions.holding {
            unite_by_condition(*holding, Reach::Outer, &mut scope);
        }
        let all: Vec<usize> = (0..scope.references.len()).collect();
        if !scope.is_one_class(&scope.sharded(&all)) {
            return Err(not_joined_by_tenant());
        }
        self.check_all(conditions.holding.into_iter().chain(conditions.other), &scope)?;
        Ok(Written { scope, items })
    }

    pub(super) fn check_assignments(
        &self,
        targets: impl Iterator<Item = &'a ResTarget>,
        scope: &Scope<'_>,
    ) -> Result<(), Refusal> {
        for target in targets {
            let value = match target.val() {
                Node::MultiAssignRef(part) => part.source(),
                value => value,
            };
            self.check_all(target.indirection().iter().chain([value]), scope)?;
        }
        Ok(())
    }

    /// ON CONFLICT: a conflicting row has the tenant of the new one, since each unique key holds it.
    fn check_conflict(
        &self,
        conflict: Option<&'a OnConflictClause>,
        scope: &Scope<'_>,
    ) -> Result<(), Refusal> {
        let Some(conflict) = conflict else { return Ok(()) };
        self.check_assignments(conflict.target_list().iter(), scope)?;
        self.check(conflict.where_clause(), scope).map(|_| ())
    }

    /// What RETURNING gives: rows of tenants of the server that wrote them.
    pub(super) fn returned(
        &self,
        returning: Option<&'a ReturningClause>,
        written: &Written,
    ) -> Result<TableReference, Refusal> {
        let mut targets = Vec::new();
        for item in returning.map(ReturningClause::exprs).into_iter().flatten() {
            match item {
                Node::ResTarget(target) => {
                    self.check(target.val(), &written.scope)?;
                    targets.push(target);
                }
                _ => return Err(unknown_expression()),
            }
        }
        // OLD and NEW under other names.
        let plain = returning.is_none_or(|returning| returning.options().is_empty());
        let outputs = outputs_of(targets.into_iter(), &written.scope, &written.items)?.filter(|_| plain);
        let columns = outputs.and_then(|outputs| {
            outputs.into_iter().map(|output| output.column(&written.scope)).collect::<Option<Vec<_>>>()
        });
        Ok(TableReference { name: String::new(), columns, sharded: true })
    }
}

/// The tables of a write, the written one first.
pub(super) struct Written {
    pub(super) scope: Scope<'static>,
    pub(super) items: Vec<Item>,
}

/// Refuses DEFAULT for columns whose default reads the clock.
pub(super) fn check_defaults<'a>(
    targets: impl Iterator<Item = &'a ResTarget>,
    relation: &Relation,
) -> Result<(), Refusal> {
    let defaulted = targets.filter(|target| matches!(target.val(), Node::SetToDefault(_)));
    let mut columns =
        defaulted.filter_map(ResTarget::name).filter_map(|name| relation.columns.get(relation.column(name)?));
    match columns.any(is_stamped) {
        true => Err(Refusal::unsupported(
            "a column is set to its default, which reads the clock of each server",
            "Set it to now().",
        )),
        false => Ok(()),
    }
}

/// The sharded table of this name.
pub(crate) fn sharded_table(name: &RangeVar, catalog: &Catalog, path: &SearchPath) -> Option<Arc<Relation>> {
    let relation = catalog.relation(name.schemaname(), name.relname().unwrap_or_default(), path)?;
    match &relation.kind {
        RelationKind::Sharded { .. } => Some(Arc::clone(relation)),
        RelationKind::Reference
        | RelationKind::ReferenceView
        | RelationKind::ShardedView { .. }
        | RelationKind::Sequence
        | RelationKind::Unsafe { .. } => None,
    }
}

/// True where what is stored by default depends on the time.
pub(crate) fn is_stamped(column: &Column) -> bool {
    column.default.as_deref().is_some_and(text_reads_clock)
}

/// The columns that an INSERT names.
fn names_of(insert: &InsertStmt) -> Vec<&str> {
    let name = |node| if let Node::ResTarget(target) = node { target.name() } else { None };
    insert.cols().iter().filter_map(name).collect()
}

pub(super) fn not_by_each() -> Refusal {
    Refusal::unsupported(
        "this write over rows of several servers cannot be done by each for its own rows",
        "Name one tenant: in the statement, with SET, or in a comment.",
    )
}
