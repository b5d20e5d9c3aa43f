//! CREATE TABLE AS and SELECT INTO, taken apart: the table without rows, and the query for them.

use std::sync::Arc;

use pg_raw_parse::make::try_owned;
use pg_raw_parse::nodes::{IntoClause, ObjectType, RawStmt, SelectStmt};
use pg_raw_parse::{Node, NodeMut};

use super::insert::Question;
use super::rewrite::{print, quoted_relation, trees};
use crate::plan::Refusal;

/// A table that is made of a query's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// What makes it, with no row in it.
    pub(crate) create: Arc<str>,
    /// Its rows.
    pub(crate) question: Question,
    /// Its name, quoted.
    pub(crate) table: String,
}

/// Takes a statement apart.
///
/// # Errors
/// 0A000 where it cannot be done in two steps.
pub(crate) fn made(statement: &RawStmt) -> Result<Made, Refusal> {
    let (into, select) = parts(statement.stmt())?;
    let table = into.rel().and_then(quoted_relation).ok_or_else(unknown)?;
    let frame = trees("CREATE TABLE made AS SELECT WITH NO DATA")?;
    let question = try_owned(|mem| {
        let mut raw = mem.make_raw_stmt(mem.make_unique(select).uncast());
        if let NodeMut::SelectStmt(mut select) = raw.as_mut().stmt_mut() {
            select.set_into_clause(mem.make_unique(None::<&IntoClause>));
        }
        Ok::<_, Refusal>(raw)
    })?;
    let create = try_owned(|mem| {
        let mut copy = mem.make_unique(frame.first().ok_or_else(unknown)?);
        let query = match question.stmt() {
            Node::SelectStmt(select) => mem.make_unique(select),
            _ => return Err(unknown()),
        };
        let mut into = mem.make_unique(into);
        into.as_mut().set_skip_data(true);
        let mut root = copy.as_mut();
        let NodeMut::CreateTableAsStmt(mut create) = root.stmt_mut() else { return Err(unknown()) };
        create.set_into(into.as_option());
        create.set_query(query.uncast());
        Ok(copy)
    })?;
    let question = Question { text: print(&question)?, parameters: Vec::new() };
    Ok(Made { create: print(&create)?, question, table })
}

fn parts(statement: Node<'_>) -> Result<(&IntoClause, &SelectStmt), Refusal> {
    match statement {
        Node::CreateTableAsStmt(create) if create.objtype == ObjectType::OBJECT_MATVIEW => {
            Err(Refusal::unsupported(
                "a materialized view of rows of several servers",
                "Make a table of them with CREATE TABLE AS, and fill it again when it shall be refreshed.",
            ))
        }
        Node::CreateTableAsStmt(create) if !create.if_not_exists => match (create.into(), create.query()) {
            (Some(into), Node::SelectStmt(select)) => Ok((into, select)),
            (Some(_) | None, _) => Err(unknown()),
        },
        Node::SelectStmt(select) => Ok((select.into_clause().ok_or_else(unknown)?, select)),
        _ => Err(unknown()),
    }
}

fn unknown() -> Refusal {
    Refusal::unsupported(
        "a table made in this form from rows of several servers",
        "Create the table first, then INSERT ... SELECT.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_made_without_rows_and_filled_by_a_query() {
        for (text, create, question, table) in [
            (
                "create temp table a.t (x, y) on commit drop as select u.id, 1 from users u",
                "CREATE TEMPORARY TABLE a.t(x, y) ON COMMIT DROP AS SELECT u.id, 1 FROM users u  WITH NO DATA",
                "SELECT u.id, 1 FROM users u",
                "\"a\".\"t\"",
            ),
            (
                "select count(*) into unlogged t from users",
                "CREATE UNLOGGED TABLE t AS SELECT count(*) FROM users  WITH NO DATA",
                "SELECT count(*) FROM users",
                "\"t\"",
            ),
        ] {
            let trees = pg_raw_parse::parse(text).expect("parses");
            let made = made(trees.first().expect("a statement")).expect("it can be");
            assert_eq!((&*made.create, &*made.question.text, &*made.table), (create, question, table));
        }
        for text in ["create table if not exists t as select 1", "create materialized view t as select 1"] {
            let trees = pg_raw_parse::parse(text).expect("parses");
            assert!(made(trees.first().expect("a statement")).is_err(), "{text}");
        }
    }
}
