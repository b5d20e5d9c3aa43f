//! Scalar expressions of a wanted type, over the columns of a scope.

use super::grammar::{Expr, Grammar, Scope};
use super::world::Ty;

impl Grammar {
    /// An expression of the type; `depth` bounds how far it nests.
    pub(crate) fn expression(&mut self, ty: Ty, scope: &Scope, depth: u8) -> Expr {
        if depth == 0 || self.chance(55) {
            return self.leaf(ty, scope);
        }
        match self.weighted(&[60, 12, 12, 8, 8]) {
            0 => self.operation(ty, scope, depth - 1),
            1 => {
                let (value, other) = (self.expression(ty, scope, depth - 1), self.literal(ty));
                Expr { sql: format!("coalesce({}, {})", value.sql, other.sql), ..value }
            }
            2 => {
                let condition = self.predicate(scope, depth - 1);
                let (value, other) = (self.expression(ty, scope, depth - 1), self.literal(ty));
                let other = if self.chance(50) { format!(" ELSE {}", other.sql) } else { String::new() };
                Expr { sql: format!("CASE WHEN {condition} THEN {}{other} END", value.sql), ..value }
            }
            3 => {
                let (value, other) = (self.expression(ty, scope, depth - 1), self.literal(ty));
                match ty {
                    Ty::Jsonb | Ty::Uuid | Ty::Bytea | Ty::Range | Ty::Ranges | Ty::Place | Ty::Bool => value,
                    _ => Expr { sql: format!("nullif({}, {})", value.sql, other.sql), ..value },
                }
            }
            _ => match self.scalar_subquery(ty, scope, depth - 1) {
                Some(subquery) => subquery,
                None => self.leaf(ty, scope),
            },
        }
    }

    /// A clean expression of the type.
    pub(crate) fn clean(&mut self, ty: Ty, scope: &Scope, depth: u8) -> Expr {
        for _ in 0..4 {
            let expression = self.expression(ty, scope, depth);
            if expression.clean {
                return expression;
            }
        }
        self.literal(ty)
    }

    /// A column of the type, or a constant where there is none.
    pub(crate) fn leaf(&mut self, ty: Ty, scope: &Scope) -> Expr {
        match self.column(ty, scope) {
            Some(column) if !self.chance(8) => column,
            _ => self.literal(ty),
        }
    }

    /// A column of the type.
    pub(crate) fn column(&mut self, ty: Ty, scope: &Scope) -> Option<Expr> {
        let columns = |relations: &[super::grammar::Relation]| -> Vec<Expr> {
            let all = relations.iter().flat_map(|relation| {
                relation.columns.iter().filter(|column| column.ty == ty).map(|column| relation.column(column))
            });
            all.collect()
        };
        let (inner, outer) = (columns(&scope.inner), columns(&scope.outer));
        match (inner.is_empty(), outer.is_empty()) {
            (true, true) => None,
            (false, true) => Some(self.one(&inner).clone()),
            (true, false) => Some(self.one(&outer).clone()),
            (false, false) if self.chance(12) => Some(self.one(&outer).clone()),
            (false, false) => Some(self.one(&inner).clone()),
        }
    }

    /// A type that the scope has a column of.
    pub(crate) fn some_type(&mut self, scope: &Scope) -> Ty {
        let types: Vec<Ty> =
            scope.inner.iter().flat_map(|relation| &relation.columns).map(|column| column.ty).collect();
        if types.is_empty() || self.chance(8) {
            *self.one(&[Ty::Int, Ty::Text, Ty::Numeric])
        } else {
            *self.one(&types)
        }
    }

