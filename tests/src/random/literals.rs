//! Constants of each type, written into the statement or given as parameters.

use super::grammar::{Expr, Grammar};
use super::world::Ty;

const WORDS: [&str; 12] = ["a", "B", "ann", "Zoë", "paid", "Paid", "p3", "Ä", "", "new", "x_y", "Straße"];

impl Grammar {
    /// A constant that says its type; sometimes a parameter.
    pub(crate) fn literal(&mut self, ty: Ty) -> Expr {
        let text = self.value(ty);
        let name = self.type_name(ty);
        let sql = if self.takes_parameters && self.chance(30) {
            self.parameters.push(text);
            format!("${}::{name}", self.parameters.len())
        } else {
            format!("'{}'::{name}", text.replace('\'', "''"))
        };
        Expr { sql, ty, clean: true }
    }

    /// A constant as a programmer writes it beside a column, whose type it takes.
    pub(crate) fn bare(&mut self, ty: Ty) -> String {
        let text = self.value(ty);
        if self.takes_parameters && self.chance(40) {
            self.parameters.push(text);
            return format!("${}", self.parameters.len());
        }
        match ty {
            Ty::Int | Ty::Numeric | Ty::Float | Ty::Bool => text,
            Ty::Key if self.keys == super::KeyType::Int8 => text,
            Ty::Key
            | Ty::Text
            | Ty::Date
            | Ty::Timestamp
            | Ty::Timestamptz
            | Ty::Interval
            | Ty::Uuid
            | Ty::Jsonb
            | Ty::Ints
            | Ty::Texts
            | Ty::Mood
            | Ty::Range
            | Ty::Ranges
            | Ty::Place
            | Ty::Bytea => format!("'{}'", text.replace('\'', "''")),
        }
    }

    pub(crate) fn type_name(&self, ty: Ty) -> &'static str {
        match ty {
            Ty::Key => self.keys.name(),
            Ty::Int => "int",
            Ty::Numeric => "numeric(12, 2)",
            Ty::Float => "float8",
            Ty::Text => "text",
            Ty::Bool => "bool",
            Ty::Date => "date",
            Ty::Timestamp => "timestamp",
            Ty::Timestamptz => "timestamptz",
            Ty::Interval => "interval",
            Ty::Uuid => "uuid",
            Ty::Jsonb => "jsonb",
            Ty::Ints => "int[]",
            Ty::Texts => "text[]",
            Ty::Mood => "mood",
            Ty::Range => "int4range",
            Ty::Ranges => "int4multirange",
            Ty::Place => "place",
            Ty::Bytea => "bytea",
        }
    }

    /// A value as text, often one that rows have.
    pub(crate) fn value(&mut self, ty: Ty) -> String {
        match ty {
            Ty::Key => {
                let tenant = self.tenant();
                self.keys.text(tenant)
            }
            Ty::Int => self.between(0, 9).to_string(),
            Ty::Numeric => format!("{}.{:02}", self.between(0, 200), self.between(0, 3) * 25),
            Ty::Float => (self.between(-8, 20) as f64 * 0.25).to_string(),
            Ty::Text => (*self.one(&WORDS)).to_owned(),
            Ty::Bool => (*self.one(&["true", "false"])).to_owned(),
            Ty::Date => {
                format!("20{:02}-{:02}-{:02}", self.between(20, 25), self.between(1, 12), self.between(1, 28))
            }
            Ty::Timestamp => format!("2024-0{}-{:02} 11:00:00", self.between(1, 6), self.between(1, 28)),
            Ty::Timestamptz => format!("2024-0{}-{:02} 12:00:00+00", self.between(3, 6), self.between(1, 28)),
            Ty::Interval => (*self.one(&["1 day", "25 hours", "1 mon 3 days", "02:30:00"])).to_owned(),
            Ty::Uuid => format!("0000000{0}-0000-4000-8000-00000000000{0}", self.between(1, 4)),
            Ty::Jsonb => (*self.one(&["{\"k\": \"p\"}", "{\"n\": 2}", "[1, 2]", "null", "\"x\""])).to_owned(),
            Ty::Ints => (*self.one(&["{1,2,3}", "{}", "{5,NULL}", "{3}"])).to_owned(),
            Ty::Texts => (*self.one(&["{t1,u1}", "{}", "{W1,NULL}", "{w2}"])).to_owned(),
            Ty::Mood => (*self.one(&["sad", "fine", "happy", "awful"])).to_owned(),
            Ty::Range => format!("[{},{})", self.between(1, 3), self.between(4, 8)),
            Ty::Ranges => (*self.one(&["{}", "{[1,4)}", "{[1,3),[5,9)}", "{(,2),[7,)}"])).to_owned(),
            Ty::Place => (*self.one(&["(High,1)", "(\"a, b\",)", "(,3)", "(,)"])).to_owned(),
            Ty::Bytea => (*self.one(&["\\x00ff", "\\xcfcd208495d565ef66e7dff9f98764da", ""])).to_owned(),
        }
    }
}
