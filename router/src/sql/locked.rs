//! SELECT ... FOR UPDATE under a LIMIT over several servers: the first rows are chosen without locks, then locked
//! by their keys and looked at again; for those that others hold, or that have changed, the next ones are taken.
//!
//! So PostgreSQL does it, too: it locks the rows of its snapshot one after the other in their order, and each that
//! it cannot have, or that does not satisfy the condition any more, does not count.

use std::sync::Arc;

use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{
    BoolExprType, LimitOption, RawStmt, SelectStmt, SelectStmtMut, SetOperation, WithClause,
};
use pg_raw_parse::transform::Transform;
use pg_raw_parse::{Node, NodeMut};

use super::chosen::{Numbered, keys_of, name_of, number_of};
use super::insert::{Question, Renumber};
use super::rewrite::{print, trees};
use super::shape::{sharded_table, stop_clock};
use crate::catalog::{Catalog, Relation, SearchPath};
use crate::ids::quote_identifier;
use crate::plan::Refusal;

/// A locking SELECT of one table's rows.
#[derive(Debug, Clone)]
pub(crate) struct Locked {
    /// The table.
    pub(crate) relation: Arc<Relation>,
    /// The columns of its key.
    pub(crate) key: Vec<String>,
    /// Where the tenant column stands in the key.
    pub(crate) tenant: usize,
    /// Gives how many rows are wanted.
    pub(crate) wanted: Question,
    /// The name that qualifies the table's columns.
    name: String,
}

/// Reads a locking SELECT.
pub(crate) fn locked(statement: &RawStmt, catalog: &Catalog, path: &SearchPath) -> Result<Locked, Refusal> {
    let Node::SelectStmt(select) = statement.stmt() else { return Err(refuse()) };
    let mut from = select.from_clause().iter();
    let (Some(Node::RangeVar(table)), None) = (from.next(), from.next()) else { return Err(refuse()) };
    if !is_plain(select) || select.with_clause().is_some() {
        return Err(refuse());
    }
    let relation = sharded_table(table, catalog, path).ok_or_else(refuse)?;
    let columns = relation.unique_keys.first().ok_or_else(refuse)?;
    let columns = columns.iter().map(|at| relation.columns.get(*at).filter(|column| column.not_null));
    let key: Option<Vec<String>> = columns.map(|column| Some(column?.name.clone())).collect();
    let key = key.ok_or_else(refuse)?;
    let (tenant, _) = relation.tenant_column().ok_or_else(refuse)?;
    let tenant = key.iter().position(|name| *name == tenant.name).ok_or_else(refuse)?;
    Ok(Locked { name: name_of(table).to_owned(), key, tenant, wanted: wanted(select)?, relation })
}

/// True for rows of a FROM clause in an order, and no more than that.
fn is_plain(select: &SelectStmt) -> bool {
    select.op == SetOperation::SETOP_NONE
        && select.values_lists().is_empty()
        && select.into_clause().is_none()
        && select.distinct_clause().is_empty()
        && select.group_clause().is_empty()
        && matches!(select.having_clause(), Node::None)
        && select.window_clause().is_empty()
        && matches!(select.limit_offset(), Node::None)
        && select.limit_option == LimitOption::LIMIT_OPTION_COUNT
        && select.locking_clause().len() == 1
}

/// The SELECT that gives what LIMIT says.
fn wanted(select: &SelectStmt) -> Result<Question, Refusal> {
    let mut numbers = Renumber::default();
    let tree = try_owned(|mem| {
        let bigint = [mem.make_string(Some("pg_catalog")), mem.make_string(Some("int8"))];
        let limit = mem.make_unique(select.limit_count()).uncast();
        let value = mem.make_type_cast(limit, mem.make_list(&bigint)).uncast();
        let mut asked = mem.make_node::<SelectStmt>();
        asked.as_mut().set_target_list(mem.make_list(&[mem.make_res_target(None, mem.empty(), value)]));
        let mut raw = mem.make_raw_stmt(asked.uncast());
        numbers.transform_raw_stmt(raw.as_mut());
        Ok::<_, Refusal>(raw)
    })?;
    let parameters = numbers.old.iter().map(|number| u16::try_from(*number)).collect::<Result<_, _>>();
    Ok(Question { text: print(&tree)?, parameters: parameters.map_err(|_| refuse())? })
}

impl Locked {
    /// The text that gives the statement's columns and the keys of the first rows without locking them. Parameters
    /// beyond the statement's are how many, then the keys of `tried` rows that are left out.
    pub(crate) fn choose(
        &self,
        statement: &RawStmt,
        own: u16,
        tried: usize,
        now: &str,
    ) -> Result<Numbered, Refusal> {
        let others: Vec<String> =
            (0..tried).map(|row| format!("NOT ({})", self.is_row(own, row, 1))).collect();
        self.changed(statement, others, now, |select, mem| {
            select.set_locking_clause(mem.cast_empty());
            select.set_limit_count(mem.make_param_ref(number_of(own, 0)).uncast());
        })
    }

