//! Query blocks: the statement's own, and subqueries.
//!
//! A subquery gives on each server its part of the whole (a plain selection of sharded rows), or the
//! same on all (reference tables only), or what one row of the block around it needs, which is on that
//! row's server (rows of that row's tenant only). All else is refused.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{FuncCall, SelectStmt, SetOperation, WithClause};
use pg_raw_parse::walk::{Recurse, walk_manual};

use super::expression::{Seen, unknown_expression};
use super::facts::Facts;
use super::from::{Conditions, Item, not_joined_by_tenant, unite_by_condition};
use super::names::function_name;
use super::outputs::{Expression, Output, group_keys, has_tenant, outputs};
use super::scope::{Reach, Scope, TableColumn, TableReference};
use super::types::infer;
use super::write::not_by_each;
use crate::catalog::{Catalog, SearchPath};
use crate::plan::Refusal;

/// What the analysis of a block knows before it looks at it.
#[derive(Clone)]
pub(super) struct Analysis<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) path: &'a SearchPath,
    /// The CTEs in scope, the innermost last.
    ctes: Vec<TableReference>,
}

/// What a subquery is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// An item of FROM, or a CTE.
    Table,
    /// A value in an expression.
    Value,
    /// Whether there are rows.
    Exists,
}

/// A block whose FROM and WHERE are understood.
pub(super) struct Block<'a, 'parent> {
    /// With the block's own CTEs.
    pub(super) analysis: Analysis<'a>,
    pub(super) select: &'a SelectStmt,
    pub(super) scope: Scope<'parent>,
    pub(super) items: Vec<Item>,
    /// What the clauses after FROM and WHERE hold.
    pub(super) seen: Seen,
    /// The references to sharded rows.
    pub(super) sharded: Vec<usize>,
}

