//! Set operations, mixed and nested: their arms have the same types, clean values, and texts of one collation.

use super::grammar::{Grammar, Output};
use super::select::Query;
use super::units::Order;
use super::world::Ty;

const OPERATORS: [&str; 8] =
    ["UNION ALL", "UNION ALL", "UNION", "UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL"];

/// What an operator joins, as far as it is written.
struct Combined {
    sql: String,
    rows: f64,
    /// No row comes twice.
    distinct: bool,
}

impl Grammar {
    pub(crate) fn set_operation(&mut self, want: Option<&[Ty]>, depth: u8) -> Query {
        let types = match want {
            Some(types) => types.to_vec(),
            None => (0..1 + self.below(3))
                .map(|_| *self.one(&[Ty::Int, Ty::Text, Ty::Date, Ty::Key, Ty::Numeric, Ty::Mood, Ty::Int]))
                .collect(),
        };
        let names: Vec<String> = types.iter().map(|_| self.name("x")).collect();
        let Combined { mut sql, rows, distinct } = self.combined(&types, &names, (depth, 2));
        let outputs: Vec<Output> = types
            .iter()
            .zip(&names)
            .map(|(ty, name)| Output { name: name.clone(), ty: *ty, clean: true })
            .collect();
        let mut order = Order::Free;
        if self.chance(50) {
            let by: Vec<String> =
                (1..=types.len()).map(|number| format!("{number}{}", self.direction())).collect();
            let limit =
                if self.chance(50) { format!(" LIMIT {}", self.between(1, 20)) } else { String::new() };
            sql = format!("{sql} ORDER BY {}{limit}", by.join(", "));
            order = Order::Total;
        }
        Query { sql, outputs, key: distinct.then_some(names), order, rows }
    }

    /// Arms with an operator between each two; an arm may itself be such. The numbers are how deep queries and operators may still nest.
    fn combined(&mut self, types: &[Ty], names: &[String], (depth, nesting): (u8, u8)) -> Combined {
        let arms = if self.chance(20) { 3 } else { 2 };
        let mut all = Combined { sql: String::new(), rows: 0.0, distinct: false };
        for number in 0..arms {
            let (arm, rows) = if nesting > 0 && self.chance(12) {
                let inside = self.combined(types, names, (depth, nesting - 1));
                (inside.sql, inside.rows)
            } else {
                self.arm(types, names, depth)
            };
            if number > 0 {
                let operator = *self.one(&OPERATORS);
                all.distinct = arms == 2 && !operator.ends_with("ALL");
                all.sql.push_str(&format!(" {operator} "));
            }
            all.sql.push_str(&format!("({arm})"));
            all.rows += rows;
        }
        all
    }

    /// One side of a set operation.
    fn arm(&mut self, types: &[Ty], names: &[String], depth: u8) -> (String, f64) {
        if self.chance(6) {
            return (self.written_rows(types, names), 2.0);
        }
        let from = self.from(depth, &[]);
        let mut list = Vec::new();
        for (ty, name) in types.iter().zip(names) {
            let sql = self.clean(*ty, &from.scope, 1).sql;
            list.push(match ty {
                Ty::Text => format!("({sql}) COLLATE \"C\" AS {name}"),
                Ty::Numeric => format!("({sql})::numeric(20, 3) AS {name}"),
                _ => format!("{sql} AS {name}"),
            });
        }
        let conditions = self.conditions(&from, depth);
        let limit = match from.scope.key() {
            Some(key) if from.scope.rows() > 100.0 => format!(" ORDER BY {} LIMIT 40", key.join(", ")),
            _ => String::new(),
        };
        let sql = format!("SELECT {} FROM {}{conditions}{limit}", list.join(", "), from.sql);
        (sql, from.scope.rows())
    }

    /// Rows that the statement itself spells out.
    fn written_rows(&mut self, types: &[Ty], names: &[String]) -> String {
        let mut rows = Vec::new();
        for _ in 0..1 + self.below(3) {
            let cells: Vec<String> = types
                .iter()
                .map(|ty| match ty {
                    Ty::Text => format!("{} COLLATE \"C\"", self.literal(*ty).sql),
                    Ty::Numeric => format!("({})::numeric(20, 3)", self.literal(*ty).sql),
                    _ => self.literal(*ty).sql,
                })
                .collect();
            rows.push(format!("({})", cells.join(", ")));
        }
        format!("SELECT * FROM (VALUES {}) AS v ({})", rows.join(", "), names.join(", "))
    }
}
