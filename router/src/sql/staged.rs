//! A statement whose CTEs write or lock rows, taken apart: each such CTE runs by itself, then the rest, with the
//! rows that it gave in its place.
//!
//! PostgreSQL shows all parts of such a statement the same snapshot. One after the other they see the same
//! where no part names a table that another one has written before, and no trigger or foreign key writes more.

use std::ops::ControlFlow;
use std::sync::Arc;

use pg_raw_parse::make::{MemoryToken, try_owned};
use pg_raw_parse::nodes::{CommonTableExpr, RangeVar, RawStmt, ReturningClause, WithClause, WithClauseMut};
use pg_raw_parse::transform::Transform;
use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, NodeMut};

use super::chosen::{Numbered, name_of};
use super::insert::Renumber;
use super::rewrite::print;
use super::rows_text::{Columns, rows_query};
use super::shape::{sharded_table, stop_clock};
use super::with::{is_step, with_of};
use crate::catalog::{Catalog, Column, Relation, SearchPath};
use crate::plan::Refusal;

/// What a CTE that runs by itself gives, as far as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Where it stands among the CTEs.
    cte: usize,
    /// What the columns of its rows are.
    returned: Returned,
}

/// What is known of the columns that RETURNING gives.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Returned {
    /// Columns of the table that stand there plainly: how SQL names type and collation; `None` for others.
    plain: Option<Vec<Option<Plain>>>,
    /// True where text that is computed has the database's collation.
    usual: bool,
}

impl Step {
    /// How the columns of its rows are written, which have these types as OIDs.
    pub(crate) fn columns(&self, names: &[String], types: &[u32]) -> Result<Columns, Refusal> {
        let plain = self.returned.plain.as_ref().filter(|plain| plain.len() == types.len());
        let column = |index: usize| plain.and_then(|plain| plain.get(index)).and_then(Option::as_ref);
        let mut columns = Columns::named(names);
        for (index, type_oid) in types.iter().enumerate() {
            match column(index) {
                Some((type_name, collation)) => {
                    columns.push(*type_oid, Some(type_name), collation.as_deref())
                }
                None if !self.returned.usual && has_collation(*type_oid) => {
                    return Err(refuse("text that a CTE computes in a collation of its own"));
                }
                None => columns.push(*type_oid, None, None),
            }
        }
        columns.check()?;
        Ok(columns)
    }
}

/// `text`, `name`, `bpchar`, `varchar`.
fn has_collation(type_oid: u32) -> bool {
    matches!(type_oid, 19 | 25 | 1042 | 1043)
}

/// The CTEs that write or lock rows, in their order.
pub(crate) fn steps(statement: &RawStmt, catalog: &Catalog, path: &SearchPath) -> Result<Vec<Step>, Refusal> {
    let with = with_of(statement.stmt()).ok_or_else(|| refuse("this statement"))?;
    if with.recursive {
        return Err(refuse("WITH RECURSIVE beside a CTE that writes"));
    }
    check_parts(statement.stmt(), with, catalog, path)?;
    let mut steps = Vec::new();
    for (index, cte) in with.ctes().iter().enumerate().filter(|(_, cte)| is_step(cte)) {
        if with_of(cte.ctequery()).is_some() {
            return Err(refuse("a CTE that writes and has a WITH clause of its own"));
        }
        steps.push(Step { cte: index, returned: returned(cte, catalog, path)? });
    }
    match steps.is_empty() {
        true => Err(refuse("this statement")),
        false => Ok(steps),
    }
}

/// Each part of a statement, its WITH clause left out.
fn parts<'a>(root: Node<'a>, with: &'a WithClause) -> impl Iterator<Item = Node<'a>> {
    with.ctes().iter().map(CommonTableExpr::ctequery).chain([root])
}

/// Refuses where one after the other is not the same as all at once.
fn check_parts(
    root: Node<'_>,
    with: &WithClause,
    catalog: &Catalog,
    path: &SearchPath,
) -> Result<(), Refusal> {
    let ctes: Vec<&str> = with.ctes().iter().filter_map(CommonTableExpr::ctename).collect();
    let all: Vec<Node<'_>> = parts(root, with).collect();
    for (number, part) in all.iter().enumerate() {
        let Some(target) = target_of(*part) else { continue };
        let relation = sharded_table(target, catalog, path).ok_or_else(|| refuse("a write to this table"))?;
        check_relation(&relation)?;
        // What is no step runs with whatever reads it.
        let steps: Vec<bool> = with.ctes().iter().map(is_step).collect();
        let runs_later = |other: usize| other > number || steps.get(other) == Some(&false);
        let later = all.iter().enumerate().filter(|(other, _)| *other != number && runs_later(*other));
        for (_, other) in later {
            if names_relation(*other, &relation, &ctes, catalog, path) {
                return Err(refuse("a table that one part of the statement writes and another one names"));
            }
        }
    }
    for cte in with.ctes().iter().filter(|cte| !is_step(cte)) {
        let name = cte.ctename().unwrap_or_default();
        let used = parts(root, with).filter(|part| names_cte(*part, name)).count();
        if used > 1 {
            return Err(refuse("a CTE that several parts of the statement read"));
        }
    }
    Ok(())
}

