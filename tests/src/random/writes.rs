//! Writes over one tenant, some or all, in the shapes whose outcome PostgreSQL determines: new rows, and CTEs that write.

use super::grammar::{Grammar, Relation, Scope};
use super::tables::{Column, TABLES, Table};
use super::units::{Order, Statement};
use super::world::Ty;

impl Grammar {
    /// A statement that writes.
    pub(crate) fn write(&mut self) -> Statement {
        let (sql, order) = match self.weighted(&[24, 12, 26, 18, 6, 6, 8, 2, 4, 5]) {
            0 => {
                let sql = self.insert_values();
                // New rows come back in the order in which they were written down, where it is known which do.
                let leaves_out = sql.contains(" DO UPDATE ") && sql.contains(" WHERE ");
                (sql, if leaves_out { Order::Free } else { Order::Total })
            }
            1 => (self.insert_select(), Order::Free),
            2 => (self.update(), Order::Free),
            3 => (self.delete(), Order::Free),
            4 => (self.merge(), Order::Free),
            5 => (self.write_in_with(), Order::Free),
            6 => (self.write_reference(), Order::Free),
            7 => (
                (*self.one(&[
                    "TRUNCATE members",
                    "TRUNCATE ONLY visits, metrics",
                    "TRUNCATE orders CASCADE",
                ]))
                .to_owned(),
                Order::Free,
            ),
            8 => (self.change_tenant(), Order::Free),
            _ => (self.write_through_view(), Order::Free),
        };
        self.statement(sql, order)
    }

