//! Which MERGE over rows of all tenants each server does for its own rows.
//!
//! The rows of the source must meet rows of their own tenant only: then a row that has no match on its server
//! has none anywhere. A source that every server has, as a reference table, has a match on one server and none
//! on the others: such a MERGE must leave alone what is not matched.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{CmdType, MergeMatchKind, MergeStmt, MergeWhenClause, ResTarget};

use super::analysis::Analysis;
use super::from::{Conditions, not_joined_by_tenant, unite_by_condition};
use super::names::fields_of;
use super::scope::{Reach, Scope, TableReference};
use super::write::{Written, check_defaults, not_by_each};
use crate::catalog::{Catalog, Column, Relation, SearchPath};
use crate::plan::Refusal;

/// Refuses a MERGE whose conditions or actions need more than the server of its row has. Each row of the source
/// is on the server of the tenant that its column `key` names.
pub(crate) fn check_matched(
    merge: &MergeStmt,
    relation: &Arc<Relation>,
    (source, key): (&str, &str),
    catalog: &Catalog,
    path: &SearchPath,
) -> Result<(), Refusal> {
    let analysis = Analysis::new(catalog, path);
    let target = merge.relation().ok_or_else(not_by_each)?;
    let mut scope = Scope::inside(None);
    let item = analysis.add_item(Node::RangeVar(target), &mut scope, &mut Conditions::default())?;
    let rows = scope.add(TableReference { name: source.to_owned(), columns: None, sharded: true });
    scope.unite_all(&[item.references.as_slice(), &[rows]].concat());
    let written = Written { scope, items: vec![item] };
    analysis.check(merge.join_condition(), &written.scope)?;
    let is_key = |value: &Node<'_>| match value {
        Node::ColumnRef(column) => match fields_of(column).as_deref() {
            Some([table, name]) => *table == source && *name == key,
            Some([name]) => *name == key,
            Some(_) | None => false,
        },
        _ => false,
    };
    for when in merge.merge_when_clauses() {
        analysis.check_when(when, relation, &written.scope, is_key)?;
    }
    analysis.returned(merge.returning_clause(), &written).map(|_| ())
}

impl<'a> Analysis<'a> {
    /// The table that RETURNING is.
    pub(super) fn check_merge_into(mut self, merge: &'a MergeStmt) -> Result<TableReference, Refusal> {
        self.enter(merge.with_clause())?;
        let target = merge.relation().ok_or_else(not_by_each)?;
        let relation = self.relation_of(target)?;
        let mut scope = Scope::inside(None);
        let mut conditions = Conditions::default();
        let item = self.add_item(Node::RangeVar(target), &mut scope, &mut conditions)?;
        let source = self.add_closed(merge.source_relation(), &mut scope, &mut conditions)?;
        unite_by_condition(merge.join_condition(), Reach::Outer, &mut scope);
        let all: Vec<usize> = (0..scope.references.len()).collect();
        if !scope.is_one_class(&scope.sharded(&all)) {
            return Err(not_joined_by_tenant());
        }
        let spread = !scope.sharded(&source.references).is_empty();
        let sources = source.references.clone();
        let written = Written { scope, items: vec![item, source] };
        let others = conditions.holding.into_iter().chain(conditions.other);
        self.check_all(others.chain([merge.join_condition()]), &written.scope)?;
        for when in merge.merge_when_clauses() {
            if !spread && when.match_kind == MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_TARGET && acts(when) {
                return Err(Refusal::unsupported(
                    "rows that every server has are matched on some servers and not on others",
                    "Name the tenant of each row in the source, and join it by the tenant column.",
                ));
            }
            let inserted = |value: &Node<'_>| is_tenant_of(*value, &written.scope, &sources);
            self.check_when(when, &relation, &written.scope, inserted)?;
        }
        self.returned(merge.returning_clause(), &written)
    }

    /// One WHEN clause; `at_home` says whether a value that is inserted as the tenant is that of the server.
    pub(super) fn check_when(
        &self,
        when: &'a MergeWhenClause,
        relation: &Arc<Relation>,
        scope: &Scope<'_>,
        at_home: impl Fn(&Node<'_>) -> bool,
    ) -> Result<(), Refusal> {
        self.check(when.condition(), scope)?;
        let targets: Vec<&'a ResTarget> = targets_of(when);
        self.check_assignments(targets.iter().copied(), scope)?;
        self.check(Node::NodeList(when.values()), scope)?;
        if when.command_type != CmdType::CMD_INSERT {
            return check_defaults(targets.iter().copied(), relation);
        }
        let (tenant, _) = relation.tenant_column().ok_or_else(not_by_each)?;
        let value = |column: &Column| value_of(when, &targets, relation, column);
        if !value(tenant).is_some_and(|value| at_home(&value)) {
            return Err(Refusal::unsupported(
                "the inserted rows do not take their tenant from the rows that they are made from",
                "Insert the source's tenant column, the one that is joined, into the tenant column.",
            ));
        }
        Ok(())
    }
}

/// True where a clause does something.
fn acts(when: &MergeWhenClause) -> bool {
    when.command_type != CmdType::CMD_NOTHING
}

fn targets_of(when: &MergeWhenClause) -> Vec<&ResTarget> {
    let target = |node| if let Node::ResTarget(target) = node { Some(target) } else { None };
    when.target_list().iter().filter_map(target).collect()
}

/// What an INSERT gives a column.
fn value_of<'a>(
    when: &'a MergeWhenClause,
    targets: &[&ResTarget],
    relation: &Relation,
    column: &Column,
) -> Option<Node<'a>> {
    let position = match targets.is_empty() {
        true => relation.column(&column.name),
        false => targets.iter().position(|target| target.name() == Some(column.name.as_str())),
    };
    when.values().get(position?)
}

