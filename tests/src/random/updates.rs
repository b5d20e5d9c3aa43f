//! UPDATE and DELETE over one tenant, some or all, and UPDATE of the tenant column.

use super::grammar::{Grammar, Relation, Scope};
use super::tables::{Column, Table};
use super::world::Ty;
use super::writes::assignable;

impl Grammar {
    /// WHERE of an UPDATE or DELETE: one tenant, some or all.
    fn where_of(&mut self, scope: &Scope, column: &str) -> String {
        let mut conditions = Vec::new();
        if self.chance(50) {
            conditions.push(self.tenant_predicate(column));
        }
        if conditions.is_empty() || self.chance(60) {
            conditions.push(self.predicate(scope, 1));
        }
        conditions.join(" AND ")
    }

    pub(crate) fn update(&mut self) -> String {
        let table = self.sharded_table();
        let alias = "a";
        let scope = Scope { inner: vec![Relation::of(table, alias)], outer: Vec::new() };
        let columns = assignable(table);
        if columns.is_empty() {
            return self.change_tenant();
        }
        let column = *self.one(&columns);
        let value = match column.name {
            "currency" => "'EUR'".to_owned(),
            "region_id" => "2".to_owned(),
            "quantity" | "priority" | "progress" => self.between(0, 9).to_string(),
            _ if self.chance(15) => match self.scalar_subquery(column.ty, &scope, 0) {
                Some(subquery) => subquery.sql,
                None => self.literal(column.ty).sql,
            },
            _ => self.expression_without_queries(column.ty, &scope),
        };
        let value = if column.ty == Ty::Int { format!("({value}) % 1000") } else { value };
        let mut assignment = format!("{} = {value}", column.name);
        if self.chance(20) {
            assignment = self.several_columns(table, &scope);
        }
        let returning = self.returning(table, alias);
        if self.chance(15) {
            let other = *self.one(&["tenants", "tenant_regions"]);
            let vip = self.one(&["o.vip", "o.vip IS NULL", "o.name LIKE '%a%'"]);
            return format!(
                "UPDATE {} AS a SET {assignment} FROM {other} o WHERE o.tenant_id = a.tenant_id AND {vip}{returning}",
                table.name
            );
        }
        if self.chance(8) {
            let tie = self.one(&["o.tenant_id = a.tenant_id", "o.tenant_id = a.tenant_id AND o.n > 3"]);
            return format!(
                "UPDATE {} AS a SET {assignment} FROM (SELECT tenant_id, count(*) AS n FROM orders GROUP BY tenant_id) o WHERE {tie}{}",
                table.name,
                returning.replace("RETURNING *", "RETURNING a.*, o.n")
            );
        }
        let only = if self.chance(5) { "ONLY " } else { "" };
        let conditions = self.where_of(&scope, "a.tenant_id");
        format!("UPDATE {only}{} AS a SET {assignment} WHERE {conditions}{returning}", table.name)
    }

    pub(crate) fn delete(&mut self) -> String {
        let table = self.sharded_table();
        let scope = Scope { inner: vec![Relation::of(table, "a")], outer: Vec::new() };
        let returning = self.returning(table, "a");
        match self.below(6) {
            0 => {
                let tied = self.one(&["o.tenant_id = a.tenant_id AND ", ""]);
                let condition = self.predicate(&scope, 0);
                // Which of several orders a row meets is nobody's promise.
                let returning = returning.replace("RETURNING *", "RETURNING a.*");
                format!(
                    "DELETE FROM {} a USING orders o WHERE {tied}o.quantity = 4 AND {condition}{returning}",
                    table.name
                )
            }
            1 => {
                let key: Vec<String> = table.key.iter().map(|name| format!("a.{name}")).collect();
                let (condition, rows) = (self.predicate(&scope, 0), self.between(1, 6));
                format!(
                    "DELETE FROM {0} WHERE ({1}) IN (SELECT {2} FROM {0} a WHERE {condition} ORDER BY {2} LIMIT {rows})",
                    table.name,
                    table.key.join(", "),
                    key.join(", ")
                )
            }
            _ => format!(
                "DELETE FROM {} AS a WHERE {}{returning}",
                table.name,
                self.where_of(&scope, "a.tenant_id")
            ),
        }
    }

    /// SET of two columns at once, which must be plain.
    fn several_columns(&mut self, table: &Table, scope: &Scope) -> String {
        let plain: Vec<&Column> = assignable(table)
            .into_iter()
            .filter(|column| !column.name.ends_with("_id") && column.name != "currency")
            .filter(|column| matches!(column.ty, Ty::Text | Ty::Date | Ty::Bool | Ty::Numeric | Ty::Mood))
            .collect();
        if plain.len() < 2 {
            return format!("{0} = {0}", table.columns[table.columns.len() - 1].name);
        }
        let first = self.below(plain.len());
        let second = (first + 1 + self.below(plain.len() - 1)) % plain.len();
        let (one, two) = (plain[first], plain[second]);
        let (a, b) = (self.leaf(one.ty, scope).sql, self.literal(two.ty).sql);
        match self.below(4) {
            0 => format!("({}, {}) = ({a}, {b})", one.name, two.name),
            1 => format!("({}, {}) = ROW({a}, DEFAULT)", one.name, two.name),
            2 => format!(
                "({}, {}) = (SELECT {a}, {b} FROM tenants t WHERE t.tenant_id = a.tenant_id)",
                one.name, two.name
            ),
            _ => format!("{} = DEFAULT, {} = {b}", one.name, two.name),
        }
    }

    /// UPDATE of the tenant column: rows become another tenant's.
    pub(crate) fn change_tenant(&mut self) -> String {
        let table = self.sharded_table();
        let key = table.key[table.key.len() - 1];
        let (to, from) = (self.bare(Ty::Key), self.bare(Ty::Key));
        let scope = Scope { inner: vec![Relation::of(table, "a")], outer: Vec::new() };
        let condition = self.predicate(&scope, 0);
        let name = table.name;
        let to = match self.below(5) {
            0 => format!("CASE a.tenant_id WHEN {from} THEN {to} ELSE {from} END"),
            1 => format!(
                "(SELECT t.tenant_id FROM tenants t WHERE t.tenant_id = {})",
                self.literal(Ty::Key).sql
            ),
            _ => to,
        };
        let returning = self.one(&["", "", " RETURNING *"]);
        match self.below(4) {
            0 => format!(
                "UPDATE {name} AS a SET tenant_id = {to} WHERE a.tenant_id = {from} AND a.{key} IS NOT NULL"
            ),
            1 => format!(
                "UPDATE {name} AS a SET tenant_id = {to} WHERE a.tenant_id IN ({from}, {}) AND {condition}{returning}",
                self.bare(Ty::Key)
            ),
            2 => format!("UPDATE {name} AS a SET tenant_id = {to} WHERE {condition}{returning}"),
            _ => format!(
                "UPDATE {name} AS a SET tenant_id = {to} FROM tenants o WHERE o.tenant_id = a.tenant_id AND o.tenant_id = {from}{}",
                returning.replace('*', "a.*")
            ),
        }
    }
}