    pub(crate) fn sharded_table(&mut self) -> &'static Table {
        let tables: Vec<&'static Table> = TABLES.iter().filter(|table| table.is_sharded()).collect();
        self.one::<&'static Table>(&tables)
    }

    /// A value for a column: a constant, an expression, now and then NULL or DEFAULT.
    pub(crate) fn cell(&mut self, column: &Column, in_values: bool) -> String {
        match column.name {
            "worth" => return "DEFAULT".to_owned(),
            "currency" => return (*self.one(&["'EUR'", "'usd'", "NULL", "'none'"])).to_owned(),
            "region_id" => return self.between(1, 5).to_string(),
            "progress" if self.chance(5) => return "150".to_owned(),
            _ => {}
        }
        let is_plain = matches!(column.ty, Ty::Int | Ty::Numeric);
        match self.weighted(&[80, 6, if in_values { 4 } else { 0 }, if is_plain { 5 } else { 0 }]) {
            0 if self.chance(60) => self.bare(column.ty),
            0 => self.literal(column.ty).sql,
            1 => "NULL".to_owned(),
            2 => "DEFAULT".to_owned(),
            _ => format!("{} + 1", self.between(1, 20)),
        }
    }

    /// The key of a new row: mostly free, sometimes taken.
    fn new_key(&mut self, column: &Column) -> String {
        match column.ty {
            Ty::Int if matches!(column.name, "user_id" | "group_id" | "line_no") && self.chance(50) => {
                self.between(1, 8).to_string()
            }
            Ty::Int => self.between(3, 40).to_string(),
            _ => self.bare(column.ty),
        }
    }

    /// A tenant's key as an INSERT may spell it.
    fn tenant_cell(&mut self) -> String {
        match self.weighted(&[80, 12, 4, 4]) {
            0 => self.bare(Ty::Key),
            1 => self.literal(Ty::Key).sql,
            2 => format!("coalesce(NULL, {})", self.literal(Ty::Key).sql),
            _ => format!("(SELECT tenant_id FROM tenants WHERE tenant_id = {})", self.literal(Ty::Key).sql),
        }
    }

    fn insert_values(&mut self) -> String {
        let table = self.sharded_table();
        let columns: Vec<&Column> = table
            .columns
            .iter()
            .filter(|column| table.key.contains(&column.name) || (column.name != "worth" && self.chance(60)))
            .collect();
        let count = 1 + self.weighted(&[45, 20, 20, 15]);
        let same_tenant = self.chance(30).then(|| self.bare(Ty::Key));
        let mut rows = Vec::new();
        for _ in 0..count {
            let mut cells = Vec::new();
            for column in &columns {
                cells.push(match (column.name, &same_tenant) {
                    ("tenant_id", Some(tenant)) => tenant.clone(),
                    ("tenant_id", None) => self.tenant_cell(),
                    (name, _) if table.key.contains(&name) => self.new_key(column),
                    _ => self.cell(column, true),
                });
            }
            rows.push(format!("({})", cells.join(", ")));
        }
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let conflict = self.on_conflict(table, count == 1);
        let returning = self.returning(table, table.name);
        format!(
            "INSERT INTO {} ({}) VALUES {}{conflict}{returning}",
            table.name,
            names.join(", "),
            rows.join(", ")
        )
    }

    /// RETURNING, or nothing.
    pub(crate) fn returning(&mut self, table: &Table, alias: &str) -> String {
        match self.weighted(&[55, 15, 30]) {
            0 => String::new(),
            1 => " RETURNING *".to_owned(),
            _ => {
                let scope = Scope { inner: vec![Relation::of(table, alias)], outer: Vec::new() };
                let ty = self.some_type(&scope);
                let expression = self.expression_without_queries(ty, &scope);
                format!(" RETURNING {alias}.tenant_id, {expression} AS value")
            }
        }
    }

    pub(crate) fn expression_without_queries(&mut self, ty: Ty, scope: &Scope) -> String {
        for _ in 0..4 {
            let made = self.expression(ty, scope, 1).sql;
            if !made.contains("SELECT") {
                return made;
            }
        }
        self.literal(ty).sql
    }

    /// Rows of a table copied under new keys, within their tenants or into one.
    fn insert_select(&mut self) -> String {
        let (target, id, fixed) = *self.one(&[
            ("users", "user_id", ""),
            ("orders", "order_id", ""),
            ("events", "event_id", ""),
            ("payments", "payment_id", ""),
            ("accounts", "account_id", ""),
            ("members", "user_id", "group_id, "),
        ]);
        let table = TABLES.iter().find(|table| table.name == target).expect("a table of the world");
        let (source, source_id) =
            *self.one(&[("users", "user_id"), ("orders", "order_id"), ("events", "event_id")]);
        let source = TABLES.iter().find(|table| table.name == source).expect("a table of the world");
        let scope = Scope { inner: vec![Relation::of(source, "s")], outer: Vec::new() };
        let offset = self.between(1, 9) * 100;
        let others: Vec<&Column> = assignable(table)
            .into_iter()
            .filter(|column| column.name != "currency" && !column.name.ends_with("_id"))
            .collect();
        let column = *self.one(&others);
        let value = match column.name {
            "quantity" => "3".to_owned(),
            _ => self.expression_without_queries(column.ty, &scope),
        };
        let conditions = self.predicate(&scope, 1);
        let fixed_value = if fixed.is_empty() { "" } else { "9, " };
        let (tenant, number) = match self.below(4) {
            0 => (
                self.literal(Ty::Key).sql,
                format!("{offset} + row_number() OVER (ORDER BY s.tenant_id, s.{source_id})"),
            ),
            1 => {
                let tenant = self.bare(Ty::Key);
                return format!(
                    "INSERT INTO {target} (tenant_id, {fixed}{id}, {}) SELECT s.tenant_id, {fixed_value}s.{source_id} + {offset}, {value} FROM {} s WHERE s.tenant_id = {tenant} AND {conditions}",
                    column.name, source.name
                );
            }
            _ => ("s.tenant_id".to_owned(), format!("s.{source_id} + {offset}")),
        };
        let returning = self.returning(table, target);
        format!(
            "INSERT INTO {target} (tenant_id, {fixed}{id}, {}) SELECT {tenant}, {fixed_value}{number}, {value} FROM {} s WHERE {conditions}{returning}",
            column.name, source.name
        )
    }

    fn write_in_with(&mut self) -> String {
        let condition = self.tenant_predicate("tenant_id");
        let condition = if self.chance(50) { condition } else { "starred".to_owned() };
        let (one, other) = (self.literal(Ty::Key).sql, self.literal(Ty::Key).sql);
        let (number, few) = (self.between(50, 99), self.between(1, 6));
        match self.below(9) {
            3 => format!(
                "WITH n AS (INSERT INTO members (tenant_id, group_id, user_id, role) VALUES ({one}, {number}, 1, 'a'), ({other}, {number}, 2, 'b') ON CONFLICT DO NOTHING RETURNING *) INSERT INTO metrics (tenant_id, day, name, value) SELECT tenant_id, date '1998-01-01' + group_id, role, user_id FROM n RETURNING tenant_id, day, name"
            ),
            4 => format!(
                "WITH d AS (DELETE FROM notes WHERE {condition} RETURNING *) SELECT tenant_id, count(*) OVER (PARTITION BY user_id) AS n FROM d"
            ),
            5 => format!(
                "WITH d AS (DELETE FROM members WHERE group_id > {few} RETURNING user_id) UPDATE users SET score = {few} FROM d WHERE d.user_id = users.user_id AND users.score > 20"
            ),
            6 => format!(
                "WITH p AS (SELECT tenant_id, order_id FROM orders WHERE quantity > 1 ORDER BY tenant_id, order_id LIMIT {few} FOR UPDATE) UPDATE orders o SET quantity = 1 FROM p WHERE p.tenant_id = o.tenant_id AND p.order_id = o.order_id RETURNING o.tenant_id, o.order_id"
            ),
            7 => format!(
                "DELETE FROM notes WHERE note_id IN (SELECT note_id FROM notes WHERE starred ORDER BY note_id, tenant_id LIMIT {few} FOR UPDATE SKIP LOCKED)"
            ),
            8 => format!(
                "SELECT tenant_id, task_id, title FROM tasks WHERE progress > {few} ORDER BY tenant_id, task_id LIMIT {few} FOR UPDATE"
            ),
            0 => format!(
                "WITH d AS (DELETE FROM notes WHERE {condition} RETURNING *) SELECT count(*), min(body COLLATE \"C\") FROM d"
            ),
            1 => format!(
                "WITH d AS (DELETE FROM notes WHERE {condition} RETURNING *) INSERT INTO metrics (tenant_id, day, name) SELECT DISTINCT tenant_id, date '1999-01-01' + user_id::int, 'moved' FROM d"
            ),
            _ => format!(
                "WITH d AS (UPDATE notes SET body = upper(body) WHERE {condition} RETURNING tenant_id, note_id) SELECT count(*) FROM d JOIN users USING (tenant_id)"
            ),
        }
    }
}

/// The columns that UPDATE may set.
pub(crate) fn assignable(table: &Table) -> Vec<&Column> {
    table
        .columns
        .iter()
        .filter(|column| {
            !table.key.contains(&column.name) && column.name != "worth" && column.name != "account_id"
        })
        .collect()
}
