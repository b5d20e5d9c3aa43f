//! Window functions, ordered so that their values are determined.

use super::grammar::{Expr, Grammar, Scope};
use super::world::Ty;

impl Grammar {
    /// A window function over the rows of a scope whose rows `key` tells apart.
    pub(crate) fn window(&mut self, scope: &Scope, key: &[String]) -> Expr {
        let scope = &scope.alone();
        let by = self.some_type(scope);
        let partition = if self.chance(60) {
            format!("PARTITION BY {} ", self.clean(by, scope, 0).sql)
        } else {
            String::new()
        };
        let of = *self.one(&[Ty::Int, Ty::Text, Ty::Date, Ty::Numeric, Ty::Mood]);
        let direction = self.one(&["", " DESC", " DESC NULLS LAST", " NULLS FIRST"]);
        let loose = format!("ORDER BY {}{direction}", self.expression(of, scope, 0).sql);
        let total = format!("{loose}, {}", key.join(", "));
        let value = self.expression(of, scope, 1);
        let number = self.clean(Ty::Int, scope, 1).sql;
        let frame = self.one(&[
            "",
            " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            " ROWS UNBOUNDED PRECEDING EXCLUDE GROUP",
            " GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW",
            " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        ]);
        let near = self.clean(Ty::Int, scope, 0).sql;
        let (sql, ty, clean) = match self.below(15) {
            9 => {
                let frame = self.one(&[
                    "RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING",
                    "RANGE BETWEEN CURRENT ROW AND 3 FOLLOWING EXCLUDE TIES",
                ]);
                (
                    format!("sum({number}) OVER ({partition}ORDER BY ({near})::int8{direction} {frame})"),
                    Ty::Numeric,
                    true,
                )
            }
            10 => (format!("percent_rank() OVER ({partition}{loose})"), Ty::Float, false),
            11 => (format!("nth_value({}, 2) OVER ({partition}{total}{frame})", value.sql), of, value.clean),
            12 => (format!("lead({}, 2) OVER ({partition}{total})", value.sql), of, value.clean),
            13 => {
                let condition = self.predicate(scope, 0);
                (format!("count(*) FILTER (WHERE {condition}) OVER ({partition}{loose})"), Ty::Int, true)
            }
            14 => (
                format!("string_agg(({number})::text, ',') OVER ({partition}{total}{frame})"),
                Ty::Text,
                true,
            ),
            0 => (format!("row_number() OVER ({partition}{total})"), Ty::Int, true),
            1 => (format!("rank() OVER ({partition}{loose})"), Ty::Int, true),
            2 => (format!("dense_rank() OVER ({partition}{loose})"), Ty::Int, true),
            3 => (format!("lag({}) OVER ({partition}{total})", value.sql), of, value.clean),
            4 => (format!("first_value({}) OVER ({partition}{total}{frame})", value.sql), of, value.clean),
            5 => (format!("sum({number}) OVER ({partition}{total}{frame})"), Ty::Numeric, true),
            6 => (format!("count(*) OVER ({partition})"), Ty::Int, true),
            7 => (format!("ntile(3) OVER ({partition}{total})"), Ty::Int, true),
            _ => (format!("max({number}) OVER ({partition}{loose})"), Ty::Int, true),
        };
        Expr { sql, ty, clean }
    }
}
