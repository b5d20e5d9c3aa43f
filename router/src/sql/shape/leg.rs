//! The text for one server: the statement with hidden columns, and with the rows that the merge needs.

use std::sync::Arc;

use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{FuncCall, LimitOption, RawStmt, ResTarget, SelectStmtMut};
use pg_raw_parse::{Node, NodeMut};

use super::clock::stop_clock;
use super::expression::unknown_expression;
use super::outputs::Expression;
use crate::plan::Refusal;

/// What a leg's text has beyond the statement's.
#[derive(Debug, Default)]
pub(super) struct Leg<'a> {
    /// The hidden columns, in order.
    pub(super) hidden: Vec<Hidden<'a>>,
    pub(super) order: LegOrder,
    /// LIMIT as SQL in place of LIMIT and OFFSET; `None`: they are not touched, `Some(None)`: none.
    pub(super) limit: Option<Option<String>>,
}

/// What becomes of ORDER BY.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum LegOrder {
    /// Rows come in order, and are merged in order.
    #[default]
    Kept,
    /// Groups are ordered when they are whole.
    Dropped,
}

/// A column for the merge.
#[derive(Debug, Clone)]
pub(super) enum Hidden<'a> {
    Expression(Expression<'a>),
    /// The sum of what this call averages, as numeric.
    Sum(&'a FuncCall),
    /// The count of what this call averages.
    Count(&'a FuncCall),
}

/// The text that each server runs.
pub(super) fn leg_text(statement: &RawStmt, leg: &Leg<'_>, now: &str) -> Result<Arc<str>, Refusal> {
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        if let NodeMut::SelectStmt(select) = copy.as_mut().stmt_mut() {
            change_select(select, leg, mem)?;
        }
        match stop_clock(&mut copy, mem, now) {
            true => Ok(copy),
            false => Err(unknown_expression()),
        }
    })?;
    crate::sql::rewrite::print(&tree)
}

fn change_select<'mem>(
    mut select: SelectStmtMut<'mem, '_>,
    leg: &Leg<'_>,
    mem: MemoryToken<'mem>,
) -> Result<(), Refusal> {
    for (number, hidden) in leg.hidden.iter().enumerate() {
        let target = hidden_target(hidden, number, mem)?;
        select.target_list_mut().push(mem, target);
    }
    match leg.order {
        LegOrder::Kept => {}
        LegOrder::Dropped => select.set_sort_clause(mem.cast_empty()),
    }
    let Some(limit) = &leg.limit else { return Ok(()) };
    select.set_limit_offset(mem.none());
    match limit {
        Some(limit) => {
            select.set_limit_count(parsed_limit(limit, mem)?);
            select.set_limit_option(LimitOption::LIMIT_OPTION_COUNT);
        }
        None => {
            select.set_limit_count(mem.none());
            select.set_limit_option(LimitOption::LIMIT_OPTION_DEFAULT);
        }
    }
    Ok(())
}

fn parsed_limit<'mem>(limit: &str, mem: MemoryToken<'mem>) -> Result<Unique<'mem, Node<'mem>>, Refusal> {
    let tree = pg_raw_parse::parse(&format!("SELECT LIMIT {limit}")).map_err(|_| unknown_expression())?;
    match tree.first().map(|statement| statement.stmt()) {
        Some(Node::SelectStmt(select)) => Ok(mem.make_unique(select.limit_count()).uncast()),
        Some(_) | None => Err(unknown_expression()),
    }
}

fn hidden_target<'mem>(
    hidden: &Hidden<'_>,
    number: usize,
    mem: MemoryToken<'mem>,
) -> Result<Unique<'mem, &'mem ResTarget>, Refusal> {
    let value = match hidden {
        Hidden::Expression(Expression::Node(node)) => mem.make_unique(*node).uncast(),
        Hidden::Expression(Expression::Column(fields)) => {
            if fields.is_empty() {
                return Err(unknown_expression());
            }
            let parts: Vec<Unique<'mem, Node<'_>>> =
                fields.iter().map(|field| mem.make_string(Some(field)).uncast()).collect();
            mem.make_column_ref(mem.make_list(&parts)).uncast()
        }
        Hidden::Sum(call) => {
            let numeric = [mem.make_string(Some("pg_catalog")), mem.make_string(Some("numeric"))];
            mem.make_type_cast(renamed(call, "sum", mem), mem.make_list(&numeric)).uncast()
        }
        Hidden::Count(call) => renamed(call, "count", mem),
    };
    Ok(mem.make_res_target(Some(&format!("?pgherd_{}?", number + 1)), mem.empty(), value))
}

/// The same call of another aggregate.
fn renamed<'mem>(call: &FuncCall, name: &str, mem: MemoryToken<'mem>) -> Unique<'mem, Node<'mem>> {
    let mut copy = mem.make_unique(call);
    let names = [mem.make_string(Some("pg_catalog")).uncast(), mem.make_string(Some(name)).uncast()];
    copy.as_mut().set_funcname(mem.make_list(&names));
    copy.uncast()
}