    /// The text that locks so many rows by their keys, and gives what the statement gives of them, then their
    /// keys. Parameters beyond the statement's are the keys.
    pub(crate) fn lock(
        &self,
        statement: &RawStmt,
        own: u16,
        rows: usize,
        now: &str,
    ) -> Result<Numbered, Refusal> {
        let rows: Vec<String> = (0..rows).map(|row| format!("({})", self.is_row(own, row, 0))).collect();
        let rows = if rows.is_empty() { "false".to_owned() } else { rows.join(" OR ") };
        self.changed(statement, vec![format!("({rows})")], now, |select, mem| {
            select.set_sort_clause(mem.cast_empty());
            select.set_limit_count(mem.none());
            select.set_limit_option(LimitOption::LIMIT_OPTION_DEFAULT);
        })
    }

    /// The key is that of the row of this number; `before` parameters stand before those of the first.
    fn is_row(&self, own: u16, row: usize, before: usize) -> String {
        let equal = |(index, column): (usize, &String)| {
            let number = number_of(own, before + row * self.key.len() + index);
            format!("{}.{} = ${number}", quote_identifier(&self.name), quote_identifier(column))
        };
        self.key.iter().enumerate().map(equal).collect::<Vec<_>>().join(" AND ")
    }

    fn changed(
        &self,
        statement: &RawStmt,
        conditions: Vec<String>,
        now: &str,
        change: impl for<'mem> FnOnce(&mut SelectStmtMut<'mem, '_>, MemoryToken<'mem>),
    ) -> Result<Numbered, Refusal> {
        let key: Vec<&str> = self.key.iter().map(String::as_str).collect();
        let added =
            trees(&format!("SELECT WHERE {}", [vec!["true".to_owned()], conditions].concat().join(" AND ")))?;
        let Some(Node::SelectStmt(added)) = added.first().map(|added| added.stmt()) else {
            return Err(refuse());
        };
        let mut numbers = Renumber::default();
        let tree = try_owned(|mem| {
            let mut copy = mem.make_unique(statement);
            let mut root = copy.as_mut();
            let NodeMut::SelectStmt(mut select) = root.stmt_mut() else { return Err(refuse()) };
            for target in keys_of(&self.name, &key, mem) {
                select.target_list_mut().push(mem, target);
            }
            let own = select.where_clause();
            let parts = conjuncts(added.where_clause()).into_iter().chain(conjuncts(own));
            let parts: Vec<Unique<'_, Node<'_>>> = parts.map(|part| mem.make_unique(part).uncast()).collect();
            let all = mem.make_bool_expr(BoolExprType::AND_EXPR, mem.make_list(&parts)).uncast();
            select.set_where_clause(all);
            select.set_with_clause(mem.make_unique(None::<&WithClause>));
            change(&mut select, mem);
            if !stop_clock(&mut copy, mem, now) {
                return Err(refuse());
            }
            numbers.transform_raw_stmt(copy.as_mut());
            Ok(copy)
        })?;
        Ok(Numbered { text: print(&tree)?, numbers: numbers.old })
    }
}

/// The conditions that all must hold, each for itself.
fn conjuncts(condition: Node<'_>) -> Vec<Node<'_>> {
    match condition {
        Node::None => Vec::new(),
        Node::BoolExpr(all) if all.boolop == BoolExprType::AND_EXPR => all.args().iter().collect(),
        condition => vec![condition],
    }
}

fn refuse() -> Refusal {
    Refusal::unsupported(
        "rows of several servers are locked under a LIMIT, and more is asked than rows of one table by its key",
        "Select the rows first, then lock them by their keys, or restrict the statement to one tenant.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::shape::split;
    use super::*;
    use crate::catalog::fixture::{catalog, path};

    const NOW: &str = "2026-01-01 00:00:00+00";

    #[test]
    fn rows_are_chosen_without_locks_and_locked_by_their_keys() {
        let text = "SELECT *, score AS s FROM users u WHERE score > $1 OR active ORDER BY s LIMIT $2 FOR UPDATE SKIP LOCKED";
        let trees = trees(text).expect("parses");
        let statement = trees.first().expect("a statement");
        let locked = locked(statement, &catalog(), &path()).expect("accepted");
        assert_eq!(
            (&*locked.wanted.text, locked.wanted.parameters.as_slice()),
            ("SELECT $1::bigint", &[2][..])
        );
        let choose = locked.choose(statement, 2, 1, NOW).expect("made");
        assert_eq!(
            &*choose.text,
            "SELECT *, score AS s, u.tenant_id, u.id FROM users u WHERE true AND NOT (u.tenant_id = $1 AND u.id = $2) AND (score > $3 OR active) ORDER BY s LIMIT $4"
        );
        assert_eq!(choose.numbers, [4, 5, 1, 3]);
        let lock = locked.lock(statement, 2, 2, NOW).expect("made");
        assert_eq!(
            &*lock.text,
            "SELECT *, score AS s, u.tenant_id, u.id FROM users u WHERE true AND ((u.tenant_id = $1 AND u.id = $2) OR (u.tenant_id = $3 AND u.id = $4)) AND (score > $5 OR active) FOR UPDATE SKIP LOCKED"
        );
        let lock = super::trees(&lock.text).expect("parses");
        assert!(split(lock.first().expect("a statement"), &catalog(), &path(), NOW).is_ok());
    }
}
