//! Which of a table's columns must be equal to another table's, whatever else is computed: by equality in an inner join,
//! on the side of an outer join that may lack a partner, or in a subquery's WHERE. A row that finds no equal there is
//! never looked at.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::A_Expr_Kind;

use super::conditions::is_column_of;
use super::reads::{Block, Reads, Table};
use super::reduce::Reduction;
use crate::catalog::{Catalog, SearchPath};
use crate::sql::shape;

/// A column of a table, and the name of what it must be equal to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tie {
    /// The column, as the statement names it.
    pub(super) own: String,
    /// The other's name as it stands, part by part.
    pub(super) other: Vec<String>,
}

/// The ties of a table, of which this is the block, in the conditions that its rows must meet.
pub(super) fn ties(table: &Table<'_>, block: &Block, around: (&Catalog, &SearchPath)) -> Vec<Tie> {
    let tie = |condition: &Node<'_>| {
        let (left, right) = equality(*condition, around)?;
        let is_own = |fields: &[String]| {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            is_column_of(&fields, table, block)
        };
        let (own, other) = match (is_own(&left), is_own(&right)) {
            (true, false) => (left, right),
            (false, true) => (right, left),
            (true, true) | (false, false) => return None,
        };
        Some(Tie { own: own.last()?.clone(), other })
    };
    table.conditions.iter().filter_map(tie).collect()
}

/// The ties of a block that servers compute, in the conditions that are left: its item and column, and the other's name.
pub(super) fn ties_of_block(
    reduction: &Reduction<'_>,
    around: (&Catalog, &SearchPath),
) -> Vec<((usize, String), Vec<String>)> {
    let own = |fields: &[String]| {
        let has = |item: usize, name: &str| {
            let columns = reduction.items.get(item).map(|item| item.columns.as_slice()).unwrap_or_default();
            columns.iter().filter(|(column, _)| column == name).count() == 1
        };
        let mut items = 0..reduction.items.len();
        match fields {
            [name] => items.find(|item| has(*item, name)).map(|item| (item, name.clone())),
            [alias, name] => items
                .find(|item| reduction.items[*item].name == *alias && has(*item, name))
                .map(|item| (item, name.clone())),
            _ => None,
        }
    };
    let tie = |condition: &Node<'_>| {
        let (left, right) = equality(*condition, around)?;
        match (own(&left), own(&right)) {
            (Some(column), None) => Some((column, right)),
            (None, Some(column)) => Some((column, left)),
            (Some(_), Some(_)) | (None, None) => None,
        }
    };
    reduction.left.iter().filter_map(tie).collect()
}

/// The table, and its column, that a name in a block certainly means; `None` where it may be another's.
pub(super) fn meant(reads: &Reads<'_>, block: usize, fields: &[String]) -> Option<(usize, String)> {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let mut number = block;
    loop {
        let block = reads.blocks.get(number)?;
        let is_here = |table: &Table<'_>| table.block == number && is_column_of(&fields, table, block);
        if let Some(table) = reads.tables.iter().position(is_here) {
            return Some((table, (*fields.last()?).to_owned()));
        }
        let columns = block.columns.as_ref()?;
        let may_be_here = match fields.as_slice() {
            [name] => block.natural || columns.iter().any(|column| column == name),
            [alias, _] => block.aliases.iter().any(|own| own == alias),
            _ => true,
        };
        if may_be_here {
            return None;
        }
        number = block.around?;
    }
}

/// The names on both sides of `a = b`.
fn equality(
    condition: Node<'_>,
    (catalog, path): (&Catalog, &SearchPath),
) -> Option<(Vec<String>, Vec<String>)> {
    let Node::A_Expr(equal) = condition else { return None };
    let is_equality = equal.kind == A_Expr_Kind::AEXPR_OP
        && equal.name().iter().map(Node::as_str).eq([Some("=")])
        && shape::is_plain(condition, catalog, path);
    let name = |node: Node<'_>| {
        let Node::ColumnRef(column) = node else { return None };
        column.fields().iter().map(|field| field.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
    };
    if is_equality { Some((name(equal.lexpr())?, name(equal.rexpr())?)) } else { None }
}
