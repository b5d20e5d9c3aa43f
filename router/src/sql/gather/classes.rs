//! Blocks of which the tenant ties some tables, but not all: the tied ones are put into a subquery of FROM, which the
//! servers then join by themselves. The statement is the same one, written in another way.
//!
//! ```sql
//! SELECT o.id, u.name FROM orders o JOIN lines l ON l.tenant_id = o.tenant_id AND l.order_id = o.id, users u
//! WHERE u.email = l.email AND o.total > 5
//! -- becomes, with the columns that are needed
//! SELECT o.id, u.name
//! FROM (SELECT o.id AS t1, l.email AS t2 FROM orders o, lines l
//!       WHERE l.tenant_id = o.tenant_id AND l.order_id = o.id AND o.total > 5) AS tied,
//!      LATERAL (SELECT tied.t1 AS id) AS o, LATERAL (SELECT tied.t2 AS email) AS l, users u
//! WHERE u.email = l.email
//! ```

use std::cell::Cell;
use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::make::{MemoryToken, try_owned};
use pg_raw_parse::nodes::{RangeSubselectMut, RawStmt, SelectStmt, SelectStmtMut, SetOperation, SubLinkMut};
use pg_raw_parse::transform::{
    Transform, transform_range_subselect, transform_select_stmt, transform_sub_link,
};

use super::arrange::{Arranged, Arranging, TIED};
use super::conditions::conjuncts;
use super::cut::{Given, known_parameters};
use super::flat::{Flat, names_of};
use super::reads::unknown;
use super::reduce::is_star;
use super::text::{star_of, where_text};
use super::words::Words;
use crate::catalog::{Catalog, SearchPath};
use crate::plan::Refusal;
use crate::sql::rewrite::{print, trees};

/// The statement with its tied tables in subqueries; `None` where nothing changes.
pub(crate) fn join_classes(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
    given: Given<'_>,
) -> Result<Option<Arc<str>>, Refusal> {
    let Node::SelectStmt(select) = statement.stmt() else { return Ok(None) };
    let Some(words) = Words::of(statement.stmt()) else { return Ok(None) };
    let parameters = known_parameters(select, given);
    let mut changed = false;
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let mut extend = Extend {
            mem,
            around: (catalog, path),
            parameters: &parameters,
            words: &words,
            made: Cell::new(0),
            closed: true,
            failed: false,
        };
        extend.transform_raw_stmt(copy.as_mut());
        changed = extend.made.get() > 0;
        if extend.failed { Err(unknown()) } else { Ok(copy) }
    })?;
    if changed { print(&tree).map(Some) } else { Ok(None) }
}

struct Extend<'mem, 'a> {
    mem: MemoryToken<'mem>,
    around: (&'a Catalog, &'a SearchPath),
    parameters: &'a [i32],
    words: &'a Words,
    made: Cell<usize>,
    /// True where a block can name no columns of blocks around it.
    closed: bool,
    failed: bool,
}

impl<'mem> Transform<'mem> for Extend<'mem, '_> {
    fn transform_select_stmt<'mutref>(&mut self, mut node: SelectStmtMut<'mem, 'mutref>) {
        if let Some(block) = self.block(&node)
            && self.change(&mut node, &block).is_none()
        {
            self.failed = true;
            return;
        }
        transform_select_stmt(node, self);
    }

    fn transform_sub_link<'mutref>(&mut self, node: SubLinkMut<'mem, 'mutref>) {
        let closed = std::mem::replace(&mut self.closed, false);
        transform_sub_link(node, self);
        self.closed = closed;
    }

    fn transform_range_subselect<'mutref>(&mut self, node: RangeSubselectMut<'mem, 'mutref>) {
        // What was made here is one part already.
        if node.alias().and_then(|alias| alias.aliasname()).is_some_and(|name| name.starts_with(TIED)) {
            return;
        }
        let closed = self.closed;
        self.closed &= !node.lateral;
        transform_range_subselect(node, self);
        self.closed = closed;
    }
}

/// What a block becomes.
struct Changed {
    /// FROM, and WHERE.
    rows: String,
    /// What a bare `*` stands for.
    star: Option<Vec<String>>,
}

impl<'mem> Extend<'mem, '_> {
    /// The new form of a block; `None` where it stays.
    fn block(&self, select: &SelectStmt) -> Option<Changed> {
        let is_block = select.op == SetOperation::SETOP_NONE && !select.from_clause().is_empty();
        if !is_block || !select.locking_clause().is_empty() {
            return None;
        }
        let mut flat = Flat::of(select.from_clause().iter());
        flat.conditions.extend(conjuncts(select.where_clause()));
        let names: Option<Vec<Vec<String>>> = flat.items.iter().map(|item| names_of(*item)).collect();
        let has_star = select.target_list().iter().any(|target| is_bare_star(target.val()));
        let star = if has_star { Some(names?.concat()) } else { None };
        let made = self.made.get();
        let arranging = Arranging {
            catalog: self.around.0,
            path: self.around.1,
            parameters: self.parameters,
            words: self.words,
            whole: has_star,
            closed: self.closed,
            made: &self.made,
        };
        match arranging.block(flat) {
            Some(Arranged { items, left, changed: true }) => {
                let left: Vec<Node<'_>> = left.iter().map(|condition| condition.node).collect();
                let rows = format!("FROM {}{}", items.join(", "), where_text(&left).ok()?);
                Some(Changed { rows, star })
            }
            Some(_) | None => {
                self.made.set(made);
                None
            }
        }
    }

    fn change(&self, node: &mut SelectStmtMut<'mem, '_>, block: &Changed) -> Option<()> {
        let trees = trees(&format!("SELECT {}", block.rows)).ok()?;
        let Node::SelectStmt(made) = trees.first()?.stmt() else { return None };
        if let Some(names) = &block.star {
            let mut targets = Vec::new();
            for target in node.target_list() {
                match is_bare_star(target.val()) {
                    true => targets.extend(star_of(names, self.mem)?),
                    false => targets.push(self.mem.make_unique(target)),
                }
            }
            node.set_target_list(self.mem.make_list(&targets));
        }
        node.set_from_clause(self.mem.make_unique(made.from_clause()));
        match made.where_clause() {
            Node::None => node.set_where_clause(self.mem.none()),
            condition => node.set_where_clause(self.mem.make_unique(condition).uncast()),
        }
        Some(())
    }
}

fn is_bare_star(node: Node<'_>) -> bool {
    is_star(node) && matches!(node, Node::ColumnRef(column) if column.fields().len() == 1)
}
