//! Which UPDATE, DELETE and INSERT ... SELECT over rows of all tenants each server does for its own rows,
//! so that together they do what one server with all rows would do.
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
use super::from::{Conditions, not_joined_by_tenant, unite_by_condition};
use super::leg::{Leg, leg_text};
use super::scope::{Reach, Scope};
use crate::catalog::{Catalog, Column, Relation, RelationKind, SearchPath};
use crate::plan::Refusal;

/// The text that each server runs for its own rows. `now` is what `now()` is on all servers, as the text
/// of a timestamptz.
pub(crate) fn split_write(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
    now: &str,
) -> Result<Arc<str>, Refusal> {
    let analysis = Analysis::new(catalog, path);
    match statement.stmt() {
        Node::UpdateStmt(update) => analysis.check_update(update)?,
        Node::DeleteStmt(delete) => analysis.check_delete(delete)?,
        Node::InsertStmt(insert) => analysis.check_insert(insert)?,
        _ => return Err(not_by_each()),
    }
    leg_text(statement, &Leg::default(), now)
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
    Analysis::new(catalog, path).check_clauses_of(insert, target)
}

impl<'a> Analysis<'a> {
    fn check_update(mut self, update: &'a UpdateStmt) -> Result<(), Refusal> {
        self.enter(update.with_clause())?;
        let target = update.relation().ok_or_else(not_by_each)?;
        let scope = self.written(target, update.from_clause(), update.where_clause())?;
        let relation = self.relation_of(target)?;
        let defaulted = |target: &&ResTarget| matches!(target.val(), Node::SetToDefault(_));
        let defaulted = update.target_list().iter().filter(defaulted).filter_map(ResTarget::name);
        let mut columns = defaulted.filter_map(|name| relation.columns.get(relation.column(name)?));
        if columns.any(is_stamped) {
            return Err(Refusal::unsupported(
                "a column is set to its default, which reads the clock of each server",
                "Set it to now().",
            ));
        }
        self.check_assignments(update.target_list().iter(), &scope)?;
        self.check_returning(update.returning_clause(), &scope)
    }

    fn check_delete(mut self, delete: &'a DeleteStmt) -> Result<(), Refusal> {
        self.enter(delete.with_clause())?;
        let target = delete.relation().ok_or_else(not_by_each)?;
        let scope = self.written(target, delete.using_clause(), delete.where_clause())?;
        self.check_returning(delete.returning_clause(), &scope)
    }

    /// INSERT ... SELECT whose rows stay on the server of the rows that they are made from.
    fn check_insert(mut self, insert: &'a InsertStmt) -> Result<(), Refusal> {
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

    fn check_clauses_of(&self, insert: &'a InsertStmt, target: &'a RangeVar) -> Result<(), Refusal> {
        let mut scope = Scope::inside(None);
        self.add_item(Node::RangeVar(target), &mut scope, &mut Conditions::default())?;
        self.check_conflict(insert.on_conflict_clause(), &scope)?;
        self.check_returning(insert.returning_clause(), &scope)
    }

    /// CTEs that read.
    fn enter(&mut self, with: Option<&'a WithClause>) -> Result<(), Refusal> {
        with.map_or(Ok(()), |with| self.add_ctes(with, None))
    }

    fn relation_of(&self, target: &RangeVar) -> Result<Arc<Relation>, Refusal> {
        sharded_table(target, self.catalog, self.path).ok_or_else(not_by_each)
    }

    /// The names of an UPDATE or DELETE, once its tables are tied to the written one.
    fn written(
        &self,
        target: &'a RangeVar,
        from: &'a NodeList,
        condition: Node<'a>,
    ) -> Result<Scope<'static>, Refusal> {
        self.relation_of(target)?;
        let mut scope = Scope::inside(None);
        let mut conditions = Conditions::default();
        self.add_item(Node::RangeVar(target), &mut scope, &mut conditions)?;
        for item in from {
            self.add_item(item, &mut scope, &mut conditions)?;
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
        Ok(scope)
    }

    fn check_assignments(
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

    fn check_returning(
        &self,
        returning: Option<&'a ReturningClause>,
        scope: &Scope<'_>,
    ) -> Result<(), Refusal> {
        let Some(returning) = returning else { return Ok(()) };
        for item in returning.exprs() {
            match item {
                Node::ResTarget(target) => self.check(target.val(), scope)?,
                _ => return Err(unknown_expression()),
            };
        }
        Ok(())
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

fn not_by_each() -> Refusal {
    Refusal::unsupported(
        "this write over rows of several servers cannot be done by each for its own rows",
        "Name one tenant: in the statement, with SET, or in a comment.",
    )
}
