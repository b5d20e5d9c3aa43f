//! Keys that servers give first: where rows of one part can matter only if a column of theirs equals one of another
//! part's, and that other part has few rows, those rows' values are asked for beforehand, and the servers leave out what
//! has none of them. All of it is of one snapshot a server; what a question finds to be too many restricts nothing.
//!
//! A row is left out only where the other's column has not its value in any row that the statement can see, so it would
//! have been dropped by the equality itself: the rest of the statement sees what it would have seen.

use std::sync::Arc;

use super::conditions::count_parameters;
use super::leg::{Source, server_text};
use super::part::PartColumn;
use super::reads::Reads;
use super::ties::{meant, ties_of_block};
use crate::ids::quote_identifier;
use crate::plan::Refusal;
use crate::sql::rewrite::trees;

/// The first number, in a text that is not numbered yet, of a parameter that has keys; no client's is as large.
pub(super) const FIRST_KEYS: i32 = 65_536;

/// So many questions are asked for one statement.
const MOST_QUESTIONS: usize = 8;

/// A server with more rows than this gives no keys.
const MOST_ROWS: usize = 20_000;

/// What is asked of each server before the parts: the values of a column of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The part, from 0.
    pub part: usize,
    /// The column, for EXPLAIN.
    pub column: String,
    /// What is asked. It gives one row with an array, or none where there are too many.
    pub text: Arc<str>,
    /// The client's parameters in it, from 1; an array a question comes after them.
    pub parameters: Vec<u16>,
    /// The OID of the type of the arrays.
    pub array_oid: u32,
    /// The OID of the type of their elements.
    pub element_oid: u32,
    /// True where not all rows of the tables are asked for, whatever other questions give.
    pub filtered: bool,
}

/// A part whose rows need one of the keys of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The part, from 0.
    pub part: usize,
    /// The question, from 0.
    pub question: usize,
}

/// What the servers may leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) questions: Vec<Question>,
    pub(crate) limits: Vec<Limit>,
    /// What each server runs then: an array a question comes after the client's parameters, NULL where it has no answer.
    pub(crate) leg: Arc<str>,
}

/// A part's rows need one of the values that another part's have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Need {
    part: usize,
    /// What is compared.
    expression: String,
    of: usize,
    /// Whose values.
    column: String,
    compared: Compared,
}

/// How two columns are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Compared {
    type_name: &'static str,
    element_oid: u32,
    array_oid: u32,
    /// Whether the one, and the other, are to be cast.
    casts: [bool; 2],
}

/// The keys by which parts can be made smaller, by the tables and the blocks with the parts that they became.
pub(super) fn keys(
    reads: &Reads<'_>,
    (of_tables, of_blocks): (&[usize], &[usize]),
    sources: &[Source],
    leg: impl Fn(&dyn Fn(usize) -> Vec<String>) -> Result<Arc<str>, Refusal>,
    now: &str,
) -> Option<Keys> {
    if !reads.reduces {
        return None;
    }
    let mut asked: Vec<(usize, String, Compared)> = Vec::new();
    let mut needs = needs(reads, of_tables, of_blocks);
    keep_useful(&mut needs, sources);
    for need in &needs {
        let question = (need.of, need.column.clone(), need.compared.of_other());
        if !asked.contains(&question) {
            asked.push(question);
        }
    }
    asked.truncate(MOST_QUESTIONS);
    let mut limits = Vec::new();
    let mut conditions: Vec<Vec<String>> = vec![Vec::new(); sources.len()];
    for need in &needs {
        let wanted = (need.of, need.column.clone(), need.compared.of_other());
        let Some(question) = asked.iter().position(|asked| *asked == wanted) else { continue };
        conditions.get_mut(need.part)?.push(need.condition(question)?);
        limits.push(Limit { part: need.part, question });
    }
    let question = |(part, column, compared): &(usize, String, Compared)| {
        let source = sources.get(*part)?;
        question(*part, source, column, *compared, conditions.get(*part)?, now)
    };
    let questions: Option<Vec<Question>> = asked.iter().map(question).collect();
    let questions = questions.filter(|questions| questions.iter().any(|question| question.filtered))?;
    let leg = leg(&|part| conditions.get(part).cloned().unwrap_or_default()).ok()?;
    Some(Keys { questions, limits, leg })
}

