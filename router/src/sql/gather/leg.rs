//! The text for each server: all its parts in one statement, so that they are of one snapshot. A row has
//! the number of its part, then the columns of all parts; those of other parts are NULL. Parts share columns
//! of one type.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::NodeMut;
use pg_raw_parse::make::{MemoryToken, try_owned};
use pg_raw_parse::transform::{Assignable, Transform, transform_node};

use super::groups::Groups;
use super::keys::FIRST_KEYS;
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
    /// `FROM ...`.
    pub(super) from: String,
    /// What the rows must meet.
    pub(super) conditions: Vec<String>,
    /// What comes after WHERE.
    pub(super) after: String,
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
        let own = condition_text(conditions)?;
        let all = own.into_iter().chain(table.partners.conditions.iter().cloned());
        let table = table.relation.quoted_name();
        Ok(Source {
            expressions: expressions.ok_or_else(unknown)?,
            from: format!("FROM {only}{table} AS {qualifier} ({})", names.join(", ")),
            conditions: all.collect(),
            after: String::new(),
            distinct: false,
        })
    }

    /// What the servers compute of a block: the expressions of `columns`.
    pub(super) fn of_block(reduction: &Reduction<'_>, expressions: Vec<String>) -> Result<Source, Refusal> {
        let from = rows_text(reduction.select, &[])?;
        let conditions = condition_text(&reduction.applied)?.into_iter().collect();
        let after = match &reduction.form {
            Form::Groups(groups) => group_by(groups)?,
            Form::Rows(Choice::First(first)) => order_by(first)?,
            Form::Rows(Choice::All | Choice::Distinct(_)) => String::new(),
        };
        let distinct = matches!(reduction.form, Form::Rows(Choice::Distinct(_)));
        Ok(Source { expressions, from, conditions, after, distinct })
    }

    /// `FROM ... WHERE ...`, and what comes after; with these conditions, too.
    pub(super) fn rows(&self, more: &[String]) -> String {
        let all: Vec<&str> = self.conditions.iter().chain(more).map(String::as_str).collect();
        let filter = if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) };
        format!("{}{filter}{}", self.from, self.after)
    }
}

/// Conditions as one, in parentheses.
fn condition_text(conditions: &[Node<'_>]) -> Result<Option<String>, Refusal> {
    let text = where_text(conditions)?;
    Ok(text.strip_prefix(" WHERE ").map(|text| format!("({text})")))
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

/// What each server gives, as it was written: one SELECT a part. `more` has further conditions of each part.
pub(super) fn leg_text(
    parts: &[Part],
    sources: &[Source],
    types: &[String],
    more: impl Fn(usize) -> Vec<String>,
) -> String {
    let arms: Vec<String> = parts
        .iter()
        .zip(sources)
        .enumerate()
        .map(|(number, (part, source))| arm(number, part, source, types, &more(number)))
        .collect();
    match arms.as_slice() {
        [only] => only.clone(),
        _ => arms.iter().map(|arm| format!("({arm})")).collect::<Vec<_>>().join(" UNION ALL "),
    }
}

/// A text that each server runs, with the clock stopped and the parameters numbered anew: the n-th is the client's
/// `parameters[n]`; keys come after those.
pub(super) fn server_text(text: &str, parameters: &[i32], now: &str) -> Result<Arc<str>, Refusal> {
    let trees = trees(text)?;
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

fn arm(number: usize, part: &Part, source: &Source, types: &[String], more: &[String]) -> String {
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
    format!("SELECT {distinct}{}::int4 AS part{} {}", number + 1, values.concat(), source.rows(more))
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
        let place = match parameter.number.checked_sub(FIRST_KEYS).and_then(|key| usize::try_from(key).ok()) {
            Some(key) => Some(self.parameters.len() + key),
            None => self.parameters.iter().position(|number| *number == parameter.number),
        };
        let number = place.and_then(|place| i32::try_from(place + 1).ok()).unwrap_or(parameter.number);
        node.replace(self.mem.make_param_ref(number).uncast());
    }
}