fn check_relation(relation: &Relation) -> Result<(), Refusal> {
    let why = match relation {
        Relation { has_triggers: true, .. } => "triggers",
        Relation { has_acting_keys: true, .. } => "foreign keys to it that have actions",
        Relation { partitioned: true, .. } => "partitions",
        Relation { view: Some(_), .. } => "columns that it does not show",
        _ => return Ok(()),
    };
    Err(refuse(&format!("a write to table \"{}\", which has {why}", relation.name)))
}

/// The table that a part writes.
fn target_of(part: Node<'_>) -> Option<&RangeVar> {
    match part {
        Node::InsertStmt(insert) => insert.relation(),
        Node::UpdateStmt(update) => update.relation(),
        Node::DeleteStmt(delete) => delete.relation(),
        Node::MergeStmt(merge) => merge.relation(),
        // A SELECT writes nothing.
        _ => None,
    }
}

/// True where a part may name a relation; the root's WITH clause is not part of it.
fn names_relation(
    part: Node<'_>,
    relation: &Relation,
    ctes: &[&str],
    catalog: &Catalog,
    path: &SearchPath,
) -> bool {
    any_name(part, |range| {
        let name = range.relname().unwrap_or_default();
        let known = catalog.relation(range.schemaname(), name, path);
        match known {
            Some(known) => known.oid == relation.oid,
            None => !(name.starts_with("pg_") || range.schemaname().is_none() && ctes.contains(&name)),
        }
    })
}

fn names_cte(part: Node<'_>, name: &str) -> bool {
    any_name(part, |range| range.schemaname().is_none() && range.relname() == Some(name))
}

/// True where a name of a relation below a part is so; what stands in the part's own WITH clause is not asked.
fn any_name(part: Node<'_>, wanted: impl Fn(&RangeVar) -> bool) -> bool {
    let own = with_of(part).map(std::ptr::from_ref);
    let found = walk_manual(part, |node| match node {
        Node::WithClause(with) if own == Some(std::ptr::from_ref(with)) => Recurse::no(),
        Node::RangeVar(range) if wanted(range) => ControlFlow::Break(()),
        _ => Recurse::yes(),
    });
    found.is_some()
}

fn returned(cte: &CommonTableExpr, catalog: &Catalog, path: &SearchPath) -> Result<Returned, Refusal> {
    let (table, alone, targets) = match cte.ctequery() {
        Node::InsertStmt(insert) => (insert.relation(), true, items_of(insert.returning_clause())),
        Node::UpdateStmt(update) => {
            (update.relation(), update.from_clause().is_empty(), items_of(update.returning_clause()))
        }
        Node::DeleteStmt(delete) => {
            (delete.relation(), delete.using_clause().is_empty(), items_of(delete.returning_clause()))
        }
        Node::SelectStmt(select) => {
            let mut from = select.from_clause().iter();
            let table = match (from.next(), from.next()) {
                (Some(Node::RangeVar(table)), None) => Some(table),
                (_, _) => None,
            };
            (table, true, select.target_list().iter().map(Node::ResTarget).collect())
        }
        // What MERGE returns may be of its source.
        _ => (None, false, Vec::new()),
    };
    let relation = table.and_then(|table| Some((name_of(table), sharded_table(table, catalog, path)?)));
    let Some((name, relation)) = relation else { return Ok(Returned { plain: None, usual: false }) };
    let collated = relation.columns.iter().any(|column| column.written.collation.is_some());
    let chooses = targets.iter().any(|target| {
        let found = walk_manual(*target, |node| match node {
            Node::CollateClause(_) => ControlFlow::Break(()),
            _ => Recurse::yes(),
        });
        found.is_some()
    });
    let name = (!alone).then_some(name);
    Ok(Returned { plain: plain(&targets, &relation, name), usual: alone && !collated && !chooses })
}

fn items_of(returning: Option<&ReturningClause>) -> Vec<Node<'_>> {
    returning.into_iter().flat_map(ReturningClause::exprs).collect()
}

/// How SQL names a column's type, and its collation where that is not the type's own.
type Plain = (Arc<str>, Option<Arc<str>>);

