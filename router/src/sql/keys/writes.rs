//! INSERT, UPDATE, DELETE and MERGE.

use std::ops::Range;
use std::sync::Arc;

use pg_raw_parse::nodes::{
    DeleteStmt, InsertStmt, MergeMatchKind, MergeStmt, MergeWhenClause, OnConflictClause, ResTarget,
    ReturningClause, UpdateStmt,
};
use pg_raw_parse::{ConstValue, Node, list::CastNodeList};

use super::blocks::{Analysis, Output};
use super::region::{Place, Region};
use super::scope::{Item, ItemColumn};
use super::set::{KeySet, KeyTerm};
use super::touched::{Reference, Use};
use super::values;
use crate::catalog::{Column, Relation};
use crate::ids::{KeyType, TenantKey};

type Parent = Option<(usize, Range<usize>)>;

impl<'a> Analysis<'a> {
    pub(super) fn update(&mut self, update: &'a UpdateStmt, parent: Parent) -> Output {
        let (ctes, saved) = (self.ctes.len(), std::mem::take(&mut self.later));
        self.with(update.with_clause(), &parent);
        let scope = self.open(parent);
        let mut region = Region::default();
        let relation =
            update.relation().and_then(|target| self.relation_item(target, Use::Change, scope, &mut region));
        for item in update.from_clause() {
            self.item(item, scope, &mut region);
        }
        self.add_condition(&mut region, update.where_clause(), scope);
        self.solve(region);
        let before = self.touched.reassigned.len();
        self.assignments(update.target_list(), relation.as_deref(), scope);
        let stays = self.touched.reassigned.len() == before;
        let output = self.returning(update.returning_clause(), scope).filter(|_| stays);
        self.look_and_restore(saved);
        self.ctes.truncate(ctes);
        output
    }

    pub(super) fn delete(&mut self, delete: &'a DeleteStmt, parent: Parent) -> Output {
        let (ctes, saved) = (self.ctes.len(), std::mem::take(&mut self.later));
        self.with(delete.with_clause(), &parent);
        let scope = self.open(parent);
        let mut region = Region::default();
        if let Some(target) = delete.relation() {
            self.relation_item(target, Use::Change, scope, &mut region);
        }
        for item in delete.using_clause() {
            self.item(item, scope, &mut region);
        }
        self.add_condition(&mut region, delete.where_clause(), scope);
        self.solve(region);
        let output = self.returning(delete.returning_clause(), scope);
        self.look_and_restore(saved);
        self.ctes.truncate(ctes);
        output
    }

    /// What RETURNING gives; `None` where its columns are not certain.
    fn returning(&mut self, returning: Option<&'a ReturningClause>, scope: usize) -> Output {
        let returning = returning?;
        self.pending_list(returning.exprs(), scope);
        let target = |node| if let Node::ResTarget(target) = node { Some(target) } else { None };
        let targets: Option<Vec<&ResTarget>> = returning.exprs().iter().map(target).collect();
        // OLD and NEW under other names.
        if !returning.options().is_empty() {
            return None;
        }
        let place = Place { scope, range: 0..self.scopes[scope].items.len() };
        self.columns_of(targets?.into_iter(), &place).map(|columns| self.output_of(columns))
    }

    /// SET clauses: their subqueries, and what they do to the tenant column.
    fn assignments(
        &mut self,
        targets: &'a CastNodeList<ResTarget>,
        relation: Option<&Relation>,
        scope: usize,
    ) {
        let tenant = relation.and_then(Relation::tenant_column);
        for target in targets {
            self.pending(target.val(), scope);
            if let Some((column, key_type)) = tenant
                && target.name() == Some(column.name.as_str())
            {
                let set = self.stored(target.val(), column, key_type).unwrap_or(KeySet::All);
                self.touched.reassigned.push(set);
            }
        }
    }

