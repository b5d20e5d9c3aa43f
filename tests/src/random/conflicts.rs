//! ON CONFLICT in all its forms.

use super::grammar::Grammar;
use super::tables::{Column, Table};
use super::writes::assignable;

impl Grammar {
    /// ON CONFLICT, or nothing; with several rows it refers to what was there before only where all rows have other keys.
    pub(crate) fn on_conflict(&mut self, table: &Table, one_row: bool) -> String {
        let key = match table.name {
            "payments" => "ON CONSTRAINT payments_tenant_id_payment_id_key".to_owned(),
            name if self.chance(20) => format!("ON CONSTRAINT {name}_pkey"),
            _ => format!("({})", table.key.join(", ")),
        };
        let others = assignable(table);
        match self.weighted(&[55, 12, 8, 25]) {
            1 => " ON CONFLICT DO NOTHING".to_owned(),
            2 => format!(" ON CONFLICT {key} DO NOTHING"),
            3 if !others.is_empty() => {
                let assignments = self.on_conflict_set(table, &others, one_row);
                let condition =
                    if self.chance(25) { self.on_conflict_where(table, &others) } else { String::new() };
                format!(" ON CONFLICT {key} DO UPDATE SET {assignments}{condition}")
            }
            _ => String::new(),
        }
    }

    fn on_conflict_set(&mut self, table: &Table, others: &[&Column], one_row: bool) -> String {
        let (column, second) = (*self.one(others), *self.one(others));
        let value = match self.below(4) {
            0 => format!("excluded.{}", column.name),
            1 if one_row => format!("coalesce({}.{1}, excluded.{1})", table.name, column.name),
            2 => "DEFAULT".to_owned(),
            _ => self.literal(column.ty).sql,
        };
        match second.name == column.name || self.chance(60) {
            true => format!("{} = {value}", column.name),
            false => {
                format!("({}, {second}) = ROW({value}, excluded.{second})", column.name, second = second.name)
            }
        }
    }

    fn on_conflict_where(&mut self, table: &Table, others: &[&Column]) -> String {
        let column = self.one(others).name;
        let name = table.name;
        match self.below(3) {
            0 => format!(" WHERE {name}.{column} IS DISTINCT FROM excluded.{column}"),
            1 => format!(" WHERE excluded.{column} IS NOT NULL"),
            _ => format!(" WHERE {name}.{} IS NOT NULL AND {name}.{column} IS NULL", table.key[0]),
        }
    }
}
