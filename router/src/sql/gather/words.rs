//! The names that stand in a statement, and how often: a column that nothing names but conditions that servers apply
//! is not needed after them.

use std::collections::HashMap;

use pg_raw_parse::Node;

use super::names::Names;
use crate::sql::walk::children;

/// The words of a statement.
#[derive(Default)]
pub(super) struct Words {
    /// Which tables it may need as a whole.
    names: Names,
    /// How often each word is part of a column's name.
    counts: HashMap<String, usize>,
    /// The names of its CTEs.
    pub(super) ctes: Vec<String>,
}

impl Words {
    /// `None` where a name could mean something else once its table is a subquery: one with a schema, one of a
    /// natural join.
    pub(super) fn of(statement: Node<'_>) -> Option<Words> {
        let mut words = Words::default();
        let mut stack = vec![statement];
        while let Some(node) = stack.pop() {
            match node {
                Node::ColumnRef(column) => {
                    words.names.note(column).ok().filter(|_| column.fields().len() < 3)?;
                    let fields = column.fields().iter().filter_map(Node::as_str);
                    fields.for_each(|word| words.count(word));
                }
                Node::JoinExpr(join) if join.is_natural => return None,
                Node::JoinExpr(join) => {
                    let merged = join.using_clause().iter().filter_map(|name| name.sval());
                    merged.for_each(|word| words.count(word));
                }
                Node::CommonTableExpr(cte) => words.ctes.extend(cte.ctename().map(str::to_owned)),
                _ => {}
            }
            stack.extend(children(node)?);
        }
        Some(words)
    }

    fn count(&mut self, word: &str) {
        *self.counts.entry(word.to_owned()).or_default() += 1;
    }

    /// True where a table of this name may be needed as a whole.
    pub(super) fn mean_all_of(&self, table: &str) -> bool {
        self.names.mean_all_of(table)
    }

    /// True where a name that stands alone may be a table's whole row.
    pub(super) fn mean_row_of(&self, table: &str) -> bool {
        self.names.mean_row_of(table)
    }

    /// True where a column of this name may be needed elsewhere than in these words of the statement.
    pub(super) fn mean_beside(&self, column: &str, other: &Words) -> bool {
        self.counts.get(column) > other.counts.get(column)
    }

    /// The words of conditions.
    pub(super) fn of_all(conditions: &[Node<'_>]) -> Option<Words> {
        let mut all = Words::default();
        for condition in conditions {
            for (word, count) in Words::of(*condition)?.counts {
                *all.counts.entry(word).or_default() += count;
            }
        }
        Some(all)
    }
}
