//! The columns that an UPDATE sets: one, several from one row, or a part of one.

use pg_raw_parse::make::{MemoryToken, Unique};
use pg_raw_parse::nodes::{ResTarget, SelectStmt, SetOperation, SubLink, UpdateStmt};
use pg_raw_parse::{ConstValue, Node, NodeMut};

use super::chosen::{any, name_of, names_only, refuse};
use super::shape::{function_name, is_stamped};
use crate::catalog::{Catalog, Relation};
use crate::plan::Refusal;

/// A column that is set, or a part of it.
pub(super) struct Assignment<'a> {
    pub(super) column: &'a str,
    pub(super) value: New<'a>,
    pub(super) from: Value,
    /// True where a part of the column is set.
    pub(super) part: bool,
}

/// A new value.
#[derive(Clone, Copy)]
pub(super) enum New<'a> {
    /// An expression.
    Expression(Node<'a>),
    /// One of the columns of a subquery, counted from 0.
    OfSubquery(&'a SubLink, usize),
}

/// Where a new value comes from.
#[derive(Clone, Copy)]
pub(super) enum Value {
    /// The statement says it.
    Own,
    /// This column of `choose`.
    Computed(usize),
}

/// What an UPDATE sets. Values that are computed are numbered from `computed` on.
pub(super) fn assignments<'a>(
    update: &'a UpdateStmt,
    relation: &Relation,
    mut computed: usize,
) -> Result<Vec<Assignment<'a>>, Refusal> {
    let mut set = Vec::new();
    for target in update.target_list() {
        let column = target.name().ok_or_else(|| refuse("a write of this form"))?;
        let value = new_value(target.val())?;
        let part = !target.indirection().is_empty();
        if part && !target.indirection().iter().all(|place| is_of_row(place, update, relation)) {
            return Err(refuse("a part of a column whose place is computed of other rows"));
        }
        let is_tenant = relation.tenant_column().is_some_and(|(tenant, _)| tenant.name == column);
        let from = match value {
            New::Expression(Node::A_Const(_)) if !is_tenant => Value::Own,
            New::Expression(Node::SetToDefault(_)) => Value::Own,
            New::Expression(_) | New::OfSubquery(..) => {
                computed += 1;
                Value::Computed(computed - 1)
            }
        };
        let stamped = relation.columns.iter().any(|known| known.name == column && is_stamped(known));
        if stamped && matches!(value, New::Expression(Node::SetToDefault(_))) {
            return Err(refuse("a column set to a default that reads the clock"));
        }
        set.push(Assignment { column, value, from, part });
    }
    Ok(set)
}

/// What `SET column = value` or `SET (column, ...) = value` gives a column.
fn new_value(value: Node<'_>) -> Result<New<'_>, Refusal> {
    let Node::MultiAssignRef(part) = value else { return Ok(New::Expression(value)) };
    let place = usize::try_from(part.colno).ok().and_then(|number| number.checked_sub(1));
    let place = place.ok_or_else(|| refuse("several columns set at once"))?;
    match part.source() {
        Node::RowExpr(row) => match row.args().get(place) {
            Some(value) => Ok(New::Expression(value)),
            None => Err(refuse("several columns set at once")),
        },
        Node::SubLink(link) => match link.subselect() {
            Node::SelectStmt(select) if gives_one_row_again(select, part.ncolumns) => {
                Ok(New::OfSubquery(link, place))
            }
            _ => Err(refuse("several columns set from a subquery that may choose another row each time")),
        },
        _ => Err(refuse("several columns set at once")),
    }
}

/// True for a subquery that gives the same row for each of its columns, if it gives one at all.
fn gives_one_row_again(select: &SelectStmt, columns: i32) -> bool {
    let star = |target: &ResTarget| match target.val() {
        Node::ColumnRef(column) => column.fields().iter().any(|field| matches!(field, Node::A_Star(_))),
        _ => false,
    };
    select.op == SetOperation::SETOP_NONE
        && select.values_lists().is_empty()
        && select.distinct_clause().is_empty()
        && select.group_clause().is_empty()
        && matches!((select.limit_count(), select.limit_offset()), (Node::None, Node::None))
        && usize::try_from(columns) == Ok(select.target_list().len())
        && !select.target_list().iter().any(star)
}

/// True for what the written row says by itself.
fn is_of_row(node: Node<'_>, update: &UpdateStmt, relation: &Relation) -> bool {
    let is_subquery = |node: Node<'_>| matches!(node, Node::SubLink(_));
    let target = update.relation().map(name_of).unwrap_or_default();
    match update.from_clause().is_empty() {
        true => !is_subquery(node) && !any(node, is_subquery),
        false => names_only(node, target, relation),
    }
}

/// True where a subquery makes one group of its rows, by an aggregate in any of its columns; `None` where that is
/// not certain.
pub(super) fn groups(link: &SubLink, catalog: &Catalog) -> Option<bool> {
    let Node::SelectStmt(select) = link.subselect() else { return None };
    let aggregates = |node: Node<'_>| match node {
        Node::FuncCall(call) => {
            let facts = function_name(call).and_then(|name| catalog.functions.get(name));
            call.over().is_none() && facts.is_none_or(|facts| facts.aggregate)
        }
        Node::JsonObjectAgg(_) | Node::JsonArrayAgg(_) | Node::GroupingFunc(_) => true,
        _ => false,
    };
    let nested = |node: Node<'_>| matches!(node, Node::SubLink(_));
    let below = |wanted: &dyn Fn(Node<'_>) -> bool| {
        select.target_list().iter().any(|target| wanted(target.val()) || any(target.val(), wanted))
    };
    match (below(&aggregates), below(&nested)) {
        (true, true) => None,
        (grouped, _) => Some(grouped || !matches!(select.having_clause(), Node::None)),
    }
}

/// A subquery with one of its columns, `grouped` as the whole of it is.
pub(super) fn column_of<'mem>(
    link: &SubLink,
    place: usize,
    grouped: bool,
    mem: MemoryToken<'mem>,
) -> Unique<'mem, Node<'mem>> {
    let mut copy = mem.make_unique(link);
    let mut fields = copy.as_mut();
    if let NodeMut::SelectStmt(mut select) = fields.subselect_mut() {
        let column: Vec<_> =
            select.target_list().iter().skip(place).take(1).map(|target| mem.make_unique(target)).collect();
        select.set_target_list(mem.make_list(&column));
        if grouped && matches!(select.having_clause(), Node::None) {
            select.set_having_clause(mem.make_a_const(ConstValue::Boolean(true)).uncast());
        }
        // Of one row there is one order; a number in it would mean another column.
        select.set_sort_clause(mem.cast_empty());
    }
    copy.uncast()
}
