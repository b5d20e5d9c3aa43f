//! The SELECT that computes what a statement does not spell out, each value once.

use std::sync::Arc;

use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{InsertStmt, RawStmt, ResTarget, SelectStmt};
use pg_raw_parse::transform::Transform;
use pg_raw_parse::{Node, NodeMut};

use super::numbers::Renumber;
use crate::plan::Refusal;

/// A SELECT, and which of the statement's parameters are its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its text.
    pub text: Arc<str>,
    /// The statement's parameters, counted from 1, that are the question's `$1`, `$2` ...
    pub parameters: Vec<u16>,
}

/// An expression of the statement, or SQL of the catalog.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    Node(Node<'a>),
    /// A string without a type, for a column of the type with this OID.
    Untyped(Node<'a>, u32),
    Sql(&'a str),
}

/// The question for some values: one row, a column each.
pub(super) fn question_of_values(asked: &[Asked<'_>]) -> Result<Question, Refusal> {
    let mut numbers = Renumber::default();
    let tree = try_owned(|mem| {
        let mut targets: Vec<Unique<'_, &ResTarget>> = Vec::new();
        for value in asked {
            targets.push(mem.make_res_target(None, mem.empty(), value.node(mem)?));
        }
        let mut select = mem.make_node::<SelectStmt>();
        select.as_mut().set_target_list(mem.make_list(&targets));
        let mut raw = mem.make_raw_stmt(select.uncast());
        numbers.transform_raw_stmt(raw.as_mut());
        Ok::<_, Refusal>(raw)
    })?;
    asked_as(&tree, &numbers)
}

/// The question for the rows of INSERT ... SELECT: its SELECT, with the CTEs of the INSERT.
pub(crate) fn question_of_query(insert: &InsertStmt) -> Result<Question, Refusal> {
    let Node::SelectStmt(select) = insert.select_stmt() else { return Err(unknown()) };
    if insert.with_clause().is_some() && select.with_clause().is_some() {
        return Err(Refusal::unsupported("INSERT and its SELECT both have a WITH clause", "Make them one."));
    }
    let mut numbers = Renumber::default();
    let tree = try_owned(|mem| {
        let mut raw = mem.make_raw_stmt(mem.make_unique(select).uncast());
        if let (Some(with), NodeMut::SelectStmt(mut select)) = (insert.with_clause(), raw.as_mut().stmt_mut())
        {
            select.set_with_clause(mem.make_unique(with).as_option());
        }
        numbers.transform_raw_stmt(raw.as_mut());
        Ok::<_, Refusal>(raw)
    })?;
    asked_as(&tree, &numbers)
}

fn asked_as(tree: &RawStmt, numbers: &Renumber) -> Result<Question, Refusal> {
    let numbers = numbers.old.iter().map(|number| u16::try_from(*number));
    let parameters = numbers.collect::<Result<_, _>>().map_err(|_| unknown())?;
    Ok(Question { text: crate::sql::rewrite::print(tree)?, parameters })
}

impl Asked<'_> {
    pub(super) fn node<'mem>(&self, mem: MemoryToken<'mem>) -> Result<Unique<'mem, Node<'mem>>, Refusal> {
        match self {
            Asked::Node(node) => Ok(mem.make_unique(*node).uncast()),
            Asked::Untyped(node, type_oid) => {
                let of_type = match type_oid {
                    20 => "int8",
                    21 => "int2",
                    23 => "int4",
                    2950 => "uuid",
                    _ => return Ok(mem.make_unique(*node).uncast()),
                };
                let name = [mem.make_string(Some("pg_catalog")), mem.make_string(Some(of_type))];
                Ok(mem.make_type_cast(mem.make_unique(*node).uncast(), mem.make_list(&name)).uncast())
            }
            Asked::Sql(text) => {
                let tree = pg_raw_parse::parse(&format!("SELECT {text}")).map_err(|_| unknown())?;
                match tree.first().map(|statement| statement.stmt()) {
                    Some(Node::SelectStmt(select)) => match select.target_list().first() {
                        Some(target) => Ok(mem.make_unique(target.val()).uncast()),
                        None => Err(unknown()),
                    },
                    Some(_) | None => Err(unknown()),
                }
            }
        }
    }
}

pub(super) fn unknown() -> Refusal {
    Refusal::unsupported(
        "this INSERT cannot be divided among the servers of its tenants",
        "Write the tenant column's value as a constant or a parameter.",
    )
}