/// True for a tenant column of one of these references that no outer join made NULL.
fn is_tenant_of(value: Node<'_>, scope: &Scope<'_>, references: &[usize]) -> bool {
    let Node::ColumnRef(column) = value else { return false };
    let resolved = fields_of(column).and_then(|fields| scope.resolve(&fields));
    resolved.is_some_and(|resolved| {
        !resolved.outer
            && references.contains(&resolved.reference)
            && resolved.column.tenant
            && !resolved.column.nullable
    })
}

#[cfg(test)]
mod tests {
    use super::super::write::split_write;
    use crate::catalog::fixture::{catalog, path};
    use crate::sql::trees;

    fn accepted(text: &str) -> bool {
        let trees = trees(text).expect("parses");
        split_write(trees.first().expect("a statement"), &catalog(), &path(), "2026-01-01 00:00:00+00")
            .is_ok()
    }

    #[test]
    fn merge_is_done_by_each_server_where_source_and_target_are_tied_by_the_tenant() {
        let on = "ON u.tenant_id = o.tenant_id AND u.id = o.user_id";
        let insert = "WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (o.tenant_id, o.user_id)";
        for (text, expected) in [
            (format!("MERGE INTO users u USING orders o {on} WHEN MATCHED THEN DELETE {insert}"), true),
            (format!("MERGE INTO users u USING (SELECT * FROM orders WHERE id = 3) o {on} {insert}"), true),
            (format!("MERGE INTO users u USING (SELECT * FROM orders ORDER BY id LIMIT 3) o {on} {insert}"), false),
            ("MERGE INTO users u USING orders o ON u.id = o.user_id WHEN MATCHED THEN DELETE".into(), false),
            (format!("MERGE INTO users u USING orders o {on} WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (5, 1)"), false),
            (format!("MERGE INTO users u USING orders o {on} WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (o.user_id, 1)"), false),
            ("MERGE INTO users u USING countries c ON u.country_id = c.id WHEN MATCHED THEN UPDATE SET name = c.code".into(), true),
            ("MERGE INTO users u USING countries c ON u.country_id = c.id WHEN NOT MATCHED THEN DO NOTHING WHEN MATCHED AND c.id > 2 THEN DELETE".into(), true),
            ("MERGE INTO users u USING countries c ON u.country_id = c.id WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (c.id, 1)".into(), false),
            (format!("MERGE INTO users u USING orders o {on} WHEN MATCHED THEN UPDATE SET score = (SELECT count(*) FROM orders)"), false),
            ("MERGE INTO users u USING (orders a JOIN orders o ON a.id = o.id) ON u.tenant_id = o.tenant_id AND u.tenant_id = a.tenant_id WHEN MATCHED THEN DELETE".into(), false),
            ("WITH users AS (SELECT * FROM countries) MERGE INTO users u USING orders o ON true WHEN MATCHED THEN DELETE".into(), false),
        ] {
            assert_eq!(accepted(&text), expected, "{text}");
        }
    }

    #[test]
    fn writes_in_with_are_done_by_each_server_where_all_is_tied_by_the_tenant() {
        for (text, expected) in [
            (
                "WITH d AS (DELETE FROM orders WHERE total > 5 RETURNING *) INSERT INTO audit.users SELECT * FROM d",
                true,
            ),
            (
                "WITH d AS (DELETE FROM orders RETURNING tenant_id, user_id) UPDATE users u SET score = 0 FROM d WHERE d.tenant_id = u.tenant_id AND d.user_id = u.id",
                true,
            ),
            (
                "WITH d AS (DELETE FROM orders RETURNING tenant_id, user_id) UPDATE users u SET score = 0 FROM d WHERE d.user_id = u.id",
                false,
            ),
            (
                "WITH d AS (DELETE FROM orders RETURNING user_id, id, user_id, total, status, created_at) INSERT INTO audit.users SELECT * FROM d",
                false,
            ),
            (
                "WITH n AS (INSERT INTO orders (tenant_id, id) VALUES (1, 1) RETURNING *) DELETE FROM users u USING n WHERE n.tenant_id = u.tenant_id",
                false,
            ),
            (
                "WITH countries AS (DELETE FROM orders RETURNING *) DELETE FROM users u USING countries c WHERE c.id = u.id",
                false,
            ),
            (
                "WITH u AS (UPDATE users SET score = 1 RETURNING *), d AS (DELETE FROM orders o USING u WHERE o.tenant_id = u.tenant_id RETURNING o.tenant_id, o.id) INSERT INTO audit.users (tenant_id, id) SELECT tenant_id, id FROM d",
                true,
            ),
        ] {
            assert_eq!(accepted(text), expected, "{text}");
        }
    }
}