    pub(super) fn insert(&mut self, insert: &'a InsertStmt, parent: Parent) -> Output {
        let (ctes, saved) = (self.ctes.len(), std::mem::take(&mut self.later));
        self.with(insert.with_clause(), &parent);
        let scope = self.open(parent.clone());
        let relation = insert.relation().and_then(|target| self.name_relation(target, Use::Insert));
        let names: Vec<&str> = insert
            .cols()
            .iter()
            .filter_map(|node| if let Node::ResTarget(target) = node { target.name() } else { None })
            .collect();
        let tenant =
            relation.as_deref().and_then(Relation::tenant_column).map(|(column, key)| (column.clone(), key));
        let position = tenant.as_ref().and_then(|(column, _)| match names.is_empty() {
            true => relation.as_deref().and_then(|relation| relation.column(&column.name)),
            false => names.iter().position(|name| *name == column.name),
        });
        if let Some(relation) = relation.as_deref().filter(|_| tenant.is_none()) {
            let given = |column: &Column| names.is_empty() || names.contains(&column.name.as_str());
            let nothing = matches!(insert.select_stmt(), Node::None);
            let left = relation
                .columns
                .iter()
                .filter(|column| may_differ(column) && (nothing || !given(column)))
                .chain(relation.hidden());
            self.touched.defaulted.extend(left.map(|column| column.name.clone()));
        }
        let keys = self.inserted(insert.select_stmt(), position, tenant.as_ref(), parent);
        let mut key = None;
        if let (Some(relation), Some((_, key_type))) = (&relation, &tenant) {
            key = keys.as_ref().map(|keys| {
                let node = self.key(*key_type);
                self.nodes[node].set = keys.clone();
                node
            });
            let (used, keys) = match (position, keys) {
                (None, _) => (Use::InsertMissing, KeySet::All),
                (Some(_), None) => (Use::InsertUnknown, KeySet::All),
                (Some(_), Some(keys)) => (Use::Insert, keys),
            };
            self.references.push((Reference { relation: Arc::clone(relation), used, keys }, 0));
        }
        self.target_item(insert, relation.as_deref(), key, scope);
        let before = self.touched.reassigned.len();
        if let Some(conflict) = insert.on_conflict_clause() {
            self.conflict(conflict, relation.as_deref(), scope);
        }
        let stays = self.touched.reassigned.len() == before;
        let output = self.returning(insert.returning_clause(), scope).filter(|_| stays);
        self.look_and_restore(saved);
        self.ctes.truncate(ctes);
        output
    }

    /// The target of an INSERT, as ON CONFLICT and RETURNING see it: a row of it has a key that is inserted,
    /// for one that is there already has the same.
    fn target_item(
        &mut self,
        insert: &InsertStmt,
        relation: Option<&Relation>,
        key: Option<usize>,
        scope: usize,
    ) {
        let name = insert.relation().and_then(|target| {
            target.alias().and_then(|alias| alias.aliasname()).or(target.relname()).map(str::to_owned)
        });
        let columns = relation.map(|relation| {
            let tenant = relation.tenant_column().map(|(column, _)| column.name.as_str());
            let column = |column: &Column| ItemColumn {
                name: column.name.clone(),
                node: key.filter(|_| tenant == Some(column.name.as_str())),
            };
            relation.columns.iter().map(column).collect()
        });
        self.scopes[scope].items.push(Item { name, columns, within: None });
    }

    fn conflict(&mut self, conflict: &'a OnConflictClause, relation: Option<&Relation>, scope: usize) {
        self.assignments(conflict.target_list(), relation, scope);
        self.pending(conflict.where_clause(), scope);
        if let Some(infer) = conflict.infer() {
            self.pending_list(infer.index_elems(), scope);
            self.pending(infer.where_clause(), scope);
        }
    }

