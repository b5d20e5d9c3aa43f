//! Which columns of a table the names of a statement can mean. More is harmless, less is not.

use std::collections::HashSet;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::ColumnRef;

use crate::plan::Refusal;

/// Columns that tables have and gathered rows have not.
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// The names that stand in a statement.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Every word of every column's name.
    words: HashSet<String>,
    /// Names that stand alone: a column, or a table's whole row.
    alone: HashSet<String>,
    /// What stands before `.*`.
    stars: HashSet<String>,
}

impl Names {
    /// Notes a column's name; true for a bare `*`.
    pub(super) fn note(&mut self, column: &ColumnRef) -> Result<bool, Refusal> {
        let fields: Vec<Option<&str>> = column.fields().iter().map(Node::as_str).collect();
        match fields.as_slice() {
            [None] => return Ok(true),
            [.., Some(table), None] => {
                self.stars.insert((*table).to_owned());
            }
            [.., Some(last)] if SYSTEM_COLUMNS.contains(last) => {
                return Err(Refusal::unsupported(
                    format!("system column {last} means something else on each server"),
                    "Restrict the statement to one tenant.",
                ));
            }
            [Some(only)] => {
                self.alone.insert((*only).to_owned());
            }
            _ => {}
        }
        self.words.extend(fields.iter().flatten().map(|word| (*word).to_owned()));
        Ok(false)
    }

    /// Notes a column that USING names.
    pub(super) fn note_word(&mut self, word: &str) {
        self.words.insert(word.to_owned());
    }

    /// True where a table of this name may be needed as a whole.
    pub(super) fn mean_all_of(&self, table: &str) -> bool {
        self.stars.contains(table) || self.alone.contains(table)
    }

    /// True where a name that stands alone may be a table's whole row.
    pub(super) fn mean_row_of(&self, table: &str) -> bool {
        self.alone.contains(table)
    }

    /// True where a column of this name may be needed.
    pub(super) fn mean(&self, column: &str) -> bool {
        self.words.contains(column)
    }
}
