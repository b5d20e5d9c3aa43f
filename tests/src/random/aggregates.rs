//! Aggregates over the rows of a scope, all of them such that no order of the rows shows.

use super::grammar::{Expr, Grammar, Scope};
use super::world::Ty;

impl Grammar {
    /// An aggregate of the type, or of any type.
    pub(crate) fn aggregate(&mut self, want: Option<Ty>, scope: &Scope) -> Expr {
        let ty = want.unwrap_or_else(|| {
            *self.one(&[
                Ty::Int,
                Ty::Int,
                Ty::Int,
                Ty::Numeric,
                Ty::Numeric,
                Ty::Text,
                Ty::Date,
                Ty::Bool,
                Ty::Float,
                Ty::Mood,
                Ty::Ints,
                Ty::Jsonb,
                Ty::Timestamptz,
                Ty::Texts,
                Ty::Ranges,
                Ty::Range,
            ])
        });
        let scope = scope.alone();
        let mut made = self.unfiltered(ty, &scope);
        if made.sql.ends_with(')') && self.chance(15) && !made.sql.starts_with("round") {
            let condition = self.predicate(&scope, 0);
            made.sql = format!("{} FILTER (WHERE {condition})", made.sql);
        }
        made
    }

    fn unfiltered(&mut self, ty: Ty, scope: &Scope) -> Expr {
        let argument = |grammar: &mut Grammar, ty: Ty| grammar.clean(ty, scope, 1).sql;
        let made = |sql: String, clean: bool| Expr { sql, ty, clean };
        match ty {
            Ty::Int => match self.below(16) {
                9 => made(format!("mode() WITHIN GROUP (ORDER BY {})", argument(self, Ty::Int)), true),
                10 => made(
                    format!("dense_rank(4) WITHIN GROUP (ORDER BY {} DESC)", argument(self, Ty::Int)),
                    true,
                ),
                11 => made(format!("bit_xor(({})::int8)", argument(self, Ty::Int)), true),
                12 => {
                    let (one, other) = (self.some_type(scope), self.some_type(scope));
                    let (one, other) = (self.clean(one, scope, 0).sql, self.clean(other, scope, 0).sql);
                    made(format!("count(DISTINCT ({one}, {other}))"), true)
                }
                13 => made(format!("bit_and(({})::int8)", argument(self, Ty::Int)), true),
                14 => made(format!("regr_count(({})::float8, 1)", argument(self, Ty::Int)), true),
                0..=2 => made("count(*)".to_owned(), true),
                3 => {
                    let of = self.some_type(scope);
                    made(format!("count({})", self.expression(of, scope, 1).sql), true)
                }
                4 => {
                    let of = self.some_type(scope);
                    made(format!("count(DISTINCT {})", self.clean(of, scope, 0).sql), true)
                }
                5 => made(format!("min({})", argument(self, Ty::Int)), true),
                6 => made(format!("max({})", argument(self, Ty::Int)), true),
                7 => made(
                    format!("percentile_disc(0.5) WITHIN GROUP (ORDER BY {})", argument(self, Ty::Int)),
                    true,
                ),
                _ => made(format!("rank(4) WITHIN GROUP (ORDER BY {})", argument(self, Ty::Int)), true),
            },
            Ty::Numeric => match self.below(10) {
                8 => made(format!("var_pop({})", argument(self, Ty::Int)), false),
                9 => made(format!("avg(DISTINCT {})", argument(self, Ty::Int)), false),
                0 | 1 => made(format!("sum({})", argument(self, Ty::Int)), true),
                2 => made(format!("sum({})", argument(self, Ty::Numeric)), true),
                3 => made(format!("avg({})", argument(self, Ty::Int)), false),
                4 => made(format!("round(avg({}), 2)", argument(self, Ty::Numeric)), true),
                5 => made(format!("stddev({})", argument(self, Ty::Int)), false),
                6 => made(format!("sum(DISTINCT {})", argument(self, Ty::Int)), true),
                _ => made(format!("max({})", argument(self, Ty::Numeric)), true),
            },
            Ty::Float => match self.below(5) {
                3 => made(format!("cume_dist(4) WITHIN GROUP (ORDER BY {})", argument(self, Ty::Int)), false),
                4 => made(format!("stddev_samp(DISTINCT {})", argument(self, Ty::Int)), false),
                0 => made(format!("sum({})", argument(self, Ty::Float)), true),
                1 => made(format!("avg({})", argument(self, Ty::Float)), false),
                _ => made(
                    format!("percentile_cont(0.25) WITHIN GROUP (ORDER BY {})", argument(self, Ty::Float)),
                    false,
                ),
            },
            Ty::Text => match self.below(6) {
                4 => made(format!("mode() WITHIN GROUP (ORDER BY {})", argument(self, Ty::Text)), true),
                5 => made(
                    format!("percentile_disc(0.7) WITHIN GROUP (ORDER BY {} DESC)", argument(self, Ty::Text)),
                    true,
                ),
                0 => {
                    let text = argument(self, Ty::Text);
                    made(format!("string_agg({text}, ',' ORDER BY {text} COLLATE \"C\")"), true)
                }
                1 => {
                    let text = argument(self, Ty::Text);
                    made(format!("string_agg(DISTINCT {text}, '/')"), true)
                }
                2 => made(format!("min({})", argument(self, Ty::Text)), true),
                _ => made(format!("max({})", argument(self, Ty::Text)), true),
            },
            Ty::Bool => match self.below(3) {
                2 => made(format!("every({})", argument(self, Ty::Bool)), true),
                0 => made(format!("bool_and({})", argument(self, Ty::Bool)), true),
                _ => made(format!("bool_or({})", argument(self, Ty::Bool)), true),
            },
            Ty::Ints => {
                let number = argument(self, Ty::Int);
                made(format!("array_agg(({number})::int ORDER BY {number} DESC NULLS LAST)"), true)
            }
            Ty::Texts => {
                let text = argument(self, Ty::Text);
                made(format!("array_agg({text} ORDER BY {text} COLLATE \"C\")"), true)
            }
            Ty::Jsonb => {
                let number = argument(self, Ty::Int);
                match self.below(3) {
                    0 => {
                        let text = argument(self, Ty::Text);
                        made(
                            format!(
                                "jsonb_object_agg(coalesce({text}, '-'), 1 ORDER BY ({text})::text COLLATE \"C\")"
                            ),
                            true,
                        )
                    }
                    1 => made(format!("jsonb_agg(DISTINCT {number})"), true),
                    _ => made(format!("jsonb_agg({number} ORDER BY {number})"), true),
                }
            }
            Ty::Date | Ty::Timestamp | Ty::Timestamptz | Ty::Mood => {
                let function = self.one(&["min", "max"]);
                made(format!("{function}({})", argument(self, ty)), true)
            }
            Ty::Interval => made(
                format!("max(({}) - date '2020-01-01') * interval '1 day'", argument(self, Ty::Date)),
                false,
            ),
            Ty::Ranges if self.chance(60) => {
                let range = argument(self, Ty::Range);
                made(format!("range_agg({range})"), true)
            }
            Ty::Range if self.chance(40) => {
                made(format!("range_intersect_agg({})", argument(self, Ty::Range)), true)
            }
            Ty::Key | Ty::Uuid | Ty::Range | Ty::Ranges | Ty::Place | Ty::Bytea => {
                let value = argument(self, ty);
                made(format!("(array_agg({value} ORDER BY {value}))[1]"), true)
            }
        }
    }
}