/// The columns that a list gives of a table: the only one, or one of this name.
fn plain(targets: &[Node<'_>], relation: &Relation, name: Option<&str>) -> Option<Vec<Option<Plain>>> {
    let written = |column: &Column| {
        let collation = column.written.collation.as_deref().map(Arc::from);
        Some((Arc::from(column.written.bare_type.as_str()), collation))
    };
    let mut columns = Vec::new();
    for item in targets {
        let Node::ResTarget(target) = item else { return None };
        match target.val() {
            Node::ColumnRef(column)
                if name.is_some()
                    && (column.fields().len() < 2
                        || column.fields().first().and_then(Node::as_str) != name) =>
            {
                match column.fields().iter().next_back() {
                    Some(Node::A_Star(_)) | None => return None,
                    Some(_) => columns.push(None),
                }
            }
            Node::ColumnRef(column) => match column.fields().iter().next_back() {
                Some(Node::A_Star(_)) => columns.extend(relation.columns.iter().map(written)),
                Some(name) => {
                    let known = name.as_str().and_then(|name| relation.column(name));
                    columns.push(known.and_then(|at| relation.columns.get(at)).and_then(written));
                }
                None => return None,
            },
            _ => columns.push(None),
        }
    }
    Some(columns)
}

/// The rows that a step has returned: their columns, how many they are, and the number of the parameter that is
/// the first value of the first.
#[derive(Debug, Clone)]
pub(crate) struct StepRows {
    pub(crate) columns: Columns,
    pub(crate) rows: usize,
    pub(crate) first: u32,
}

/// The text of a step, or of the rest after the last, with the rows of the steps before it. `done` has those.
pub(crate) fn part_text(
    statement: &RawStmt,
    steps: &[Step],
    done: &[StepRows],
    now: &str,
) -> Result<Numbered, Refusal> {
    let unknown = || refuse("this statement");
    let with = with_of(statement.stmt()).ok_or_else(unknown)?;
    let end = steps.get(done.len()).map(|step| step.cte);
    let mut numbers = Renumber::default();
    let tree = try_owned(|mem| {
        let mut copy = match end.and_then(|cte| with.ctes().get(cte)) {
            Some(cte) => mem.make_raw_stmt(mem.make_unique(cte.ctequery()).uncast()),
            None => mem.make_unique(statement),
        };
        let used = used_ctes(statement.stmt(), with, end);
        let mut kept = mem.make_unique(with);
        keep(kept.as_mut(), &used, steps, done, mem)?;
        let kept = if used.is_empty() { mem.make_unique(None::<&WithClause>) } else { kept.as_option() };
        let mut root = copy.as_mut();
        match root.stmt_mut() {
            NodeMut::SelectStmt(mut select) => select.set_with_clause(kept),
            NodeMut::InsertStmt(mut insert) => insert.set_with_clause(kept),
            NodeMut::UpdateStmt(mut update) => update.set_with_clause(kept),
            NodeMut::DeleteStmt(mut delete) => delete.set_with_clause(kept),
            NodeMut::MergeStmt(mut merge) => merge.set_with_clause(kept),
            _ => return Err(unknown()),
        }
        if !stop_clock(&mut copy, mem, now) {
            return Err(unknown());
        }
        numbers.transform_raw_stmt(copy.as_mut());
        Ok(copy)
    })?;
    Ok(Numbered { text: print(&tree)?, numbers: numbers.old })
}

/// The CTEs that a part reads, itself or through others, by their places: those before `end`, or any.
fn used_ctes(root: Node<'_>, with: &WithClause, end: Option<usize>) -> Vec<usize> {
    let ctes: Vec<&CommonTableExpr> = with.ctes().iter().collect();
    let mut used = Vec::new();
    let mut open = vec![end.and_then(|end| ctes.get(end)).map_or(root, |cte| cte.ctequery())];
    while let Some(part) = open.pop() {
        for (index, cte) in ctes.iter().enumerate().take(end.unwrap_or(ctes.len())) {
            if !used.contains(&index) && names_cte(part, cte.ctename().unwrap_or_default()) {
                used.push(index);
                // What a step has returned stands by itself.
                if !is_step(cte) {
                    open.push(cte.ctequery());
                }
            }
        }
    }
    used.sort_unstable();
    used
}

/// Leaves the used CTEs in a WITH clause, rows in the places of those that wrote.
fn keep<'mem>(
    mut with: WithClauseMut<'mem, '_>,
    used: &[usize],
    steps: &[Step],
    done: &[StepRows],
    mem: MemoryToken<'mem>,
) -> Result<(), Refusal> {
    let mut kept = Vec::new();
    for (index, cte) in with.ctes().iter().enumerate().filter(|(index, _)| used.contains(index)) {
        let mut copy = mem.make_unique(cte);
        if is_step(cte) {
            let step = steps.iter().position(|step| step.cte == index);
            let rows = step.and_then(|step| done.get(step)).ok_or_else(|| refuse("this statement"))?;
            let query = rows_query(&rows.columns, rows.rows, rows.first)?;
            let Some(Node::SelectStmt(select)) = query.first().map(|query| query.stmt()) else {
                return Err(refuse("this statement"));
            };
            copy.as_mut().set_ctequery(mem.make_unique(select).uncast());
            let given = cte.aliascolnames().iter().filter_map(Node::as_str).map(str::to_owned);
            let names: Vec<String> =
                given.clone().chain(rows.columns.names.iter().skip(given.count()).cloned()).collect();
            let names: Vec<_> = names.iter().map(|name| mem.make_string(Some(name)).uncast()).collect();
            copy.as_mut().set_aliascolnames(mem.make_list(&names));
        }
        kept.push(copy);
    }
    with.set_ctes(mem.make_list(&kept));
    Ok(())
}

fn refuse(what: &str) -> Refusal {
    Refusal::unsupported(
        format!("{what}, where a CTE writes or locks rows of several servers"),
        "Write in statements of their own, in one transaction.",
    )
}