impl<'a> Analysis<'a> {
    pub(super) fn new(catalog: &'a Catalog, path: &'a SearchPath) -> Analysis<'a> {
        Analysis { catalog, path, ctes: Vec::new() }
    }

    /// The CTE of this name.
    pub(super) fn cte(&self, name: &str) -> Option<&TableReference> {
        self.ctes.iter().rev().find(|cte| cte.name == name)
    }

    /// Reads a block's FROM and WHERE and checks all its expressions.
    pub(super) fn block<'parent>(
        &self,
        select: &'a SelectStmt,
        parent: Option<&'parent Scope<'parent>>,
    ) -> Result<Block<'a, 'parent>, Refusal> {
        if select.into_clause().is_some() {
            return Err(Refusal::unsupported(
                "rows of several servers are not stored by one SELECT",
                "restrict the statement to one tenant",
            ));
        }
        if !select.locking_clause().is_empty() {
            check_locking(select)?;
        }
        let mut analysis = self.clone();
        if let Some(with) = select.with_clause() {
            analysis.add_ctes(with, parent)?;
        }
        let mut scope = Scope::inside(parent);
        let mut conditions = Conditions::default();
        let mut items = Vec::new();
        for item in select.from_clause() {
            items.push(analysis.add_item(item, &mut scope, &mut conditions)?);
        }
        conditions.holding.push(select.where_clause());
        conditions
            .holding
            .iter()
            .for_each(|condition| unite_by_condition(*condition, Reach::Outer, &mut scope));
        let conditions = conditions.holding.into_iter().chain(conditions.other);
        let filter = analysis.check_all(conditions, &scope)?;
        let seen = analysis.check_clauses(select, &scope)?;
        let all: Vec<usize> = (0..scope.references.len()).collect();
        let sharded = scope.sharded(&all);
        if sharded.is_empty() && (filter.volatile || seen.volatile) {
            return Err(unknown_expression());
        }
        Ok(Block { analysis, select, scope, items, seen, sharded })
    }

    pub(super) fn add_ctes(
        &mut self,
        with: &'a WithClause,
        parent: Option<&Scope<'_>>,
    ) -> Result<(), Refusal> {
        if with.recursive {
            return Err(Refusal::unsupported(
                "WITH RECURSIVE is not merged",
                "restrict the statement to one tenant",
            ));
        }
        for cte in with.ctes() {
            let mut table = match cte.ctequery() {
                Node::SelectStmt(select) => self.subquery(select, parent, Role::Table)?,
                Node::MergeStmt(_) => return Err(not_by_each()),
                write => self.clone().write(write)?,
            };
            let names = cte.aliascolnames().iter().filter_map(Node::as_str);
            for (column, name) in table.columns.iter_mut().flatten().zip(names) {
                name.clone_into(&mut column.name);
            }
            cte.ctename().unwrap_or_default().clone_into(&mut table.name);
            self.ctes.push(table);
        }
        Ok(())
    }

    fn check_clauses(&self, select: &'a SelectStmt, scope: &Scope<'_>) -> Result<Seen, Refusal> {
        let targets = select.target_list().iter().map(|target| target.val());
        let sorts = select.sort_clause().iter().map(Node::SortBy);
        let limits = [select.having_clause(), select.limit_count(), select.limit_offset()];
        let lists = select.distinct_clause().iter().chain(select.values_lists().iter());
        let groups = select.group_clause().iter();
        let seen = self.check_all(targets.chain(sorts).chain(limits).chain(lists).chain(groups), scope)?;
        for window in select.window_clause() {
            match window {
                Node::WindowDef(window) => self.check_window(window, scope)?,
                _ => return Err(unknown_expression()),
            };
        }
        Ok(seen)
    }

    /// The table that a subquery is to the block around it: `sharded` where it is spread over the servers.
    pub(super) fn subquery(
        &self,
        select: &'a SelectStmt,
        parent: Option<&Scope<'_>>,
        role: Role,
    ) -> Result<TableReference, Refusal> {
        if select.op != SetOperation::SETOP_NONE {
            return self.set_operation(select, parent, role);
        }
        let block = self.block(select, parent)?;
        let tied = !block.sharded.is_empty() && parent.is_some() && block.scope.is_tied_to_parent();
        let sharded = !block.sharded.is_empty() && !tied;
        if block.sharded.is_empty() {
            block.check_same_everywhere(role)?;
        } else if sharded && role == Role::Table {
            block.check_is_partition()?;
        }
        Ok(TableReference { name: String::new(), columns: block.columns()?, sharded })
    }

    fn set_operation(
        &self,
        select: &'a SelectStmt,
        parent: Option<&Scope<'_>>,
        role: Role,
    ) -> Result<TableReference, Refusal> {
        let (Some(left), Some(right)) = (select.larg(), select.rarg()) else {
            return Err(unknown_expression());
        };
        let mut analysis = self.clone();
        if let Some(with) = select.with_clause() {
            analysis.add_ctes(with, parent)?;
        }
        if !matches!((select.limit_count(), select.limit_offset()), (Node::None, Node::None)) {
            return Err(unordered_limit());
        }
        let left = analysis.subquery(left, parent, role)?;
        let right = analysis.subquery(right, parent, role)?;
        let is_union_all = select.op == SetOperation::SETOP_UNION && select.all;
        if (left.sharded || right.sharded) && !(left.sharded && right.sharded && is_union_all) {
            return Err(Refusal::unsupported(
                "this set operation is not merged",
                "use UNION ALL of sharded rows, or restrict the statement to one tenant",
            ));
        }
        let columns = left.columns.zip(right.columns).map(|(left, right)| {
            left.into_iter().zip(right).map(|(left, right)| common_column(left, &right)).collect()
        });
        Ok(TableReference { name: String::new(), columns, sharded: left.sharded })
    }
}

fn common_column(left: TableColumn, right: &TableColumn) -> TableColumn {
    TableColumn {
        facts: if left.facts == right.facts { left.facts } else { Facts::UNKNOWN },
        tenant: left.tenant && right.tenant,
        nullable: left.nullable || right.nullable,
        name: left.name,
    }
}

