//! The rows of INSERT ... VALUES: which tenant each has, and what must be computed first.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{InsertStmt, SelectStmt};

use super::columns::{Columns, MISFIT};
use super::question::{Asked, Question, question_of_values};
use super::reading::is_untyped;
use crate::catalog::{Catalog, Relation, SearchPath};
use crate::plan::Refusal;
use crate::sql::keys::KeySet;
use crate::sql::shape::is_same_anywhere;

/// More columns no SELECT has.
const MOST_COMPUTED: usize = 1600;

/// What a row's key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// It is spelled out.
    Spelled(KeySet),
    /// This column of the question's answer.
    Computed(usize),
    /// NULL, which the table refuses.
    Null,
}

/// The rows of VALUES.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    pub(crate) columns: Columns,
    /// What is to be computed first; `None` where nothing is.
    pub(crate) question: Option<Question>,
    pub(crate) rows: Vec<Row>,
}

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) key: Source,
    /// The cells that are computed: (place in the row, column of the question's answer).
    pub(crate) computed: Vec<(usize, usize)>,
}

/// Reads the rows of an INSERT; `keys` has the key of each row that is spelled out. On several servers
/// each value must be the same wherever it is computed.
pub(crate) fn read_values(
    insert: &InsertStmt,
    relation: &Arc<Relation>,
    keys: &[Option<KeySet>],
    catalog: &Catalog,
    path: &SearchPath,
) -> Result<Values, Refusal> {
    let rows = rows_of(insert);
    let width = match rows.first() {
        Some(row) => row.len(),
        None => 0,
    };
    let columns = Columns::of(insert, relation, width)?;
    let mut asked = Vec::new();
    let mut read = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        if row.len() != width {
            return Err(Refusal {
                sqlstate: MISFIT,
                message: "VALUES lists must all be the same length".into(),
                hint: String::new(),
            });
        }
        let mut computed = Vec::new();
        let mut key = match (columns.key, keys.get(number).cloned().flatten()) {
            (Some(_), Some(KeySet::Set(terms))) if terms.is_empty() => Source::Null,
            (Some(_), Some(set)) => Source::Spelled(set),
            (Some(_) | None, _) => Source::Null,
        };
        for (place, cell) in row.iter().enumerate() {
            let is_key = columns.key == Some(place);
            let spelled = is_key && keys.get(number).is_some_and(Option::is_some);
            match cell {
                Node::SetToDefault(_) if !is_key => continue,
                Node::SetToDefault(_) => {
                    if let Some(default) =
                        columns.given.get(place).and_then(|column| column.default.as_deref())
                    {
                        asked.push(Asked::Sql(default));
                    } else {
                        continue;
                    }
                }
                _ if spelled
                    || (!is_key && (is_nextval(*cell) || is_same_anywhere(*cell, catalog, path))) =>
                {
                    continue;
                }
                // No key is spelled like this, as far as the proxy knows: the server says what it is.
                cell if is_key && is_untyped(*cell) => {
                    let type_oid = columns.given.get(place).map_or(0, |column| column.type_oid);
                    asked.push(Asked::Untyped(*cell, type_oid));
                }
                cell => asked.push(Asked::Node(*cell)),
            }
            computed.push((place, asked.len() - 1));
            if is_key {
                key = Source::Computed(asked.len() - 1);
            }
        }
        if columns.key.is_none()
            && let Some(default) = default_of_key(relation)
        {
            asked.push(Asked::Sql(default));
            computed.push((width, asked.len() - 1));
            key = Source::Computed(asked.len() - 1);
        }
        read.push(Row { key, computed });
    }
    if asked.len() > MOST_COMPUTED {
        return Err(Refusal::unsupported(
            format!(
                "INSERT has more than {MOST_COMPUTED} values that must be computed before they have a place"
            ),
            "Insert fewer rows at a time.",
        ));
    }
    let question = if asked.is_empty() { None } else { Some(question_of_values(&asked)?) };
    Ok(Values { columns, question, rows: read })
}

/// Sequences count on each server for itself, as they do for a column's default.
fn is_nextval(cell: Node<'_>) -> bool {
    matches!(cell, Node::FuncCall(call) if call.funcname().iter().next_back().and_then(Node::as_str) == Some("nextval"))
}

fn default_of_key(relation: &Relation) -> Option<&str> {
    relation.tenant_column().and_then(|(column, _)| column.default.as_deref())
}

/// The rows of VALUES; one without cells for DEFAULT VALUES.
pub(super) fn rows_of(insert: &InsertStmt) -> Vec<Vec<Node<'_>>> {
    match insert.select_stmt() {
        Node::SelectStmt(select) => cells(select),
        _ => vec![Vec::new()],
    }
}

fn cells(select: &SelectStmt) -> Vec<Vec<Node<'_>>> {
    select.values_lists().iter().map(cells_of_row).collect()
}

fn cells_of_row(row: Node<'_>) -> Vec<Node<'_>> {
    row.as_node_list().map(|row| row.iter().collect()).unwrap_or_default()
}
