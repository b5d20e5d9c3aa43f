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
    /// It is several statements, which only Query can send.
    pub is_batch: bool,
}

impl Statement {
    /// A statement without parameters.
    #[must_use]
    pub fn plain(sql: &str, order: Order) -> Statement {
        Statement { sql: sql.to_owned(), parameters: Vec::new(), data: None, order, is_batch: false }
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
        match self.weighted(&[
            52,
            written(24),
            4,
            written(4),
            written(8),
            2,
            written(3),
            written(3),
            2,
            written(3),
        ]) {
            0 => Unit { statements: vec![self.read()], writes: false },
            1 => Unit { statements: vec![self.write()], writes: true },
            2 => self.cursor(),
            3 => self.prepared(),
            5 => self.copy_out(),
            6 => self.copy_in(),
            7 => self.batch(),
            8 => self.temporary(),
            9 => Unit { statements: vec![self.risky()], writes: true },
            _ => self.transaction(),
        }
    }
}
