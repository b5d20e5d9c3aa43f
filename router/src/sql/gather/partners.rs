//! Rows that an inner join will drop need not be sent: where a table is joined by a column with a table of which every
//! server has a copy, and that copy's rows must meet conditions of their own, each server sends only rows that have a
//! partner there. The copy's rows may need partners in further copies.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::A_Expr_Kind;

use super::conditions::{is_about, is_column_of, is_known, parameters};
use super::reads::{Block, Table};
use super::text::where_text;
use crate::catalog::{Catalog, SearchPath};
use crate::ids::quote_identifier;
use crate::sql::shape;

/// What is known around: the catalog, the search path, and the parameters that servers understand.
type Around<'a> = (&'a Catalog, &'a SearchPath, &'a [i32]);

/// Conditions on a table's rows beside those about itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Partners {
    /// As SQL: `a.x IN (SELECT ...)`.
    pub(super) conditions: Vec<String>,
    /// The client's parameters in them.
    pub(super) parameters: Vec<i32>,
}

impl Partners {
    /// The partners that all of a table's rows must have among these copies of its block.
    pub(super) fn of(table: &Table<'_>, copies: &[Table<'_>], block: &Block, around: Around<'_>) -> Partners {
        let mut partners = Partners::default();
        // Rows that an outer join brings back need none.
        if table.filtered.is_none() {
            return partners;
        }
        let ties = |copy: &Table<'_>| {
            table.conditions.iter().find_map(|condition| tie(*condition, table, copy, block))
        };
        for (number, copy) in copies.iter().enumerate() {
            if copy.filtered != table.filtered {
                continue;
            }
            let Some((own, theirs)) = ties(copy) else { continue };
            let others: Vec<&Table<'_>> = copies
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != number)
                .map(|(_, copy)| copy)
                .collect();
            if let Some(rows) = rows(copy, &others, block, around, &mut partners.parameters) {
                let column = format!("{}.{}", quote_identifier(&table.alias), quote_identifier(&own));
                let theirs = quote_identifier(&theirs);
                let alias = quote_identifier(&copy.alias);
                partners.conditions.push(format!("{column} IN (SELECT {alias}.{theirs} {rows})"));
            }
        }
        partners
    }
}

/// `FROM copy WHERE ...` of the rows of a copy that matter; `None` where all do.
fn rows(
    copy: &Table<'_>,
    others: &[&Table<'_>],
    block: &Block,
    around: Around<'_>,
    numbers: &mut Vec<i32>,
) -> Option<String> {
    let (catalog, path, known) = around;
    let own: Vec<Node<'_>> = copy
        .conditions
        .iter()
        .copied()
        .filter(|condition| {
            is_about(*condition, copy, block)
                && shape::is_plain(*condition, catalog, path)
                && is_known(*condition, known)
        })
        .collect();
    let mut conditions = Vec::new();
    if !own.is_empty() {
        conditions.push(where_text(&own).ok()?.strip_prefix(" WHERE ")?.to_owned());
        numbers.extend(own.iter().flat_map(|condition| parameters(*condition)));
    }
    let alias = quote_identifier(&copy.alias);
    for (number, other) in others.iter().enumerate() {
        let mut ties = copy.conditions.iter().filter_map(|condition| tie(*condition, copy, other, block));
        let Some((column, theirs)) = ties.next().filter(|_| other.filtered == copy.filtered) else {
            continue;
        };
        let rest: Vec<&Table<'_>> = others
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != number)
            .map(|(_, other)| *other)
            .collect();
        if let Some(rows) = rows(other, &rest, block, around, numbers) {
            let (column, theirs) = (quote_identifier(&column), quote_identifier(&theirs));
            let other = quote_identifier(&other.alias);
            conditions.push(format!("{alias}.{column} IN (SELECT {other}.{theirs} {rows})"));
        }
    }
    if conditions.is_empty() {
        return None;
    }
    let only = if copy.range.inh { "" } else { "ONLY " };
    let names: Vec<String> = copy.columns.iter().map(|name| quote_identifier(name)).collect();
    let (name, names) = (copy.relation.quoted_name(), names.join(", "));
    let conditions: Vec<String> = conditions.iter().map(|condition| format!("({condition})")).collect();
    Some(format!("FROM {only}{name} AS {alias} ({names}) WHERE {}", conditions.join(" AND ")))
}

/// The columns of two tables that a condition says are equal.
fn tie(condition: Node<'_>, one: &Table<'_>, other: &Table<'_>, block: &Block) -> Option<(String, String)> {
    let Node::A_Expr(equal) = condition else { return None };
    if equal.kind != A_Expr_Kind::AEXPR_OP || !equal.name().iter().map(Node::as_str).eq([Some("=")]) {
        return None;
    }
    let column = |node: Node<'_>, table: &Table<'_>| {
        let Node::ColumnRef(column) = node else { return None };
        let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
        let fields = fields.filter(|fields| is_column_of(fields, table, block))?;
        fields.last().map(|name| (*name).to_owned())
    };
    let pair = |left, right| Some((column(left, one)?, column(right, other)?));
    pair(equal.lexpr(), equal.rexpr()).or_else(|| pair(equal.rexpr(), equal.lexpr()))
}
