//! COPY: a query's or a table's rows out, and new rows in.

use super::grammar::Grammar;
use super::tables::{TABLES, Table};
use super::units::{Order, Statement, Unit};
use super::world::Ty;

impl Grammar {
    /// A query's rows, or a table's, in one of the formats of text.
    pub(crate) fn copy_out(&mut self) -> Unit {
        self.takes_parameters = false;
        let options =
            *self.one(&["", " (FORMAT csv)", " (FORMAT csv, HEADER)", " (NULL '-', DELIMITER '|')"]);
        let source = match self.chance(70) {
            true => self.read(),
            false => Statement::plain(self.one(TABLES).name, Order::Free),
        };
        let sql = match source.sql.contains(' ') {
            true => format!("COPY ({}) TO STDOUT{options}", source.sql),
            false => format!("COPY {} TO STDOUT{options}", source.sql),
        };
        // A line holds all the columns: those that are in order are in none by themselves.
        let order = if source.order == Order::Total { Order::Total } else { Order::Free };
        Unit { statements: vec![Statement::plain(&sql, order)], writes: false }
    }

    /// New rows for several tenants, sometimes one that is taken.
    pub(crate) fn copy_in(&mut self) -> Unit {
        let tables: Vec<&'static Table> = TABLES
            .iter()
            .filter(|table| table.is_sharded() && !["lines", "orders"].contains(&table.name))
            .collect();
        let table = *self.one(&tables);
        let columns: Vec<_> = table
            .columns
            .iter()
            .filter(|column| table.key.contains(&column.name) || self.chance(60))
            .filter(|column| column.name != "region_id" && !column.name.ends_with("order_id"))
            .collect();
        let mut lines = String::new();
        for number in 0..1 + self.below(6) {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| match column.ty {
                    Ty::Int if table.key.contains(&column.name) => {
                        (200 + 7 * number + self.below(2)).to_string()
                    }
                    _ if !table.key.contains(&column.name) && self.chance(12) => "\\N".to_owned(),
                    ty => self.value(ty).replace('\\', "\\\\"),
                })
                .collect();
            lines.push_str(&cells.join("\t"));
            lines.push('\n');
        }
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let sql = format!("COPY {} ({}) FROM STDIN", table.name, names.join(", "));
        let statement = Statement { data: Some(lines), ..Statement::plain(&sql, Order::Free) };
        Unit { statements: vec![statement], writes: true }
    }
}
