//! Statements that fail because of single rows: a division by zero, an overflow, a text that is no number. Such rows are one server's.

use super::grammar::{Grammar, Relation, Scope};
use super::tables::{TABLES, Table};
use super::units::{Order, Statement};
use super::world::Ty;

impl Grammar {
    /// A statement that fails where a row has the number, and else does not.
    pub(crate) fn risky(&mut self) -> Statement {
        let numbered: Vec<&Table> = TABLES
            .iter()
            .filter(|table| table.is_sharded() && table.columns.iter().any(|column| column.ty == Ty::Int))
            .collect();
        let table = *self.one(&numbered);
        let scope = Scope { inner: vec![Relation::of(table, "a")], outer: Vec::new() };
        let column =
            self.column(Ty::Int, &scope).map_or_else(|| "a.tenant_id".to_owned(), |column| column.sql);
        let number = self.between(0, 30);
        let value = match self.below(4) {
            0 | 1 => format!("100 / ({column}::int8 - {number})"),
            2 => format!("{column}::int4 * {}", 2_147_483_647 / number.max(1)),
            _ => format!("CASE {column} WHEN {number} THEN 'x' ELSE '1' END::int"),
        };
        let only = if self.chance(30) { self.tenant_predicate("a.tenant_id") } else { "true".to_owned() };
        let (name, key) = (table.name, scope.key().unwrap_or_default().join(", "));
        let sql = match self.below(7) {
            0 => format!("SELECT {value} AS x FROM {name} a WHERE {only}"),
            1 => format!("SELECT sum({value}) AS x, count(*) FROM {name} a WHERE {only}"),
            2 => format!("SELECT {value} AS x, count(*) FROM {name} a WHERE {only} GROUP BY 1 ORDER BY 1"),
            3 => format!(
                "SELECT DISTINCT max({value}) OVER (PARTITION BY a.tenant_id) AS x FROM {name} a WHERE {only}"
            ),
            4 => format!("DELETE FROM {name} a WHERE {value} = 7"),
            5 => format!(
                "INSERT INTO visits (tenant_id, visit_id, seconds) SELECT a.tenant_id, 500 + row_number() OVER (ORDER BY {key}), {value} FROM {name} a WHERE {only}"
            ),
            _ => format!(
                "UPDATE visits v SET seconds = (SELECT max({value}) FROM {name} a WHERE a.tenant_id = v.tenant_id AND {only})"
            ),
        };
        self.statement(sql, Order::Free)
    }
}
