//! The text of an INSERT for some of its rows.

use std::sync::Arc;

use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{InsertStmtMut, RawStmt, SelectStmt, WithClause};
use pg_raw_parse::transform::Transform;
use pg_raw_parse::{Node, NodeMut};

use super::columns::Columns;
use super::numbers::Renumber;
use super::question::{Asked, unknown};
use super::values::rows_of;
use crate::plan::Refusal;
use crate::sql::shape::{is_stamped, stop_clock};

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// The statement's own row and column.
    Own(usize, usize),
    /// A parameter of this number, beyond the statement's.
    Slot(u32),
}

/// A text, and which numbers its `$1`, `$2` ... had before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartText {
    pub(crate) text: Arc<str>,
    pub(crate) numbers: Vec<u32>,
}

/// The text with these rows. A row may have one value more than the statement gives: the tenant column's.
pub(crate) fn part_text(
    statement: &RawStmt,
    columns: &Columns,
    rows: &[Vec<Cell>],
    now: &str,
) -> Result<PartText, Refusal> {
    let Node::InsertStmt(original) = statement.stmt() else { return Err(unknown()) };
    let own = rows_of(original);
    let mut numbers = Renumber::default();
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let mut root = copy.as_mut();
        let NodeMut::InsertStmt(mut insert) = root.stmt_mut() else { return Err(unknown()) };
        insert.set_with_clause(mem.make_unique(None::<&WithClause>));
        name_columns(&mut insert, columns, rows, mem);
        let mut select = mem.make_node::<SelectStmt>();
        match rows {
            [] => nothing(&mut select, columns, mem)?,
            rows => {
                let mut lists = Vec::new();
                for row in rows {
                    lists.push(row_of(row, &own, columns, mem)?);
                }
                select.as_mut().set_values_lists(mem.make_list(&lists));
            }
        }
        insert.set_select_stmt(select.uncast());
        if !stop_clock(&mut copy, mem, now) {
            return Err(unknown());
        }
        numbers.transform_raw_stmt(copy.as_mut());
        Ok(copy)
    })?;
    Ok(PartText { text: crate::sql::rewrite::print(&tree)?, numbers: numbers.old })
}

/// The columns that the rows have values for.
fn name_columns<'mem>(
    insert: &mut InsertStmtMut<'mem, '_>,
    columns: &Columns,
    rows: &[Vec<Cell>],
    mem: MemoryToken<'mem>,
) {
    let key = rows.first().is_some_and(|row| row.len() > columns.given.len());
    let tenant = columns.relation.tenant_column().filter(|_| key).map(|(column, _)| column);
    let given = columns.given.iter().filter(|_| !columns.named);
    for column in given.chain(tenant).chain(&columns.stamped) {
        let target = mem.make_res_target(Some(&column.name), mem.empty(), mem.none());
        insert.cols_mut().push(mem, target.uncast());
    }
}

fn row_of<'mem>(
    row: &[Cell],
    own: &[Vec<Node<'_>>],
    columns: &Columns,
    mem: MemoryToken<'mem>,
) -> Result<Unique<'mem, Node<'mem>>, Refusal> {
    let mut cells = Vec::new();
    for (place, cell) in row.iter().enumerate() {
        cells.push(match cell {
            Cell::Slot(number) => mem.make_param_ref(i32::try_from(*number).unwrap_or(i32::MAX)).uncast(),
            Cell::Own(row, column) => {
                let node = own.get(*row).and_then(|row| row.get(*column)).ok_or_else(unknown)?;
                match (node, columns.given.get(place)) {
                    (Node::SetToDefault(_), Some(column)) if is_stamped(column) => default_of(column, mem)?,
                    (node, _) => mem.make_unique(*node).uncast(),
                }
            }
        });
    }
    for column in &columns.stamped {
        cells.push(default_of(column, mem)?);
    }
    Ok(mem.make_list(&cells).uncast())
}

/// The default of a column as an expression.
pub(in crate::sql) fn default_of<'mem>(
    column: &crate::catalog::Column,
    mem: MemoryToken<'mem>,
) -> Result<Unique<'mem, Node<'mem>>, Refusal> {
    Asked::Sql(column.default.as_deref().unwrap_or("NULL")).node(mem)
}

/// No row at all, of the right width.
fn nothing<'mem>(
    select: &mut Unique<'mem, &'mem SelectStmt>,
    columns: &Columns,
    mem: MemoryToken<'mem>,
) -> Result<(), Refusal> {
    let width = columns.given.len() + columns.stamped.len();
    let targets: Vec<_> =
        (0..width).map(|_| mem.make_res_target(None, mem.empty(), mem.make_null().uncast())).collect();
    select.as_mut().set_target_list(mem.make_list(&targets));
    select.as_mut().set_where_clause(Asked::Sql("false").node(mem)?);
    Ok(())
}
