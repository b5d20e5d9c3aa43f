//! Why an answer may rightly be another one than PostgreSQL's. Each reason is a fact that is checked of this very
//! answer, as far as there is one to check; what has none of them is a fault.
//!
//! | reason | how it is known |
//! | --- | --- |
//! | open | PostgreSQL itself answers otherwise with another plan, or over rows that stand in another order |
//! | numbers | what it names is filled by a sequence, and the rows are the same but for whole numbers |
//! | connection | it reads what one connection has prepared, declared or counted |
//! | invalid index | it is about an index whose making failed, which pgherd does not leave behind |
//! | follows | it names an object that was refused, or asks for rows by the numbers of a sequence |

use std::collections::BTreeSet;
use std::fmt;

use crate::answer::Answer;

/// Why an answer is another one, and may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The statement leaves open what the answer is.
    Open,
    /// Numbers of sequences have gaps.
    Numbers,
    /// Views of a connection tell of the pool's.
    Connection,
    /// An index whose making failed is not left behind.
    InvalidIndex,
    /// An earlier difference or refusal goes on.
    Follows,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Reason::Open => "the statement leaves it open: PostgreSQL answers otherwise with another plan or order of rows",
            Reason::Numbers => "numbers of sequences have gaps",
            Reason::Connection => "a view of what one connection has prepared, declared or counted",
            Reason::InvalidIndex => "an index whose making failed on one server is left on none",
            Reason::Follows => "of an object that was refused, or whose rows have other numbers",
        })
    }
}

/// Views that tell of the connection on which they are read.
const OF_CONNECTION: [&str; 3] = ["pg_prepared_statements", "pg_cursors", "pg_stat_"];

/// What is said about sequences: their functions, and where the catalog tells of them.
const OF_SEQUENCES: [&str; 6] = ["nextval", "setval", "currval", "lastval", "sequence", "identity_increment"];

/// What the run knows of the objects that are not the same.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Tables with a column that a sequence fills, and sequences.
    numbered: BTreeSet<String>,
    /// Indexes whose making failed.
    invalid: BTreeSet<String>,
    /// What was refused to be made, or follows from that.
    refused: BTreeSet<String>,
}

impl Memory {
    /// Notes a statement and how it ended, before its answers are judged.
    pub(super) fn note(&mut self, sql: &str, failed: bool, refused: bool) {
        let words = words(sql);
        let has = |word: &str| words.iter().any(|other| other == word);
        let made = made(&words);
        if refused {
            self.refused.extend(made.or_else(|| written(&words)));
            return;
        }
        let Some(made) = made else { return };
        if failed && has("concurrently") && has("index") {
            let table = words.iter().skip_while(|word| *word != "on").nth(1);
            self.invalid.extend(table.cloned());
            self.invalid.insert(made);
        } else if has("serial")
            || has("bigserial")
            || has("smallserial")
            || has("identity")
            || has("sequence")
        {
            // CREATE SCHEMA makes what stands in it, and RENAME gives another name.
            let after = |before: &str| words.iter().skip_while(move |word| *word != before).nth(1).cloned();
            let others = ["table", "view"].into_iter().filter(|_| words[1] == "schema").filter_map(after);
            self.numbered.extend(others.collect::<Vec<_>>());
            self.numbered.insert(made);
        } else if has("rename") && words.iter().any(|word| self.numbered.contains(word)) {
            self.numbered.extend(words.last().cloned());
        } else if words.iter().any(|word| self.numbered.contains(word)) {
            // A view, copy, child or function of one of them has its numbers.
            self.numbered.insert(made);
        } else if words.iter().any(|word| self.refused.contains(word)) {
            self.refused.insert(made);
        }
    }

    /// Why the statement's answers differ, as far as its words and the objects that it names say it.
    pub(super) fn reason(&self, sql: &str, ours: &Answer, oracle: &Answer) -> Option<Reason> {
        let (lower, words) = (sql.to_lowercase(), words(sql));
        let any = |known: &BTreeSet<String>| words.iter().any(|word| known.contains(word));
        if OF_CONNECTION.iter().any(|view| lower.contains(view)) {
            return Some(Reason::Connection);
        }
        let of_numbers = any(&self.numbered) || OF_SEQUENCES.iter().any(|word| lower.contains(word));
        let both_answer = ours.fault.is_none() && oracle.fault.is_none();
        if both_answer && of_numbers {
            return Some(if without_numbers(ours) == without_numbers(oracle) {
                Reason::Numbers
            } else {
                Reason::Follows
            });
        }
        let changes = matches!(words.first().map(String::as_str), Some("reindex" | "drop" | "alter"));
        if changes && (any(&self.invalid) || words.iter().any(|word| word.ends_with("_ccnew"))) {
            return Some(Reason::InvalidIndex);
        }
        any(&self.refused).then_some(Reason::Follows)
    }
}

/// The rows in no order, with a sign in the place of each whole number.
fn without_numbers(answer: &Answer) -> (usize, Vec<Vec<Option<String>>>) {
    let masked = |value: &Option<String>| match value {
        Some(value) if value.parse::<i64>().is_ok() => Some("#".to_owned()),
        value => value.clone(),
    };
    let mut rows: Vec<Vec<Option<String>>> =
        answer.rows.iter().map(|row| row.iter().map(masked).collect()).collect();
    rows.sort();
    (answer.columns.len(), rows)
}

fn words(sql: &str) -> Vec<String> {
    let split = sql.split(|character: char| !(character.is_alphanumeric() || character == '_'));
    split.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// The object that a CREATE makes, or an ALTER changes.
fn made(words: &[String]) -> Option<String> {
    const BEFORE: [&str; 26] = [
        "or",
        "replace",
        "temp",
        "temporary",
        "unlogged",
        "unique",
        "recursive",
        "materialized",
        "table",
        "view",
        "index",
        "concurrently",
        "function",
        "procedure",
        "trigger",
        "rule",
        "type",
        "domain",
        "aggregate",
        "operator",
        "sequence",
        "cast",
        "if",
        "not",
        "exists",
        "only",
    ];
    if !matches!(words.first().map(String::as_str), Some("create" | "alter")) {
        return None;
    }
    words[1..].iter().find(|word| !BEFORE.contains(&word.as_str())).cloned()
}

/// The table that a write or a COPY fills.
fn written(words: &[String]) -> Option<String> {
    let word = |index: usize| words.get(index).map(String::as_str);
    let at = match (word(0), word(1)) {
        (Some("insert" | "merge"), Some("into")) | (Some("delete"), Some("from")) => 2,
        (Some("update" | "copy" | "truncate"), Some("table" | "only")) => 2,
        (Some("update" | "copy" | "truncate"), _) => 1,
        _ => return None,
    };
    words.get(at).cloned()
}