    /// The keys of the rows that are inserted, where they are certain.
    fn inserted(
        &mut self,
        source: Node<'a>,
        position: Option<usize>,
        tenant: Option<&(Column, KeyType)>,
        parent: Parent,
    ) -> Option<KeySet> {
        let Node::SelectStmt(select) = source else { return None };
        if select.values_lists().is_empty() {
            let output = self.select(select, parent);
            let column = output?.into_iter().nth(position?)?;
            return match column.keys {
                Some((_, keys)) => Some(keys),
                None => self.constant_output(select, position?, tenant?),
            };
        }
        self.select(select, parent);
        let ((column, key_type), position) = (tenant?, position?);
        let mut rows = Vec::new();
        for row in select.values_lists() {
            let value = row.as_node_list().and_then(|row| row.get(position));
            rows.push(value.and_then(|value| self.stored(value, column, *key_type)));
        }
        let all = rows.iter().try_fold(KeySet::Set(Vec::new()), |all, row| Some(all.union(row.clone()?)));
        self.touched.row_keys = rows;
        all
    }

    /// `INSERT ... SELECT 5, ...`: a constant in the tenant column's place.
    fn constant_output(
        &mut self,
        select: &'a pg_raw_parse::nodes::SelectStmt,
        position: usize,
        tenant: &(Column, KeyType),
    ) -> Option<KeySet> {
        let stars = select.target_list().iter().take(position + 1).any(|target| match target.val() {
            Node::ColumnRef(column) => column.fields().iter().any(|field| matches!(field, Node::A_Star(_))),
            _ => false,
        });
        let plain = select.op == pg_raw_parse::nodes::SetOperation::SETOP_NONE && !stars;
        let value = plain.then(|| select.target_list().get(position)).flatten()?.val();
        // A parameter in a select list is inferred as text, and grouping may make a NULL of it.
        match value {
            Node::A_Const(_) => self.stored(value, &tenant.0, tenant.1),
            _ => None,
        }
    }

    /// The key that a value has when it is stored in the tenant column. NULL is refused by the server.
    fn stored(&mut self, value: Node<'_>, column: &Column, key_type: KeyType) -> Option<KeySet> {
        let set = match (value, key_type) {
            (Node::A_Const(constant), KeyType::Text) => match constant.val() {
                Some(ConstValue::Integer(value)) => KeySet::of(TenantKey::Text(value.to_string().into())),
                _ => values::of_value(value, key_type, &mut self.uses)?,
            },
            _ => values::of_value(value, key_type, &mut self.uses)?,
        };
        // varchar(n) cuts blanks off what is too long.
        let most = usize::try_from(column.type_modifier.saturating_sub(4)).unwrap_or(usize::MAX);
        let limited = key_type == KeyType::Text && column.type_modifier >= 4;
        let fits = |term: &KeyTerm| match term {
            KeyTerm::Const(TenantKey::Text(text)) => !limited || text.chars().count() <= most,
            KeyTerm::Const(TenantKey::Integer(_) | TenantKey::Uuid(_)) => true,
            KeyTerm::Parameter(..) | KeyTerm::ParameterArray(..) => !limited,
        };
        match &set {
            KeySet::Set(terms) if terms.iter().all(fits) => Some(set),
            KeySet::Set(_) | KeySet::All => None,
        }
    }

    pub(super) fn merge(&mut self, merge: &'a MergeStmt, parent: Parent) -> Output {
        let (ctes, saved) = (self.ctes.len(), std::mem::take(&mut self.later));
        self.with(merge.with_clause(), &parent);
        let scope = self.open(parent);
        let mut target = Region::default();
        let relation =
            merge.relation().and_then(|name| self.relation_item(name, Use::Change, scope, &mut target));
        let mut source = Region::default();
        self.item(merge.source_relation(), scope, &mut source);
        // Rows of the source stay without a match; rows of the target that meet none are left alone,
        // unless a clause says otherwise.
        let by_source = merge
            .merge_when_clauses()
            .iter()
            .any(|when| when.match_kind == MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_SOURCE);
        self.solve(source);
        let place = Place { scope, range: 0..self.scopes[scope].items.len() };
        self.later.push((merge.join_condition(), place.clone()));
        if !by_source {
            target.conditions.push((merge.join_condition(), place.clone()));
        }
        self.solve(target);
        for when in merge.merge_when_clauses() {
            self.merge_clause(when, relation.as_ref(), &place);
        }
        self.returning(merge.returning_clause(), scope);
        self.look_and_restore(saved);
        self.ctes.truncate(ctes);
        None
    }