impl<'a> Block<'a, '_> {
    /// What the block gives, one a column; `None` where the columns are not known.
    pub(super) fn outputs(&self) -> Result<Option<Vec<Output<'a>>>, Refusal> {
        outputs(self.select, &self.scope, &self.items)
    }

    /// What an expression of the block holds.
    pub(super) fn seen_in(&self, node: Node<'a>) -> Result<Seen, Refusal> {
        self.analysis.check(node, &self.scope)
    }

    /// What an output of the block holds.
    pub(super) fn seen_in_output(&self, output: &Output<'a>) -> Result<Seen, Refusal> {
        match &output.expression {
            Expression::Node(node) => self.seen_in(*node),
            Expression::Column(_) => Ok(Seen::default()),
        }
    }

    /// The columns that the block gives to the block around it.
    fn columns(&self) -> Result<Option<Vec<TableColumn>>, Refusal> {
        let Some(outputs) = self.outputs()? else { return Ok(None) };
        Ok(outputs.into_iter().map(|output| output.column(&self.scope)).collect())
    }

    /// True where each group has the rows of one tenant only.
    pub(super) fn groups_by_tenant(&self, outputs: &[Output<'a>]) -> Result<bool, Refusal> {
        let keys = group_keys(self.select, &self.scope, outputs)?;
        Ok(keys.iter().any(|key| has_tenant(key, &self.scope)))
    }

    /// True where the block is grouped, with or without GROUP BY.
    pub(super) fn is_grouped(&self) -> bool {
        let select = self.select;
        !select.group_clause().is_empty()
            || self.seen.aggregate
            || !matches!(select.having_clause(), Node::None)
    }

    /// Refuses a block over reference tables that may give other rows on other servers.
    fn check_same_everywhere(&self, role: Role) -> Result<(), Refusal> {
        let limited =
            !matches!((self.select.limit_count(), self.select.limit_offset()), (Node::None, Node::None));
        let distinct_on = !matches!(self.select.distinct_clause().first(), None | Some(Node::None));
        if (limited && role != Role::Exists) || distinct_on || self.seen.window {
            return Err(unordered_limit());
        }
        if self.seen.aggregate && !self.has_exact_aggregates_only() {
            return Err(Refusal::unsupported(
                "an aggregate over a reference table may depend on the order of its rows",
                "use count, sum, min or max of numbers, or restrict the statement to one tenant",
            ));
        }
        Ok(())
    }

    fn has_exact_aggregates_only(&self) -> bool {
        let inexact = walk_manual(Node::SelectStmt(self.select), |node| match node {
            Node::FuncCall(call) if !self.is_exact_call(call) => std::ops::ControlFlow::Break(()),
            _ => Recurse::yes(),
        });
        inexact.is_none()
    }

    fn is_exact_call(&self, call: &FuncCall) -> bool {
        let name = function_name(call).unwrap_or_default();
        let is_aggregate = self.analysis.catalog.functions.get(name).is_none_or(|facts| facts.aggregate);
        let argument = call.args().first().map_or(Facts::UNKNOWN, |argument| infer(argument, &self.scope));
        match name {
            "count" | "bool_and" | "bool_or" | "every" => true,
            "min" | "max" => argument.has_known_order(),
            "sum" | "avg" => argument.has_exact_sum(),
            _ => !is_aggregate,
        }
    }

    /// Refuses a block over sharded tables that is not the union of the servers' parts.
    fn check_is_partition(&self) -> Result<(), Refusal> {
        let select = self.select;
        if !self.scope.is_one_class(&self.sharded) {
            return Err(not_joined_by_tenant());
        }
        if !matches!((select.limit_count(), select.limit_offset()), (Node::None, Node::None))
            || !select.sort_clause().is_empty()
            || self.seen.window
        {
            return Err(not_a_partition("ORDER BY, LIMIT or a window function"));
        }
        let outputs = self.outputs()?.ok_or_else(unknown_expression)?;
        if self.is_grouped() && !self.groups_by_tenant(&outputs)? {
            return Err(not_a_partition("aggregates over all tenants"));
        }
        let keeps_tenant = || outputs.iter().any(|output| has_tenant(&output.expression, &self.scope));
        match select.distinct_clause().first() {
            None => Ok(()),
            Some(Node::None) if keeps_tenant() => Ok(()),
            Some(_) => Err(not_a_partition("DISTINCT")),
        }
    }
}

fn not_a_partition(what: &str) -> Refusal {
    Refusal::unsupported(
        format!("a subquery over all tenants has {what}"),
        "group by the tenant column, or restrict the statement to one tenant",
    )
}

/// Each server locks its own rows; but which rows LIMIT leaves is known only when all have been read.
fn check_locking(select: &SelectStmt) -> Result<(), Refusal> {
    match (select.limit_count(), select.limit_offset()) {
        (Node::None, Node::None) => Ok(()),
        _ => Err(Refusal::unsupported(
            "rows of several servers are locked under a LIMIT: other servers would lock more than that",
            "select the rows first, then lock them by their keys, or restrict the statement to one tenant",
        )),
    }
}

fn unordered_limit() -> Refusal {
    Refusal::unsupported(
        "a subquery may choose other rows on each server",
        "leave LIMIT, DISTINCT ON and window functions away, or restrict the statement to one tenant",
    )
}
