//! An INSERT, read for its rows.

use std::sync::Arc;

use pg_raw_parse::nodes::{OnConflictAction, RawStmt, SelectStmt, SetOperation};
use pg_raw_parse::{ConstValue, Node};

use super::columns::{Columns, MISFIT};
use super::question::{Question, question_of_query, unknown};
use super::values::{Values, read_values};
use crate::catalog::{Catalog, Relation, SearchPath};
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
    /// A SELECT.
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
    let conflict = match insert.on_conflict_clause().map(|conflict| conflict.action) {
        None | Some(OnConflictAction::ONCONFLICT_NONE) => Conflict::Fails,
        Some(OnConflictAction::ONCONFLICT_NOTHING) => Conflict::Nothing,
        Some(_) => Conflict::Update,
    };
    Ok(Reading { relation, rows, conflict, returning: insert.returning_clause().is_some() })
}

/// `INSERT ... SELECT 'x', NULL`: PostgreSQL gives them the type of the column that they are for.
fn untyped(select: &SelectStmt) -> Vec<bool> {
    let plain = select.op == SetOperation::SETOP_NONE && select.distinct_clause().is_empty();
    let is_untyped = |node: Node<'_>| match node {
        Node::A_Const(constant) => constant.isnull || matches!(constant.val(), Some(ConstValue::String(_))),
        _ => false,
    };
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
