//! Whole queries as clients send them, with their WITH and their parameters.

use super::grammar::{Grammar, Relation};
use super::select::Query;
use super::units::{Order, Statement};
use super::world::Ty;

impl Grammar {
    /// A SELECT as a client sends it.
    pub(crate) fn read(&mut self) -> Statement {
        let mut with = Vec::new();
        self.recurses = false;
        if self.chance(18) {
            for _ in 0..1 + self.below(2) {
                with.push(self.cte());
            }
        }
        let query = if self.chance(4) { self.locking() } else { self.query(None, 2, &[]) };
        self.ctes.clear();
        let with = match with.as_slice() {
            [] => String::new(),
            parts if self.recurses => format!("WITH RECURSIVE {} ", parts.join(", ")),
            parts => format!("WITH {} ", parts.join(", ")),
        };
        self.statement(format!("{with}{}", query.sql), query.order)
    }

    /// A query that may read what stands beside the tables under these names.
    pub(crate) fn read_of_ctes(&mut self) -> Statement {
        let query = self.query(None, 1, &[]);
        self.ctes.clear();
        self.statement(query.sql, query.order)
    }

    /// A query that returns rows of the wanted types, or any.
    pub(crate) fn query(&mut self, want: Option<&[Ty]>, depth: u8, outer: &[Relation]) -> Query {
        if depth > 0 && self.chance(10) {
            self.set_operation(want, depth - 1)
        } else {
            self.select(want, depth, outer)
        }
    }

    fn cte(&mut self) -> String {
        if self.chance(20) {
            self.recurses = true;
            return self.recursive();
        }
        let (name, query) = (self.name("w"), self.query(None, 1, &[]));
        let hint = self.one(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
        self.ctes.push(Relation {
            alias: name.clone(),
            columns: query.outputs,
            key: query.key,
            rows: query.rows,
        });
        format!("{name} AS {hint}({})", query.sql)
    }

    /// The statement with the parameters that were drawn for it.
    pub(crate) fn statement(&mut self, sql: String, order: Order) -> Statement {
        let drawn = std::mem::take(&mut self.parameters);
        let mut parameters = Vec::new();
        let mut renumbered = String::new();
        let mut numbers: Vec<Option<usize>> = vec![None; drawn.len()];
        let mut pieces = sql.split('$');
        renumbered.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                renumbered.push_str(&format!("${piece}"));
                continue;
            }
            let at = piece[..digits].parse::<usize>().map_or(0, |number| number - 1);
            let number = *numbers[at].get_or_insert_with(|| {
                parameters.push(drawn[at].clone());
                parameters.len()
            });
            renumbered.push_str(&format!("${number}{}", &piece[digits..]));
        }
        Statement { sql: renumbered, parameters, data: None, order, is_batch: false }
    }
}
