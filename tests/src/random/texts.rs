//! Expressions that are texts, and the collations that they are compared in.

use super::grammar::{Expr, Grammar, Scope};
use super::world::Ty;

impl Grammar {
    /// An operation or a function whose value is a text.
    pub(crate) fn text(&mut self, scope: &Scope, depth: u8) -> Expr {
        if self.chance(60) {
            return self.text_of_text(scope, depth);
        }
        let first = |grammar: &mut Grammar, ty: Ty| grammar.expression(ty, scope, depth);
        let made = |sql: String, clean: bool| Expr { sql, ty: Ty::Text, clean };
        match self.below(11) {
            0 => {
                let a = first(self, Ty::Place);
                made(format!("({}).street", a.sql), a.clean)
            }
            1 => {
                let a = first(self, Ty::Int);
                made(format!("({})::text", a.sql), true)
            }
            2 => {
                let a = first(self, Ty::Date);
                made(format!("to_char({}, 'YYYY-MM')", a.sql), true)
            }
            3 => {
                let a = first(self, Ty::Mood);
                made(format!("({})::text", a.sql), true)
            }
            4 => {
                let a = first(self, Ty::Jsonb);
                made(format!("({} {})", a.sql, self.one(&["->> 'k'", "#>> '{k}'", "->> 0"])), false)
            }
            5 => {
                let a = self.leaf(Ty::Key, scope);
                made(format!("({})::text", a.sql), true)
            }
            6 => {
                let a = first(self, Ty::Timestamptz);
                made(format!("to_char({} AT TIME ZONE 'UTC', 'Day HH24 TZ')", a.sql), true)
            }
            7 => {
                let a = first(self, Ty::Texts);
                made(format!("array_to_string({}, '+', '?')", a.sql), a.clean)
            }
            8 => {
                let a = first(self, Ty::Bytea);
                made(format!("encode({}, 'base64')", a.sql), a.clean)
            }
            9 => {
                let a = first(self, Ty::Uuid);
                made(format!("left(({})::text, 3)", a.sql), a.clean)
            }
            _ => {
                let a = first(self, Ty::Numeric);
                made(format!("({})::text", a.sql), a.clean)
            }
        }
    }

    fn text_of_text(&mut self, scope: &Scope, depth: u8) -> Expr {
        let a = self.expression(Ty::Text, scope, depth);
        let made = |sql: String| Expr { sql, ty: Ty::Text, clean: a.clean };
        match self.below(15) {
            0 | 1 => made(format!("lower({})", a.sql)),
            2 => made(format!("({} || '-x')", a.sql)),
            3 => made(format!("substr({}, 1, 2)", a.sql)),
            4 => made(format!("replace(({})::text COLLATE \"C\", 'a', 'ä')", a.sql)),
            5 => made(format!("reverse({})", a.sql)),
            6 => made(format!("split_part(({})::text COLLATE \"C\", ' ', 1)", a.sql)),
            7 => {
                let b = self.clean(Ty::Int, scope, 0);
                made(format!("concat_ws('/', {}, {})", a.sql, b.sql))
            }
            8 => made(format!("regexp_replace(({})::text COLLATE \"C\", '[aeiou]+', '_', 'g')", a.sql)),
            9 => made(format!("format('%s|%L', {}, NULL)", a.sql)),
            10 => made(format!("initcap({})", a.sql)),
            11 => made(format!("md5({})", a.sql)),
            12 => made(format!("translate(({})::text COLLATE \"C\", 'ao', '0')", a.sql)),
            13 => made(format!("lpad(({})::text, 4, '*')", a.sql)),
            _ => {
                let collation = self.collation();
                Expr { sql: format!("(({})::text COLLATE {collation})", a.sql), ty: Ty::Text, clean: true }
            }
        }
    }

    /// A collation where different texts are never equal.
    pub(crate) fn collation(&mut self) -> &'static str {
        self.one::<&str>(&["\"C\"", "\"und-x-icu\"", "\"de-x-icu\"", "\"default\""])
    }
}