/// What all that read a part need of other parts.
fn needs(reads: &Reads<'_>, of_tables: &[usize], of_blocks: &[usize]) -> Vec<Need> {
    let around = (reads.catalog, reads.path);
    let need = |part: usize, own: (String, PartColumn), block: usize, other: &[String]| {
        let (table, column) = meant(reads, block, other)?;
        let of = *of_tables.get(table)?;
        let table = reads.tables.get(table)?;
        let index = table.columns.iter().position(|name| *name == column)?;
        let compared = Compared::of(&own.1, &PartColumn::of(table.relation.columns.get(index)?))?;
        let column = format!("{}.{}", quote_identifier(&table.alias), quote_identifier(&column));
        (of != part).then_some(Need { part, expression: own.0, of, column, compared })
    };
    let mut readers: Vec<(usize, Vec<Need>)> = Vec::new();
    for (table, part) in reads.tables.iter().zip(of_tables) {
        let own = |name: &str| {
            let index = table.columns.iter().position(|column| column == name)?;
            let typed = PartColumn::of(table.relation.columns.get(index)?);
            Some((format!("{}.{}", quote_identifier(&table.alias), quote_identifier(name)), typed))
        };
        let needs = table.ties.iter().filter_map(|tie| need(*part, own(&tie.own)?, table.block, &tie.other));
        readers.push((*part, needs.collect()));
    }
    for (reduction, part) in reads.reductions.iter().zip(of_blocks) {
        let own = |(item, name): &(usize, String)| {
            let item = reduction.items.get(*item)?;
            let typed = item.columns.iter().find(|(column, _)| column == name)?.1.clone()?;
            Some((format!("{}.{}", quote_identifier(&item.name), quote_identifier(name)), typed))
        };
        let ties = ties_of_block(reduction, around);
        let needs =
            ties.iter().filter_map(|(column, other)| need(*part, own(column)?, reduction.block, other));
        readers.push((*part, needs.collect()));
    }
    // A part has the rows of all that read it: only what each of them needs is needed.
    let mut common: Vec<Need> = Vec::new();
    for (part, needs) in &readers {
        let same = || readers.iter().filter(|(other, _)| other == part);
        for need in needs {
            if !common.contains(need) && same().all(|(_, others)| others.contains(need)) {
                common.push(need.clone());
            }
        }
    }
    common
}

/// Leaves what may be answered: the other part has conditions of its own, or needs a third one that has.
fn keep_useful(needs: &mut Vec<Need>, sources: &[Source]) {
    let filtered = |part: usize| sources.get(part).is_some_and(|source| !source.conditions.is_empty());
    let all = needs.clone();
    needs.retain(|need| {
        let mut others = all.iter().filter(|other| other.part == need.of && other.of != need.part);
        filtered(need.of) || others.any(|other| filtered(other.of))
    });
}

impl Need {
    /// `(keys IS NULL OR column = ANY (keys))`.
    fn condition(&self, question: usize) -> Option<String> {
        let Compared { type_name, casts, .. } = self.compared;
        let keys = format!("${}::{type_name}[]", FIRST_KEYS + i32::try_from(question).ok()?);
        let cast = if casts[0] { format!("::{type_name}") } else { String::new() };
        let own = &self.expression;
        Some(format!("({keys} IS NULL OR {own}{cast} OPERATOR(pg_catalog.=) ANY ({keys}))"))
    }
}

impl Compared {
    /// How two columns are compared; `None` where different values may be equal in more than one way, or that is not certain.
    fn of(one: &PartColumn, other: &PartColumn) -> Option<Compared> {
        // int2, int4, int8: the wider one.
        const WIDTHS: [u32; 3] = [21, 23, 20];
        if one.travels_as_text() || other.travels_as_text() {
            return None;
        }
        let oids = [one.element_oid, other.element_oid];
        let widths = oids.map(|oid| WIDTHS.iter().position(|width| *width == oid));
        let element_oid = match widths {
            [Some(one), Some(other)] => WIDTHS[one.max(other)],
            // text and varchar are compared as text.
            _ if one.is_text() && other.is_text() && one.collation == other.collation => TEXT,
            _ if oids[0] == oids[1] && !one.is_text() => oids[0],
            _ => return None,
        };
        let (type_name, array_oid) = match element_oid {
            20 => ("bigint", 1016),
            21 => ("smallint", 1005),
            23 => ("integer", 1007),
            TEXT => ("text", 1009),
            1082 => ("date", 1182),
            1114 => ("timestamp without time zone", 1115),
            1184 => ("timestamp with time zone", 1185),
            1700 => ("numeric", 1231),
            2950 => ("uuid", 2951),
            _ => return None,
        };
        Some(Compared { type_name, element_oid, array_oid, casts: oids.map(|oid| oid != element_oid) })
    }

    /// The same for a question, which does not care what the one is.
    fn of_other(self) -> Compared {
        Compared { casts: [false, self.casts[1]], ..self }
    }
}

/// The OID of `text`.
const TEXT: u32 = 25;

fn question(
    part: usize,
    source: &Source,
    column: &str,
    compared: Compared,
    conditions: &[String],
    now: &str,
) -> Option<Question> {
    let Compared { type_name, element_oid, array_oid, casts } = compared;
    let cast = if casts[1] { format!("::{type_name}") } else { String::new() };
    let present = format!("{column} IS NOT NULL");
    let all: Vec<String> = conditions.iter().cloned().chain([present]).collect();
    let text = format!(
        "SELECT pg_catalog.array_agg(DISTINCT q.k) AS keys FROM (SELECT {column}{cast} AS k {} LIMIT {}) AS q \
         HAVING pg_catalog.count(*) <= {MOST_ROWS}",
        source.rows(&all),
        MOST_ROWS + 1
    );
    let mut counts = std::collections::HashMap::new();
    count_parameters(trees(&text).ok()?.first()?.stmt(), &mut counts);
    let mut numbers: Vec<i32> = counts.into_keys().filter(|number| *number < FIRST_KEYS).collect();
    numbers.sort_unstable();
    Some(Question {
        part,
        column: column.replace('"', ""),
        text: server_text(&text, &numbers, now).ok()?,
        parameters: numbers.into_iter().filter_map(|number| u16::try_from(number).ok()).collect(),
        array_oid,
        element_oid,
        filtered: !source.conditions.is_empty(),
    })
}
