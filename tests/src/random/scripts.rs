//! Several statements that belong together: transactions, prepared statements, temporary tables, and one message with many.

use super::grammar::{Grammar, Relation};
use super::units::{Order, Statement, Unit};

impl Grammar {
    /// PREPARE, then EXECUTE more than once.
    pub(crate) fn prepared(&mut self) -> Unit {
        self.takes_parameters = true;
        let writes = self.chance(40);
        let Statement { sql, parameters, order, .. } = if writes { self.write() } else { self.read() };
        let name = format!("q{}", self.between(1, 1 << 40));
        let values: Vec<String> =
            parameters.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
        let values = if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) };
        let execute = Statement::plain(&format!("EXECUTE {name}{values}"), order);
        let mut statements = vec![plainly(&format!("PREPARE {name} AS {sql}"))];
        let times = 1 + self.below(3);
        // What is refused the second time must not have been written the first time.
        let in_block = writes && times > 1;
        statements.extend(in_block.then(|| plainly("BEGIN")));
        statements.extend((0..times).map(|_| execute.clone()));
        statements.extend(in_block.then(|| plainly("COMMIT")));
        statements.push(plainly(&format!("DEALLOCATE {name}")));
        Unit { statements, writes }
    }

    /// A transaction: reads, writes, what fails and is taken back to a savepoint.
    pub(crate) fn transaction(&mut self) -> Unit {
        let begin = *self.one(&[
            "BEGIN",
            "BEGIN",
            "BEGIN",
            "START TRANSACTION",
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
        ]);
        let mut statements = vec![plainly(begin)];
        let mut savepoints: Vec<&str> = Vec::new();
        for _ in 0..2 + self.below(4) {
            match self.below(10) {
                0 => {
                    statements.extend([plainly("SAVEPOINT f"), self.risky()]);
                    statements.push(plainly("ROLLBACK TO SAVEPOINT f"));
                    if self.chance(50) {
                        statements.push(plainly("RELEASE SAVEPOINT f"));
                    }
                }
                1..=4 => statements.push(self.read()),
                _ => statements.push(self.write()),
            }
            if self.chance(20) {
                let name = *self.one(&["s", "t"]);
                statements.push(plainly(&format!("SAVEPOINT {name}")));
                savepoints.push(name);
            } else if !savepoints.is_empty() && self.chance(40) {
                let name = *self.one(&savepoints);
                let deed = self.one(&["ROLLBACK TO", "ROLLBACK TO", "RELEASE"]);
                statements.push(plainly(&format!("{deed} {name}")));
            }
        }
        let end = *self.one(&["COMMIT", "COMMIT", "COMMIT", "END", "ROLLBACK", "COMMIT AND CHAIN"]);
        statements.push(plainly(end));
        if end.ends_with("CHAIN") {
            statements.extend([plainly("SELECT count(*) FROM tenants"), plainly("COMMIT")]);
        }
        Unit { statements, writes: true }
    }

    /// Several statements in one message, which are one transaction.
    pub(crate) fn batch(&mut self) -> Unit {
        self.takes_parameters = false;
        let mut texts = Vec::new();
        for _ in 0..2 + self.below(3) {
            let Statement { sql, .. } = match self.below(8) {
                0 => self.risky(),
                1..=3 => self.read(),
                _ => self.write(),
            };
            texts.push(sql);
        }
        let has_block = self.chance(15);
        if has_block {
            let at = self.below(texts.len());
            texts.insert(at, "BEGIN".to_owned());
            texts.push("COMMIT".to_owned());
        }
        let mut statements = vec![Statement { is_batch: true, ..plainly(&texts.join("; ")) }];
        // An error leaves the block open.
        statements.extend(has_block.then(|| plainly("ROLLBACK")));
        Unit { statements, writes: true }
    }

    /// A temporary table of a query's rows, then queries that join it.
    pub(crate) fn temporary(&mut self) -> Unit {
        self.takes_parameters = false;
        let query = self.query(None, 1, &[]);
        let name = self.name("temp_");
        let (in_block, drops) = (self.chance(50), self.chance(50));
        let mut statements = Vec::new();
        if in_block {
            statements.push(plainly("BEGIN"));
        }
        let on_commit = if in_block && drops { " ON COMMIT DROP" } else { "" };
        statements.push(plainly(&format!("CREATE TEMP TABLE {name}{on_commit} AS {}", query.sql)));
        for _ in 0..1 + self.below(3) {
            self.ctes = vec![Relation {
                alias: name.clone(),
                columns: query.outputs.clone(),
                key: query.key.clone(),
                rows: query.rows,
            }];
            statements.push(self.read_of_ctes());
        }
        if !(in_block && drops) {
            statements.push(plainly(&format!("DROP TABLE {name}")));
        }
        if in_block {
            statements.push(plainly("COMMIT"));
        }
        statements.push(plainly("DISCARD TEMP"));
        Unit { statements, writes: false }
    }
}

fn plainly(sql: &str) -> Statement {
    Statement::plain(sql, Order::Free)
}
