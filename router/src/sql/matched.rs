//! MERGE whose source is computed first: each of its rows is matched on the server of the tenant that it is
//! joined with.
//!
//! A row of the source meets rows of one tenant only, the one that its joined column names; so rows that name
//! different tenants have nothing to do with each other, and may be merged on different servers, or one after the
//! other.

use std::ops::ControlFlow;
use std::sync::Arc;

use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{
    A_Expr_Kind, BoolExprType, CmdType, MergeMatchKind, MergeStmt, MergeWhenClauseMut, RangeVar, RawStmt,
    SelectStmt, WithClause,
};
use pg_raw_parse::transform::Transform;
use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, NodeMut};

use super::chosen::Numbered;
use super::insert::{Question, Renumber, default_of};
use super::rewrite::print;
use super::rows_text::{Columns, rows_item};
use super::shape::{check_matched, is_stamped, sharded_table, stop_clock};
use super::with::has_steps;
use crate::catalog::{Catalog, Relation, SearchPath};
use crate::plan::Refusal;

/// A MERGE, and what it joins.
#[derive(Debug, Clone)]
pub(crate) struct Matched {
    /// The table.
    pub(crate) relation: Arc<Relation>,
    /// Gives the rows of the source.
    pub(crate) question: Question,
    /// The name of the source.
    name: String,
    /// The column of the source that names the tenant.
    key: String,
}

/// Reads a MERGE.
pub(crate) fn matched(statement: &RawStmt, catalog: &Catalog, path: &SearchPath) -> Result<Matched, Refusal> {
    let Node::MergeStmt(merge) = statement.stmt() else { return Err(refuse("this statement")) };
    let target = merge.relation().ok_or_else(|| refuse("this statement"))?;
    let relation = sharded_table(target, catalog, path).ok_or_else(|| refuse("MERGE into this table"))?;
    let by_source = MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_SOURCE;
    if merge.merge_when_clauses().iter().any(|when| when.match_kind == by_source) {
        return Err(refuse("WHEN NOT MATCHED BY SOURCE"));
    }
    if has_steps(statement.stmt()) || names_ctes(merge) {
        return Err(refuse("a CTE that is used elsewhere than in the source"));
    }
    let name = source_name(merge.source_relation()).ok_or_else(|| refuse("a source without a name"))?;
    let (tenant, _) = relation.tenant_column().ok_or_else(|| refuse("this statement"))?;
    let key = joined(merge.join_condition(), target_name(target), &tenant.name, &name)
        .ok_or_else(|| refuse("a source that is not joined by the tenant column"))?;
    check_matched(merge, &relation, (&name, &key), catalog, path)?;
    Ok(Matched { question: question(merge)?, relation, name, key })
}

fn target_name(target: &RangeVar) -> &str {
    target.alias().and_then(|alias| alias.aliasname()).or(target.relname()).unwrap_or_default()
}

pub(super) fn source_name(source: Node<'_>) -> Option<String> {
    let alias = match source {
        Node::RangeVar(range) => return Some(target_name(range).to_owned()),
        Node::RangeSubselect(subselect) => subselect.alias(),
        Node::RangeFunction(function) => function.alias(),
        // A join has several names.
        _ => None,
    };
    alias.and_then(|alias| alias.aliasname()).map(str::to_owned)
}

/// True where a condition or an action names a CTE of the statement.
pub(super) fn names_ctes(merge: &MergeStmt) -> bool {
    let ctes: Vec<&str> = merge
        .with_clause()
        .into_iter()
        .flat_map(|with| with.ctes())
        .filter_map(|cte| cte.ctename())
        .collect();
    let is_cte = |node: Node<'_>| match node {
        Node::RangeVar(range) => ctes.contains(&range.relname().unwrap_or_default()),
        _ => false,
    };
    let within = |node: Node<'_>| {
        walk_manual(node, |node| if is_cte(node) { ControlFlow::Break(()) } else { Recurse::yes() }).is_some()
    };
    within(merge.join_condition())
        || merge.merge_when_clauses().iter().any(|when| within(Node::MergeWhenClause(when)))
}

/// The column of the source that ON says to be equal to the tenant column.
fn joined(condition: Node<'_>, target: &str, tenant: &str, source: &str) -> Option<String> {
    match condition {
        Node::BoolExpr(all) if all.boolop == BoolExprType::AND_EXPR => {
            all.args().iter().find_map(|part| joined(part, target, tenant, source))
        }
        Node::A_Expr(equal)
            if equal.kind == A_Expr_Kind::AEXPR_OP
                && equal.name().iter().map(Node::as_str).eq([Some("=")]) =>
        {
            let sides = [(equal.lexpr(), equal.rexpr()), (equal.rexpr(), equal.lexpr())];
            sides.into_iter().find_map(|(one, other)| {
                let of = |node| if let Node::ColumnRef(column) = node { qualified(column) } else { None };
                let (one, other) = (of(one)?, of(other)?);
                (one == (target, tenant) && other.0 == source).then(|| other.1.to_owned())
            })
        }
        _ => None,
    }
}

/// `table.column`.
fn qualified(column: &pg_raw_parse::nodes::ColumnRef) -> Option<(&str, &str)> {
    let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
    match fields?.as_slice() {
        [table, column] => Some((table, column)),
        _ => None,
    }
}

