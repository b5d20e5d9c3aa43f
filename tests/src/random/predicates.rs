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
        if self.chance(6)
            && let Some(predicate) = self.row_predicate(scope)
        {
            return predicate;
        }
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
                let between = self.one(&["BETWEEN", "BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC"]);
                format!("{column} {between} {} AND {}", self.bare(ty), self.bare(ty))
            }
            (4 | 5, Ty::Text) if is_clean => {
                format!(
                    "{column} {} '{}'",
                    self.one(&["LIKE", "ILIKE", "NOT LIKE", "SIMILAR TO", "~", "!~*"]),
                    self.one(&["%a%", "p%", "_o%", "a"])
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
                "{} @? '$.n ? (@ > 2)'",
                "{} ?| '{x,k}'",
                "{} #> '{v}' IS NOT NULL",
            ]))
            .replace("{}", &column),
            (_, Ty::Ints | Ty::Texts) => {
                let operator = self.one(&["@>", "&&", "=", "<", "<>", "<@"]);
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
                let operator = self.one(&["@>", "&&", "=", "<<", "<", "-|-", "&<"]);
                format!("{column} {operator} {}", self.literal(ty).sql)
            }
            _ => self.comparison(ty, &column, scope, depth),
        }
    }

    /// A condition over two columns together, or over a whole row.
    fn row_predicate(&mut self, scope: &Scope) -> Option<String> {
        let (one, other) = (*self.one(&[Ty::Key, Ty::Int]), *self.one(&[Ty::Int, Ty::Date]));
        let (a, b) = (self.column(one, scope)?.sql, self.column(other, scope)?.sql);
        Some(match self.below(5) {
            0 => format!(
                "({a}, {b}) IN (({}, {}), ({}, {}))",
                self.bare(one),
                self.bare(other),
                self.bare(one),
                self.bare(other)
            ),
            1 => format!("({a}, {b}) = ({}, {})", self.bare(one), self.bare(other)),
            2 => format!("({a}, {b}) > ({}, {})", self.bare(one), self.bare(other)),
            3 => format!("num_nulls({a}, {b}) = 0"),
            _ => {
                let alias = self.one(&scope.inner).alias.clone();
                format!("{alias} {}", self.one(&["IS NOT NULL", "IS NULL", "IS DISTINCT FROM NULL"]))
            }
        })
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