    fn operation(&mut self, ty: Ty, scope: &Scope, depth: u8) -> Expr {
        let number = self.between(2, 7);
        let first = |grammar: &mut Grammar, ty: Ty| grammar.expression(ty, scope, depth);
        let made = |sql: String, clean: bool| Expr { sql, ty, clean };
        match ty {
            Ty::Int => self.integer(scope, depth),
            Ty::Numeric => {
                let a = first(self, Ty::Numeric);
                match self.below(6) {
                    0 => made(format!("({} + {})", a.sql, number), a.clean),
                    1 => made(format!("round({} / {number}, 3)", a.sql), true),
                    2 => made(format!("({} * {number})", a.sql), a.clean),
                    3 => {
                        let b = first(self, Ty::Numeric);
                        made(format!("({} - {})", a.sql, b.sql), false)
                    }
                    4 => made(format!("abs({})", a.sql), a.clean),
                    _ => {
                        let b = first(self, Ty::Int);
                        made(format!("({})::numeric(20, 2)", b.sql), true)
                    }
                }
            }
            Ty::Float => {
                let a = first(self, Ty::Float);
                match self.below(4) {
                    0 => made(format!("({} + 0.5)", a.sql), a.clean),
                    1 => made(format!("({} * {number})", a.sql), false),
                    2 => {
                        let b = first(self, Ty::Int);
                        made(format!("({} % 100)::float8", b.sql), true)
                    }
                    _ => made(format!("(- {})", a.sql), false),
                }
            }
            Ty::Text => self.text(scope, depth),
            Ty::Bool => made(self.predicate(scope, depth), true),
            Ty::Date => {
                let a = first(self, Ty::Date);
                match self.below(4) {
                    0 => made(format!("date_trunc('week', {})::date", a.sql), true),
                    1 => made(format!("({} - interval '{number} months')::date", a.sql), true),
                    _ => made(format!("({} + {number})", a.sql), true),
                }
            }
            Ty::Timestamp => {
                let a = first(self, Ty::Timestamp);
                match self.below(3) {
                    2 => {
                        let b = first(self, Ty::Timestamptz);
                        made(format!("({} AT TIME ZONE 'America/New_York')", b.sql), true)
                    }
                    0 => made(format!("({} + interval '{number} hours')", a.sql), true),
                    _ => made(format!("date_trunc('month', {})", a.sql), true),
                }
            }
            Ty::Timestamptz => {
                let a = first(self, Ty::Timestamptz);
                match self.below(2) {
                    0 => made(format!("({} - interval '{number} days')", a.sql), true),
                    _ => made(format!("date_trunc('day', {})", a.sql), true),
                }
            }
            Ty::Interval => match self.below(2) {
                0 => {
                    let a = first(self, Ty::Interval);
                    made(format!("({} * {number})", a.sql), false)
                }
                _ => {
                    let a = first(self, Ty::Timestamp);
                    made(format!("({} - timestamp '2024-01-01')", a.sql), false)
                }
            },
            Ty::Jsonb => {
                let a = first(self, Ty::Int);
                match self.below(7) {
                    3 => {
                        let b = first(self, Ty::Text);
                        made(format!("jsonb_build_array({}, ({})::text, NULL)", a.sql, b.sql), b.clean)
                    }
                    4 => {
                        let b = first(self, Ty::Jsonb);
                        made(format!("({} || '{{\"z\": 1}}')", b.sql), b.clean)
                    }
                    5 => {
                        let b = first(self, Ty::Jsonb);
                        made(format!("jsonb_path_query_array({}, '$.*')", b.sql), false)
                    }
                    6 => match scope.inner.is_empty() {
                        true => a.clone(),
                        false => {
                            let alias = self.one(&scope.inner).alias.clone();
                            made(format!("to_jsonb({alias})"), false)
                        }
                    },
                    0 => made(format!("jsonb_build_object('v', {})", a.sql), true),
                    1 => made(format!("to_jsonb({})", a.sql), true),
                    _ => {
                        let b = first(self, Ty::Jsonb);
                        made(format!("({} -> 'k')", b.sql), false)
                    }
                }
            }
            Ty::Ints => {
                let (a, b) = (first(self, Ty::Int), first(self, Ty::Ints));
                match self.below(2) {
                    0 => made(format!("ARRAY[({})::int % 1000]", a.sql.replace("::int", "::int8")), true),
                    _ => made(format!("({} || {number})", b.sql), true),
                }
            }
            Ty::Texts => {
                let a = first(self, Ty::Texts);
                made(format!("({} || 'z'::text)", a.sql), a.clean)
            }
            Ty::Bytea => {
                let a = first(self, Ty::Text);
                made(format!("decode(md5({}), 'hex')", a.sql), a.clean)
            }
            Ty::Ranges => {
                let (a, b) = (first(self, Ty::Ranges), self.leaf(Ty::Range, scope));
                match self.below(3) {
                    0 => made(format!("({} + {}::int4multirange)", a.sql, b.sql), true),
                    1 => made(format!("({} - {}::int4multirange)", a.sql, b.sql), true),
                    _ => made(format!("({} * '{{[2,6)}}'::int4multirange)", a.sql), true),
                }
            }
            Ty::Place => {
                let (a, b) = (first(self, Ty::Text), first(self, Ty::Int));
                made(format!("ROW({}, ({})::int8 % 1000)::place", a.sql, b.sql), a.clean)
            }
            Ty::Range => {
                let (a, b) = (self.leaf(ty, scope), self.leaf(ty, scope));
                match self.below(2) {
                    0 => made(format!("({} * {})", a.sql, b.sql), true),
                    _ => made(format!("int4range({number}, {number} + upper({}))", a.sql), true),
                }
            }
            Ty::Mood => {
                let a = self.leaf(ty, scope);
                made(format!("greatest({}, 'fine'::mood)", a.sql), true)
            }
            Ty::Key | Ty::Uuid => self.leaf(ty, scope),
        }
    }
}
