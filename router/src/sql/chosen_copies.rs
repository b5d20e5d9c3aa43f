//! UPDATE and DELETE of a table of which every server has a copy, by rows that no server has all of: the rows that
//! may be meant are locked in every copy, the rows that are meant are chosen and their new values computed once,
//! and each is written by its key in every copy.

use std::ops::Range;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::RawStmt;

use super::assigned::{New, Value};
use super::chosen::{
    About, Numbered, by_key, check_subqueries, choose_question, lock_question, numbered, refuse, taken_apart,
};
use super::copies::without_key;
use super::insert::Question;
use crate::catalog::{Catalog, Column, Relation, RelationKind};
use crate::plan::Refusal;

/// Such a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChosenCopies {
    /// Locks the rows that may be meant in one copy, and gives their keys.
    pub(crate) lock: Question,
    /// Gives the keys of the rows that are meant, then their new values.
    pub(crate) choose: Question,
    /// How many columns the key has.
    pub(crate) keys: usize,
    /// Writes one row. Parameters beyond the statement's are the columns of `choose`.
    pub(crate) write: Numbered,
    /// The columns of `choose` that RETURNING gives.
    pub(crate) returned: Range<usize>,
}

/// Takes an UPDATE or DELETE of `relation` apart; `own` is how many parameters it has.
pub(crate) fn chosen_copies(
    statement: &RawStmt,
    relation: &Relation,
    own: u16,
    now: &str,
    catalog: &Catalog,
) -> Result<ChosenCopies, Refusal> {
    if relation.kind != RelationKind::Reference {
        return Err(refuse("a write to a view"));
    }
    let key = relation.row_key().ok_or_else(|| without_key(relation))?;
    let mut written = taken_apart(statement.stmt(), relation, key.len())?;
    check_subqueries(&written, catalog)?;
    let mut column = written.foreign.places().start;
    for set in &mut written.set {
        let column_of = |known: &&Column| known.name == set.column;
        let known = relation.columns.iter().find(column_of);
        // A default may be another value on each server; that of a generated column is of its row.
        let computed = known.is_some_and(|known| known.default.is_some() && !known.generated);
        if matches!(set.value, New::Expression(Node::SetToDefault(_))) && computed {
            set.from = Value::Computed(column);
            column += 1;
        }
    }
    written.foreign.begin_at(column);
    let returned = written.foreign.places();
    let about = About { relation, key: &key, catalog };
    Ok(ChosenCopies {
        lock: lock_question(&written, &about, Some(now))?,
        choose: choose_question(&written, &about, Some(now))?,
        keys: key.len(),
        write: numbered(statement, now, |copy, mem| by_key(copy, mem, &written, &key, own))?,
        returned,
    })
}
