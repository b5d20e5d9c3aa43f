//! Expressions that are integers of some width.

use super::grammar::{Expr, Grammar, Scope};
use super::world::Ty;

impl Grammar {
    /// An operation or a function whose value is an integer.
    pub(crate) fn integer(&mut self, scope: &Scope, depth: u8) -> Expr {
        let number = self.between(2, 7);
        let first = |grammar: &mut Grammar, ty: Ty| grammar.expression(ty, scope, depth).sql;
        let sql = match self.below(26) {
            0 => format!("({} + {})", first(self, Ty::Int), number),
            1 => format!("({}::int8 * {number})", first(self, Ty::Int)),
            2 => format!("({} % {number})", first(self, Ty::Int)),
            3 => format!("({}::int8 - {})", first(self, Ty::Int), first(self, Ty::Int)),
            4 => format!("length({})", first(self, Ty::Text)),
            5 => format!("extract(year FROM {})::int", first(self, Ty::Date)),
            6 => format!("cardinality({})", first(self, Ty::Ints)),
            7 => format!("({} - date '2020-01-01')", first(self, Ty::Date)),
            8 => format!("({}::int8 / {number})", first(self, Ty::Int)),
            9 => format!("greatest({}, {number})", first(self, Ty::Int)),
            10 => format!("upper({})", first(self, Ty::Range)),
            11 => format!("lower({})", first(self, Ty::Ranges)),
            12 => format!("({}).number", first(self, Ty::Place)),
            13 => format!("position('a' IN (({})::text COLLATE \"C\"))", first(self, Ty::Text)),
            14 => format!("({}::int8 / nullif({}, 0))", first(self, Ty::Int), first(self, Ty::Int)),
            15 => format!("num_nonnulls({}, {})", first(self, Ty::Text), first(self, Ty::Date)),
            16 => format!("abs({}::int8 # {number})", first(self, Ty::Int)),
            17 => format!("({}::int8 & {number} | 1)", first(self, Ty::Int)),
            18 => format!(
                "extract(day FROM ({}) - timestamptz '2024-01-01')::int",
                first(self, Ty::Timestamptz)
            ),
            19 => format!("({})[1]", first(self, Ty::Ints)),
            20 => format!("array_position({}, 't1')", first(self, Ty::Texts)),
            21 => format!("octet_length({})", first(self, Ty::Bytea)),
            22 => format!(
                "width_bucket(nullif(({})::numeric, 'NaN'), 0, 100, {number})",
                first(self, Ty::Numeric)
            ),
            23 => format!("sign(nullif(({})::numeric, 'NaN'))::int", first(self, Ty::Numeric)),
            24 => format!("({})::int", first(self, Ty::Bool)),
            _ => format!("(- {}::int8)", first(self, Ty::Int)),
        };
        Expr { sql, ty: Ty::Int, clean: true }
    }
}