/// The SELECT that gives the rows of the source.
pub(super) fn question(merge: &MergeStmt) -> Result<Question, Refusal> {
    let star = super::rewrite::trees("SELECT *")?;
    let Some(Node::SelectStmt(star)) = star.first().map(|statement| statement.stmt()) else {
        return Err(refuse("this statement"));
    };
    let mut numbers = Renumber::default();
    let tree = try_owned(|mem| {
        let mut select: Unique<'_, &SelectStmt> = mem.make_unique(star);
        let mut fields = select.as_mut();
        fields.set_from_clause(mem.make_list(&[mem.make_unique(merge.source_relation()).uncast()]));
        fields.set_with_clause(mem.make_unique(merge.with_clause()));
        let mut raw = mem.make_raw_stmt(select.uncast());
        numbers.transform_raw_stmt(raw.as_mut());
        Ok::<_, Refusal>(raw)
    })?;
    let parameters = numbers.old.iter().map(|number| u16::try_from(*number)).collect::<Result<_, _>>();
    let parameters = parameters.map_err(|_| refuse("so many parameters"))?;
    Ok(Question { text: print(&tree)?, parameters })
}

impl Matched {
    /// Where the column that names the tenant stands among these.
    pub(crate) fn key_of(&self, names: &[String]) -> Result<usize, Refusal> {
        let mut found = names.iter().enumerate().filter(|(_, name)| **name == self.key);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Ok(at),
            (_, _) => Err(refuse("a source whose columns are not certain")),
        }
    }

    /// The text for so many rows of the source; `first` is the number of the first one's first value.
    pub(crate) fn text(
        &self,
        statement: &RawStmt,
        columns: &Columns,
        rows: usize,
        first: u32,
        now: &str,
    ) -> Result<Numbered, Refusal> {
        text_over(statement, &self.relation, (columns, rows, first, &self.name), now)
    }
}

/// The MERGE over so many rows of these columns as its source, which has this name.
pub(super) fn text_over(
    statement: &RawStmt,
    relation: &Relation,
    (columns, rows, first, name): (&Columns, usize, u32, &str),
    now: &str,
) -> Result<Numbered, Refusal> {
    let source = rows_item(columns, rows, first, name)?;
    let item = match source.first().map(|source| source.stmt()) {
        Some(Node::SelectStmt(select)) => select.from_clause().first(),
        Some(_) | None => None,
    };
    let item = item.ok_or_else(|| refuse("this statement"))?;
    merge_text(statement, relation, now, |copy, mem| {
        let mut root = copy.as_mut();
        if let NodeMut::MergeStmt(mut merge) = root.stmt_mut() {
            merge.set_with_clause(mem.make_unique(None::<&WithClause>));
            merge.set_source_relation(mem.make_unique(item).uncast());
        }
    })
}

/// A MERGE with its clock stopped, also that of the defaults that it uses.
pub(crate) fn stamped_merge(
    statement: &RawStmt,
    relation: &Relation,
    now: &str,
) -> Result<Arc<str>, Refusal> {
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        stop(&mut copy, relation, now, mem)?;
        Ok::<_, Refusal>(copy)
    })?;
    print(&tree)
}

fn stop<'mem>(
    copy: &mut Unique<'mem, &'mem RawStmt>,
    relation: &Relation,
    now: &str,
    mem: MemoryToken<'mem>,
) -> Result<(), Refusal> {
    let mut root = copy.as_mut();
    if let NodeMut::MergeStmt(mut merge) = root.stmt_mut() {
        for when in merge.merge_when_clauses_mut() {
            stamp(when, relation, mem)?;
        }
    }
    match stop_clock(copy, mem, now) {
        true => Ok(()),
        false => Err(refuse("an expression that reads the clock")),
    }
}

fn merge_text(
    statement: &RawStmt,
    relation: &Relation,
    now: &str,
    change: impl for<'mem> FnOnce(&mut Unique<'mem, &'mem RawStmt>, MemoryToken<'mem>),
) -> Result<Numbered, Refusal> {
    let mut numbers = Renumber::default();
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        change(&mut copy, mem);
        stop(&mut copy, relation, now, mem)?;
        numbers.transform_raw_stmt(copy.as_mut());
        Ok(copy)
    })?;
    Ok(Numbered { text: print(&tree)?, numbers: numbers.old })
}

/// Writes out the defaults that read the clock, in an INSERT.
fn stamp<'mem>(
    mut when: MergeWhenClauseMut<'mem, '_>,
    relation: &Relation,
    mem: MemoryToken<'mem>,
) -> Result<(), Refusal> {
    if when.command_type != CmdType::CMD_INSERT || !relation.columns.iter().any(is_stamped) {
        return Ok(());
    }
    let named =
        |node| if let Node::ResTarget(target) = node { target.name().map(str::to_owned) } else { None };
    let mut names: Vec<String> = when.target_list().iter().filter_map(named).collect();
    if names.is_empty() {
        names = relation.columns.iter().take(when.values().len()).map(|column| column.name.clone()).collect();
    }
    let mut values = Vec::new();
    for (name, value) in names.iter().zip(when.values()) {
        let column = relation.column(name).and_then(|at| relation.columns.get(at));
        values.push(match (value, column) {
            (Node::SetToDefault(_), Some(column)) if is_stamped(column) => default_of(column, mem)?,
            (value, _) => mem.make_unique(value).uncast(),
        });
    }
    let left: Vec<_> = relation
        .columns
        .iter()
        .filter(|column| is_stamped(column) && !names.contains(&column.name))
        .collect();
    for column in left {
        names.push(column.name.clone());
        values.push(default_of(column, mem)?);
    }
    let targets: Vec<_> =
        names.iter().map(|name| mem.make_res_target(Some(name), mem.empty(), mem.none()).uncast()).collect();
    when.set_target_list(mem.make_list(&targets));
    when.set_values(mem.make_list(&values));
    Ok(())
}

pub(super) fn refuse(what: &str) -> Refusal {
    Refusal::unsupported(
        format!("{what}, where MERGE concerns rows of several servers"),
        "Name the tenant of each row in the source, and join it by the tenant column.",
    )
}
