//! Conditions: comparisons, tests for NULL, lists, patterns, containment, subqueries, and what AND, OR and NOT make of them.

use super::grammar::{Grammar, Scope};
use super::world::Ty;

impl Grammar {
    /// A condition over the columns of a scope.
    pub(crate) fn predicate(&mut self, scope: &Scope, depth: u8) -> String {
        if depth > 0 {
            match self.weighted(&[60, 12, 12, 6, 10]) {
                0 => {}
                1 => {
                    return format!(
                        "({} AND {})",
                        self.predicate(scope, depth - 1),
                        self.predicate(scope, depth - 1)
                    );
                }
                2 => {
                    return format!(
                        "({} OR {})",
                        self.predicate(scope, depth - 1),
                        self.predicate(scope, depth - 1)
                    );
                }
                3 => return format!("NOT ({})", self.predicate(scope, depth - 1)),
                _ => {
                    if let Some(predicate) = self.subquery_predicate(scope, depth - 1) {
                        return predicate;
                    }
                }
            }
        }
        self.simple_predicate(scope, depth)
    }

    fn simple_predicate(&mut self, scope: &Scope, depth: u8) -> String {
        let ty = self.some_type(scope);
        let Some(column) = self.column(ty, scope) else {
            return (*self.one(&["true", "false", "NULL::bool", "1 = 1"])).to_owned();
        };
        let (column, is_clean) = (column.sql, column.clean);
        match (self.below(10), ty) {
            (0, _) => format!("{column} IS NULL"),
            (1, _) => format!("{column} IS NOT NULL"),
            (2, Ty::Key | Ty::Int | Ty::Text | Ty::Date | Ty::Mood | Ty::Numeric | Ty::Uuid) => {
                let list = [self.bare(ty), self.bare(ty), self.bare(ty)].join(", ");
                let not = self.one(&["", "NOT "]);
                format!("{column} {not}IN ({list})")
            }
            (3, Ty::Int | Ty::Numeric | Ty::Date | Ty::Text | Ty::Timestamptz) => {
                format!("{column} BETWEEN {} AND {}", self.bare(ty), self.bare(ty))
            }
            (4 | 5, Ty::Text) if is_clean => {
                format!(
                    "{column} {} '{}'",
                    self.one(&["LIKE", "ILIKE", "NOT LIKE"]),
                    self.one(&["%a%", "p%", "_o%"])
                )
            }
            (4, Ty::Int) => {
                let tens = [self.value(ty), self.value(ty)].join(", ");
                format!("{column} = ANY (ARRAY[{tens}])")
            }
            (5, Ty::Key | Ty::Int | Ty::Text | Ty::Date) => {
                format!("{column} IS {}DISTINCT FROM {}", self.one(&["", "NOT "]), self.bare(ty))
            }
            (_, Ty::Bool) => (*self.one(&["{}", "NOT {}", "{} IS TRUE", "{} IS NOT FALSE", "{} IS UNKNOWN"]))
                .replace("{}", &column),
            (_, Ty::Jsonb) => (*self.one(&[
                "{} @> '{\"k\": \"p\"}'",
                "{} ? 'n'",
                "{} ->> 'k' = 'Q'",
                "({} ->> 'n')::int > 2",
                "jsonb_typeof({}) = 'object'",
            ]))
            .replace("{}", &column),
            (_, Ty::Ints | Ty::Texts) => {
                let operator = self.one(&["@>", "&&", "=", "<", "<>"]);
                format!("{column} {operator} {}", self.bare(ty))
            }
            (_, Ty::Ranges) => {
                let operator = self.one(&["@>", "&&", "=", "<<", "<"]);
                format!("{column} {operator} {}", self.literal(ty).sql)
            }
            (_, Ty::Place) if self.chance(50) => {
                format!(
                    "({column}).number {} {}",
                    self.one(&["=", "<", "IS DISTINCT FROM"]),
                    self.bare(Ty::Int)
                )
            }
            (_, Ty::Range) => {
                let operator = self.one(&["@>", "&&", "=", "<<", "<"]);
                format!("{column} {operator} {}", self.literal(ty).sql)
            }
            _ => self.comparison(ty, &column, scope, depth),
        }
    }

    /// A comparison; keys and ids mostly by equality.
    fn comparison(&mut self, ty: Ty, column: &str, scope: &Scope, depth: u8) -> String {
        let operators: &[&str] = match ty {
            Ty::Key => &["=", "=", "=", "<>", ">", "<="],
            _ => &["=", "<>", ">", "<=", ">=", "<"],
        };
        let operator = *self.one(operators);
        if self.chance(70) || depth == 0 {
            let bare = self.bare(ty);
            return if self.chance(10) {
                format!("{bare} {operator} {column}")
            } else {
                format!("{column} {operator} {bare}")
            };
        }
        let other = if ty == Ty::Text {
            let other = self.leaf(ty, scope).sql;
            let collation = self.collation();
            format!("({other} COLLATE {collation})")
        } else {
            self.expression(ty, scope, depth - 1).sql
        };
        format!("{column} {operator} {other}")
    }

    /// A condition that holds a tenant's rows, or those of a few.
    pub(crate) fn tenant_predicate(&mut self, column: &str) -> String {
        match self.weighted(&[60, 25, 15]) {
            0 => format!("{column} = {}", self.bare(Ty::Key)),
            1 => format!("{column} IN ({}, {})", self.bare(Ty::Key), self.bare(Ty::Key)),
            _ => format!("({column} = {} OR {column} = {})", self.bare(Ty::Key), self.bare(Ty::Key)),
        }
    }
}
