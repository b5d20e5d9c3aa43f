//! What is put to both sides at once: a statement, or a transaction of some.

use super::grammar::Grammar;

/// What an answer promises of the order of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    Free,
    /// These columns, from 0, are in order; ties are free.
    By(Vec<usize>),
    /// Every row has its place.
    Total,
}

/// A statement.
#[derive(Debug, Clone)]
pub struct Statement {
    /// As a client sends it.
    pub sql: String,
    /// Its parameters, as text.
    pub parameters: Vec<String>,
    /// The rows that COPY FROM STDIN sends, in its text format.
    pub data: Option<String>,
    /// What is compared of the order.
    pub order: Order,
}

impl Statement {
    /// A statement without parameters.
    #[must_use]
    pub fn plain(sql: &str, order: Order) -> Statement {
        Statement { sql: sql.to_owned(), parameters: Vec::new(), data: None, order }
    }
}

/// A statement by itself, or a transaction.
#[derive(Debug, Clone)]
pub struct Unit {
    /// What is sent, one after the other; `BEGIN` and `COMMIT` among it.
    pub statements: Vec<Statement>,
    /// Whether a row may be written.
    pub writes: bool,
}

impl Unit {
    /// All of it as one line.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<String> = self
            .statements
            .iter()
            .map(|statement| match (statement.parameters.as_slice(), &statement.data) {
                ([], None) => statement.sql.clone(),
                ([], Some(data)) => format!("{} -- {data:?}\n", statement.sql),
                (parameters, _) => format!("{} -- {parameters:?}\n", statement.sql),
            })
            .collect();
        texts.join("; ")
    }
}

impl Grammar {
    /// A unit: mostly reads, some writes, now and then a transaction.
    #[must_use]
    pub fn unit(mut self, writes: bool) -> Unit {
        let written = |weight| if writes { weight } else { 0 };
        match self.weighted(&[58, written(24), 3, written(4), written(8), 2, written(2)]) {
            0 => Unit { statements: vec![self.read()], writes: false },
            1 => Unit { statements: vec![self.write()], writes: true },
            2 => self.cursor(),
            3 => self.prepared(),
            5 => self.copy_out(),
            6 => self.copy_in(),
            _ => self.transaction(),
        }
    }

    /// A query whose rows have their places, fetched in parts of several sizes.
    fn cursor(&mut self) -> Unit {
        self.takes_parameters = false;
        let mut query = self.read();
        for _ in 0..9 {
            if query.order == Order::Total {
                break;
            }
            query = self.read();
        }
        let name = self.name("c");
        let mut statements =
            vec![plainly("BEGIN"), plainly(&format!("DECLARE {name} CURSOR FOR {}", query.sql))];
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
        statements.push(plainly("COMMIT"));
        Unit { statements, writes: false }
    }

    /// PREPARE, then EXECUTE more than once.
    fn prepared(&mut self) -> Unit {
        self.takes_parameters = true;
        let writes = self.chance(40);
        let Statement { sql, parameters, order, .. } = if writes { self.write() } else { self.read() };
        let name = format!("q{}", self.between(1, 1 << 40));
        let values: Vec<String> =
            parameters.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
        let values = if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) };
        let execute = Statement::plain(&format!("EXECUTE {name}{values}"), order);
        let mut statements = vec![plainly(&format!("PREPARE {name} AS {sql}"))];
        statements.extend((0..1 + self.below(3)).map(|_| execute.clone()));
        statements.push(plainly(&format!("DEALLOCATE {name}")));
        Unit { statements, writes }
    }

    fn transaction(&mut self) -> Unit {
        let begin = if self.chance(25) { "BEGIN ISOLATION LEVEL REPEATABLE READ" } else { "BEGIN" };
        let mut statements = vec![plainly(begin)];
        let mut has_savepoint = false;
        for _ in 0..2 + self.below(3) {
            statements.push(if self.chance(40) { self.read() } else { self.write() });
            if self.chance(15) {
                statements.push(plainly("SAVEPOINT s"));
                has_savepoint = true;
            } else if has_savepoint && self.chance(40) {
                statements.push(plainly("ROLLBACK TO SAVEPOINT s"));
            }
        }
        let end = if self.chance(80) { "COMMIT" } else { "ROLLBACK" };
        statements.push(plainly(end));
        Unit { statements, writes: true }
    }
}

fn plainly(sql: &str) -> Statement {
    Statement::plain(sql, Order::Free)
}
