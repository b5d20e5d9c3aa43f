//! Cursors over queries whose rows have their places: fetched in parts, forwards, and back where they scroll.

use super::grammar::Grammar;
use super::units::{Order, Statement, Unit};

/// Where a cursor that scrolls may be sent.
const BACK_AND_FORTH: [&str; 16] = [
    "NEXT",
    "PRIOR",
    "FIRST",
    "LAST",
    "ABSOLUTE 3",
    "ABSOLUTE -2",
    "RELATIVE 2",
    "RELATIVE -3",
    "RELATIVE 0",
    "3",
    "FORWARD 2",
    "FORWARD ALL",
    "BACKWARD 4",
    "BACKWARD ALL",
    "BACKWARD",
    "0",
];

impl Grammar {
    /// A cursor that is declared, fetched from and closed.
    pub(crate) fn cursor(&mut self) -> Unit {
        self.takes_parameters = false;
        let mut query = self.read();
        for _ in 0..9 {
            if query.order == Order::Total && !query.sql.contains(" FOR ") {
                break;
            }
            query = self.read();
        }
        let name = self.name("c");
        let scrolls = query.order == Order::Total && self.chance(50);
        let statements = if scrolls { self.scrolled(&name, &query) } else { self.fetched(&name, &query) };
        Unit { statements, writes: false }
    }

    fn fetched(&mut self, name: &str, query: &Statement) -> Vec<Statement> {
        let hold = if self.chance(15) { " WITH HOLD" } else { "" };
        let mut statements = vec![
            plainly("BEGIN"),
            plainly(&format!("DECLARE {name} NO SCROLL CURSOR{hold} FOR {}", query.sql)),
        ];
        if !hold.is_empty() {
            statements.push(plainly("COMMIT"));
        }
        for _ in 0..1 + self.below(3) {
            let count = *self.one(&["1", "2", "5", "FORWARD 7", "NEXT", "ALL"]);
            let sql = format!("FETCH {count} FROM {name}");
            // Which rows come first is certain where their order is.
            if query.order == Order::Total || count == "ALL" {
                statements.push(Statement::plain(&sql, query.order.clone()));
                if query.order != Order::Total {
                    break;
                }
            }
        }
        statements.push(plainly(&format!("CLOSE {name}")));
        if hold.is_empty() {
            statements.push(plainly("COMMIT"));
        }
        statements
    }

    fn scrolled(&mut self, name: &str, query: &Statement) -> Vec<Statement> {
        let mut statements =
            vec![plainly("BEGIN"), plainly(&format!("DECLARE {name} SCROLL CURSOR FOR {}", query.sql))];
        for _ in 0..2 + self.below(5) {
            let (deed, place) = (self.one(&["FETCH", "FETCH", "FETCH", "MOVE"]), self.one(&BACK_AND_FORTH));
            statements.push(Statement::plain(&format!("{deed} {place} FROM {name}"), Order::Total));
        }
        statements.push(plainly("COMMIT"));
        statements
    }
}

fn plainly(sql: &str) -> Statement {
    Statement::plain(sql, Order::Free)
}