    fn merge_clause(&mut self, when: &'a MergeWhenClause, relation: Option<&Arc<Relation>>, place: &Place) {
        self.pending(when.condition(), place.scope);
        self.pending_list(when.values(), place.scope);
        self.pending_list(when.target_list(), place.scope);
        let inserts = when.command_type == pg_raw_parse::nodes::CmdType::CMD_INSERT;
        let Some((relation, (column, key_type))) =
            relation.and_then(|relation| Some((relation, relation.tenant_column()?)))
        else {
            let named = |node| if let Node::ResTarget(target) = node { target.name() } else { None };
            let names: Vec<&str> = when.target_list().iter().filter_map(named).collect();
            let given = |at: usize, column: &Column| match names.is_empty() {
                true => at < when.values().len(),
                false => names.contains(&column.name.as_str()),
            };
            let columns = relation.into_iter().filter(|_| inserts).flat_map(|relation| &relation.columns);
            let left = columns.enumerate().filter(|(at, column)| may_differ(column) && !given(*at, column));
            self.touched.defaulted.extend(left.map(|(_, column)| column.name.clone()));
            return;
        };
        let targets: Vec<&ResTarget> = when
            .target_list()
            .iter()
            .filter_map(|node| if let Node::ResTarget(target) = node { Some(target) } else { None })
            .collect();
        let named = targets.iter().position(|target| target.name() == Some(column.name.as_str()));
        if when.values().is_empty() && !inserts {
            if let Some(position) = named {
                let set = self.stored(targets[position].val(), column, key_type).unwrap_or(KeySet::All);
                self.touched.reassigned.push(set);
            }
            return;
        }
        let position = if targets.is_empty() { relation.column(&column.name) } else { named };
        let value = position.and_then(|position| when.values().get(position));
        let keys = match value {
            Some(value) => match self.key_column(value, place) {
                Some(node) => Some(self.nodes[node].set.clone()),
                None => self.stored(value, column, key_type),
            },
            None => None,
        };
        let (used, keys) = match (position, keys) {
            (None, _) => (Use::InsertMissing, KeySet::All),
            (Some(_), None) => (Use::InsertUnknown, KeySet::All),
            (Some(_), Some(keys)) => (Use::Insert, keys),
        };
        self.references.push((Reference { relation: Arc::clone(relation), used, keys }, 0));
    }
}

/// True for a column whose default is not certain to be the same on every server: that of a constant is.
fn may_differ(column: &Column) -> bool {
    column.has_default && !column.generated && !column.default.as_deref().is_some_and(is_constant)
}

/// True for a constant and a cast of one. A string that is cast twice may be read anew each time, as `'now'` is.
fn is_constant(default: &str) -> bool {
    let Ok(tree) = pg_raw_parse::parse(&format!("SELECT {default}")) else { return false };
    let Some(Node::SelectStmt(select)) = tree.first().map(|statement| statement.stmt()) else { return false };
    let Some(target) = select.target_list().first() else { return false };
    match target.val() {
        Node::A_Const(_) => true,
        Node::TypeCast(cast) => matches!(cast.arg(), Node::A_Const(_)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_constant_where_no_server_could_read_it_otherwise() {
        for (default, expected) in [
            ("0", true),
            ("'new'::text", true),
            ("'{}'::jsonb", true),
            ("'-1'::integer", true),
            ("NULL::character varying", true),
            ("true", true),
            ("('now'::text)::timestamp with time zone", false),
            ("now()", false),
            ("CURRENT_DATE", false),
            ("nextval('s'::regclass)", false),
            ("(1 + 2)", false),
        ] {
            assert_eq!(is_constant(default), expected, "{default}");
        }
    }
}
