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
    /// What is compared of the order.
    pub order: Order,
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
            .map(|statement| match statement.parameters.as_slice() {
                [] => statement.sql.clone(),
                parameters => format!("{} -- {parameters:?}\n", statement.sql),
            })
            .collect();
        texts.join("; ")
    }
}

impl Grammar {
    /// A unit: mostly reads, some writes, now and then a transaction.
    #[must_use]
    pub fn unit(mut self, writes: bool) -> Unit {
        match self.weighted(&[66, if writes { 24 } else { 0 }, if writes { 10 } else { 0 }]) {
            0 => Unit { statements: vec![self.read()], writes: false },
            1 => Unit { statements: vec![self.write()], writes: true },
            _ => self.transaction(),
        }
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
    Statement { sql: sql.to_owned(), parameters: Vec::new(), order: Order::Free }
}
