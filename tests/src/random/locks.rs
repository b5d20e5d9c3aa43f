//! SELECT with its rows locked.

use super::grammar::{Grammar, Relation, Scope};
use super::select::Query;
use super::tables::{TABLES, Table};
use super::units::Order;

impl Grammar {
    /// Rows of a table, or of two that are joined, locked for what a program does next.
    pub(crate) fn locking(&mut self) -> Query {
        let tables: Vec<&Table> = TABLES.iter().filter(|table| !table.key.is_empty()).collect();
        let (table, alias) = (*self.one(&tables), self.name("t"));
        let mut inner = vec![Relation::of(table, &alias)];
        let mut from = format!("{} {alias}", table.name);
        if table.is_sharded() && self.chance(35) {
            let other = self.name("t");
            let name = *self.one(&["tenants", "users"]);
            let kind = self.one(&["JOIN", "LEFT JOIN"]);
            from = format!("{from} {kind} {name} {other} ON {other}.tenant_id = {alias}.tenant_id");
            if name == "users" {
                from = format!("{from} AND {other}.user_id = 2");
            }
            inner.push(Relation::of(
                TABLES.iter().find(|table| table.name == name).expect("a table of the world"),
                &other,
            ));
        }
        let scope = Scope { inner, outer: Vec::new() };
        let mut conditions = vec![self.predicate(&scope, 1)];
        if let Some(tenant) = scope.inner[0].tenant()
            && self.chance(40)
        {
            conditions.push(self.tenant_predicate(&tenant));
        }
        let ty = self.some_type(&scope);
        let value = self.leaf(ty, &scope).sql;
        let key = scope.key().unwrap_or_default().join(", ");
        let limit = if scope.inner.len() == 1 && self.chance(60) {
            format!(" LIMIT {}", self.between(0, 9))
        } else {
            String::new()
        };
        let strength = self.one(&["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"]);
        let wait = self.one(&["", "", " NOWAIT", " SKIP LOCKED"]);
        let sql = format!(
            "SELECT {value} AS x, {alias}.* FROM {from} WHERE {} ORDER BY {key}{limit} FOR {strength} OF {alias}{wait}",
            conditions.join(" AND ")
        );
        Query { sql, outputs: Vec::new(), key: None, order: Order::Total, rows: 20.0 }
    }
}
