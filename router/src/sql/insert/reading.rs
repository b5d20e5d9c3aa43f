//! An INSERT, read for its rows.

use std::sync::Arc;

use pg_raw_parse::nodes::{InsertStmt, OnConflictAction, RawStmt, SelectStmt, SetOperation};
use pg_raw_parse::{ConstValue, Node};

use super::columns::{Columns, MISFIT};
use super::question::{Asked, Question, question_of_query, question_of_values, unknown};
use super::values::{Values, read_values, rows_of};
use crate::catalog::{Catalog, Relation, RelationKind, SearchPath};
use crate::plan::Refusal;
use crate::sql::keys::KeySet;
use crate::sql::shape::{check_insert_clauses, sharded_table};

/// What an INSERT says of its rows.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// The table.
    pub(crate) relation: Arc<Relation>,
    /// Where the rows come from.
    pub(crate) rows: Rows,
    /// What it does with a row that is there already.
    pub(crate) conflict: Conflict,
    /// True where it has RETURNING.
    pub(crate) returning: bool,
}

/// Where the rows of an INSERT come from.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    /// VALUES.
    Values(Values),
    /// A SELECT, or one row of VALUES as one.
    Query {
        /// The SELECT.
        question: Question,
        /// Which of its columns are literals without a type, which take that of the column they are for.
        untyped: Vec<bool>,
    },
    /// They do not fit the table's columns, as far as the catalog knows; PostgreSQL has words for that.
    Misfit(Refusal),
}

/// What an INSERT does with a row that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// It fails.
    Fails,
    /// It leaves it.
    Nothing,
    /// It updates it, once.
    Update,
}

/// Reads an INSERT into a sharded table; `keys` has the key of each row of VALUES that is spelled out.
pub(crate) fn read_insert(
    statement: &RawStmt,
    keys: &[Option<KeySet>],
    catalog: &Catalog,
    path: &SearchPath,
) -> Result<Reading, Refusal> {
    let Node::InsertStmt(insert) = statement.stmt() else { return Err(unknown()) };
    let relation = insert.relation().and_then(|target| sharded_table(target, catalog, path));
    let relation = relation.ok_or_else(unknown)?;
    check_insert_clauses(insert, catalog, path)?;
    let rows = match insert.select_stmt() {
        Node::SelectStmt(select) if select.values_lists().is_empty() => {
            Rows::Query { question: question_of_query(insert)?, untyped: untyped(select) }
        }
        _ if insert.with_clause().is_some() => return Err(unknown()),
        _ => match read_values(insert, &relation, keys, catalog, path) {
            Err(refusal) if refusal.sqlstate == MISFIT => Rows::Misfit(refusal),
            values => Rows::Values(values?),
        },
    };
    Ok(Reading { relation, rows, conflict: conflict(insert), returning: insert.returning_clause().is_some() })
}

/// Reads an INSERT ... SELECT into a table of which every server has a copy.
pub(crate) fn read_copies(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
) -> Result<Reading, Refusal> {
    let Node::InsertStmt(insert) = statement.stmt() else { return Err(into_copies()) };
    let target = insert.relation().ok_or_else(into_copies)?;
    let relation = catalog.relation(target.schemaname(), target.relname().unwrap_or_default(), path);
    let relation = relation.filter(|relation| relation.kind == RelationKind::Reference);
    let rows = match insert.select_stmt() {
        Node::SelectStmt(select) if select.values_lists().is_empty() => {
            Rows::Query { question: question_of_query(insert)?, untyped: untyped(select) }
        }
        _ if insert.with_clause().is_some() => return Err(into_copies()),
        _ => only_row(insert)?,
    };
    let relation = Arc::clone(relation.ok_or_else(into_copies)?);
    Ok(Reading { relation, rows, conflict: conflict(insert), returning: insert.returning_clause().is_some() })
}

/// The only row of VALUES, as a query of one row.
fn only_row(insert: &InsertStmt) -> Result<Rows, Refusal> {
    let rows = rows_of(insert);
    let [row] = rows.as_slice() else { return Err(into_copies()) };
    if row.is_empty() || row.iter().any(|cell| matches!(cell, Node::SetToDefault(_))) {
        return Err(into_copies());
    }
    let asked: Vec<Asked<'_>> = row.iter().map(|cell| Asked::Node(*cell)).collect();
    let untyped = row.iter().map(|cell| is_untyped(*cell)).collect();
    Ok(Rows::Query { question: question_of_values(&asked)?, untyped })
}

fn into_copies() -> Refusal {
    Refusal::unsupported(
        "one statement that writes a table of which every server has a copy, and reads sharded tables in this form",
        "Write it as INSERT ... SELECT, or read first and write in a statement of its own.",
    )
}

/// What an INSERT does with a row that is there already.
fn conflict(insert: &InsertStmt) -> Conflict {
    match insert.on_conflict_clause().map(|conflict| conflict.action) {
        None | Some(OnConflictAction::ONCONFLICT_NONE) => Conflict::Fails,
        Some(OnConflictAction::ONCONFLICT_NOTHING) => Conflict::Nothing,
        Some(_) => Conflict::Update,
    }
}

/// True for a literal without a type.
pub(super) fn is_untyped(node: Node<'_>) -> bool {
    match node {
        Node::A_Const(constant) => constant.isnull || matches!(constant.val(), Some(ConstValue::String(_))),
        _ => false,
    }
}

/// `INSERT ... SELECT 'x', NULL`: PostgreSQL gives them the type of the column that they are for.
fn untyped(select: &SelectStmt) -> Vec<bool> {
    let plain = select.op == SetOperation::SETOP_NONE && select.distinct_clause().is_empty();
    match plain {
        true => select.target_list().iter().map(|target| is_untyped(target.val())).collect(),
        false => Vec::new(),
    }
}

impl Rows {
    /// What is to be computed first.
    pub(crate) fn question(&self) -> Option<&Question> {
        match self {
            Rows::Values(values) => values.question.as_ref(),
            Rows::Query { question, .. } => Some(question),
            Rows::Misfit(_) => None,
        }
    }
}

/// The columns of an INSERT with this many values a row.
pub(crate) fn columns_of(
    statement: &RawStmt,
    relation: &Arc<Relation>,
    width: usize,
) -> Result<Columns, Refusal> {
    match statement.stmt() {
        Node::InsertStmt(insert) => Columns::of(insert, relation, width),
        _ => Err(unknown()),
    }
}
