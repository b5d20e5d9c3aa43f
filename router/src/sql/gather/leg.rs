//! The text for each server: all its parts in one statement, so that they are of one snapshot. A row has
//! the number of its part, then the columns of all parts; those of other parts are NULL. Parts share columns
//! of one type.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::NodeMut;
use pg_raw_parse::make::{MemoryToken, try_owned};
use pg_raw_parse::transform::{Assignable, Transform, transform_node};

use super::groups::Groups;
use super::part::Part;
use super::reads::{Table, unknown};
use super::reduce::{Choice, First, Form, Reduction};
use super::text::{expression_text, rows_text, where_text};
use crate::ids::quote_identifier;
use crate::plan::Refusal;
use crate::sql::rewrite::{print, trees};
use crate::sql::shape;

/// What a server sends for a part: its expressions, one a column, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// One expression a column.
    pub(super) expressions: Vec<String>,
    /// `FROM ... WHERE ...`, and what comes after.
    pub(super) rows: String,
    /// True where equal rows are one.
    pub(super) distinct: bool,
}

impl Source {
    /// Columns of one table, by their positions.
    pub(super) fn of_table(
        table: &Table<'_>,
        columns: &[usize],
        conditions: &[Node<'_>],
    ) -> Result<Source, Refusal> {
        let qualifier = quote_identifier(&table.alias);
        let name = |column: &usize| table.columns.get(*column).map(|name| quote_identifier(name));
        let expressions: Option<Vec<String>> =
            columns.iter().map(|column| Some(format!("{qualifier}.{}", name(column)?))).collect();
        let names: Vec<String> = table.columns.iter().map(|name| quote_identifier(name)).collect();
        let only = if table.range.inh { "" } else { "ONLY " };
        let own = where_text(conditions)?;
        let own = own.strip_prefix(" WHERE ").map(|own| format!("({own})"));
        let all: Vec<String> = own.into_iter().chain(table.partners.conditions.iter().cloned()).collect();
        let filter = if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) };
        let table = table.relation.quoted_name();
        Ok(Source {
            expressions: expressions.ok_or_else(unknown)?,
            rows: format!("FROM {only}{table} AS {qualifier} ({}){filter}", names.join(", ")),
            distinct: false,
        })
    }

    /// What the servers compute of a block: the expressions of `columns`.
    pub(super) fn of_block(reduction: &Reduction<'_>, expressions: Vec<String>) -> Result<Source, Refusal> {
        let rows = rows_text(reduction.select, &reduction.applied)?;
        let after = match &reduction.form {
            Form::Groups(groups) => group_by(groups)?,
            Form::Rows(Choice::First(first)) => order_by(first)?,
            Form::Rows(Choice::All | Choice::Distinct(_)) => String::new(),
        };
        let distinct = matches!(reduction.form, Form::Rows(Choice::Distinct(_)));
        Ok(Source { expressions, rows: format!("{rows}{after}"), distinct })
    }
}

fn group_by(groups: &Groups<'_>) -> Result<String, Refusal> {
    let keys: Vec<String> =
        groups.keys.iter().map(|key| expression_text(key.node)).collect::<Result<_, _>>()?;
    Ok(if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) })
}

fn order_by(first: &First<'_>) -> Result<String, Refusal> {
    let key =
        |(node, words): &(Node<'_>, String)| Ok::<_, Refusal>(format!("{}{words}", expression_text(*node)?));
    let keys: Vec<String> = first.order.iter().map(key).collect::<Result<_, _>>()?;
    let order = if keys.is_empty() { String::new() } else { format!(" ORDER BY {}", keys.join(", ")) };
    let count = match first.offset {
        Node::None => format!("{}::int8", expression_text(first.count)?),
        offset => format!("{}::int8 + {}::int8", expression_text(first.count)?, expression_text(offset)?),
    };
    Ok(match first.with_ties {
        true => format!("{order} FETCH FIRST ({count}) ROWS WITH TIES"),
        false => format!("{order} LIMIT {count}"),
    })
}

/// Gives the columns of all parts their places in the legs' rows, and the types of those places.
pub(super) fn lay_out(parts: &mut [Part]) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for part in parts {
        let mut taken = vec![false; types.len()];
        for column in &mut part.columns {
            let free = (0..types.len()).find(|place| !taken[*place] && types[*place] == column.sent_as);
            let place = free.unwrap_or_else(|| {
                types.push(column.sent_as.clone());
                taken.push(false);
                types.len() - 1
            });
            taken[place] = true;
            // The part's number comes first.
            column.place = place + 1;
        }
    }
    types
}

/// The text that each server runs, with the clock stopped and the parameters numbered anew: the n-th is
/// the client's `parameters[n]`.
pub(super) fn leg_text(
    parts: &[Part],
    sources: &[Source],
    types: &[String],
    parameters: &[i32],
    now: &str,
) -> Result<Arc<str>, Refusal> {
    let arms: Vec<String> = parts
        .iter()
        .zip(sources)
        .enumerate()
        .map(|(number, (part, source))| arm(number, part, source, types))
        .collect();
    let text = match arms.as_slice() {
        [only] => only.clone(),
        _ => arms.iter().map(|arm| format!("({arm})")).collect::<Vec<_>>().join(" UNION ALL "),
    };
    let trees = trees(&text)?;
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(trees.first().ok_or_else(unknown)?);
        Renumber { mem, parameters }.transform_raw_stmt(copy.as_mut());
        match shape::stop_clock(&mut copy, mem, now) {
            true => Ok(copy),
            false => Err(unknown()),
        }
    })?;
    print(&tree)
}

fn arm(number: usize, part: &Part, source: &Source, types: &[String]) -> String {
    let mut values: Vec<Option<String>> = vec![None; types.len()];
    for (column, expression) in part.columns.iter().zip(&source.expressions) {
        values[column.place - 1] = Some(column.sent(expression));
    }
    let values: Vec<String> = values
        .into_iter()
        .zip(types)
        .enumerate()
        .map(|(place, (value, type_name))| {
            let value = value.unwrap_or_else(|| format!("NULL::{type_name}"));
            format!(", {value} AS c{}", place + 1)
        })
        .collect();
    let distinct = if source.distinct { "DISTINCT " } else { "" };
    format!("SELECT {distinct}{}::int4 AS part{} {}", number + 1, values.concat(), source.rows)
}

/// Gives parameters their numbers in a leg.
struct Renumber<'mem, 'a> {
    mem: MemoryToken<'mem>,
    parameters: &'a [i32],
}

impl<'mem> Transform<'mem> for Renumber<'mem, '_> {
    fn transform_node<'mutref>(&mut self, node: Assignable<'mem, 'mutref>) {
        let NodeMut::ParamRef(parameter) = &*node else {
            return transform_node(node.into_inner(), self);
        };
        let place = self.parameters.iter().position(|number| *number == parameter.number);
        let number = place.and_then(|place| i32::try_from(place + 1).ok()).unwrap_or(parameter.number);
        node.replace(self.mem.make_param_ref(number).uncast());
    }
}
