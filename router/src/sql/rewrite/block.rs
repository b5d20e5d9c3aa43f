//! The walk over the query blocks of a statement, with the names of its CTEs.

use std::sync::Arc;

use pg_raw_parse::list::CastNodeList;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::list_mut::NodeListMut;
use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{
    BoolExprType, CommonTableExpr, DeleteStmtMut, InsertStmtMut, MergeMatchKind, MergeStmtMut, RawStmt,
    SelectStmtMut, UpdateStmtMut, WithClauseMut,
};
use pg_raw_parse::transform::{Assignable, Transform, transform_node};
use pg_raw_parse::{Node, NodeMut, nodes};

use super::allowed::is_known;
use super::filter::Filter;
use super::from::{Place, collect_names};
use crate::catalog::{Catalog, SearchPath};
use crate::plan::Refusal;

/// The same statement in which each sharded table reads, updates and deletes as if the rows that the
/// filter leaves out were not there. A statement other than SELECT, INSERT, UPDATE, DELETE, or EXPLAIN, COPY TO
/// and DECLARE of such, is refused.
pub(crate) fn restrict_statement(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
    filter: &Filter,
) -> Result<Arc<str>, Refusal> {
    let query = query_of(statement.stmt()).ok_or_else(|| {
        Refusal::unsupported(
            "this kind of statement cannot be restricted to some rows",
            "use SELECT, INSERT, UPDATE or DELETE",
        )
    })?;
    if filter.is_empty() {
        return super::print(statement);
    }
    let restricted = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let mut restrict =
            Restrict { mem, original: query, catalog, path, filter, ctes: Vec::new(), refusal: None };
        match copy.as_mut().stmt_mut() {
            NodeMut::ExplainStmt(mut outer) => restrict.transform_node_of(outer.query_mut()),
            NodeMut::CopyStmt(mut outer) => restrict.transform_node_of(outer.query_mut()),
            NodeMut::DeclareCursorStmt(mut outer) => restrict.transform_node_of(outer.query_mut()),
            query => restrict.transform_node_of(query),
        }
        match restrict.refusal {
            Some(refusal) => Err(refusal),
            None => Ok(copy),
        }
    })?;
    super::print(&restricted)
}

/// The query that a statement is, or runs.
fn query_of(statement: Node<'_>) -> Option<Node<'_>> {
    let query = match statement {
        Node::ExplainStmt(explain) => explain.query(),
        Node::CopyStmt(copy) => copy.query(),
        Node::DeclareCursorStmt(cursor) => cursor.query(),
        query => query,
    };
    match query {
        Node::SelectStmt(_)
        | Node::InsertStmt(_)
        | Node::UpdateStmt(_)
        | Node::DeleteStmt(_)
        | Node::MergeStmt(_) => Some(query),
        _ => None,
    }
}

/// [`restrict_statement`] for one statement's text that was printed here.
pub(crate) fn restrict_text(
    text: &str,
    catalog: &Catalog,
    path: &SearchPath,
    filter: &Filter,
) -> Result<Arc<str>, Refusal> {
    let trees = super::trees(text)?;
    restrict_statement(trees.first().ok_or_else(unknown_node)?, catalog, path, filter)
}

/// The state of the walk.
pub(super) struct Restrict<'mem, 'a> {
    pub(super) mem: MemoryToken<'mem>,
    pub(super) original: Node<'a>,
    pub(super) catalog: &'a Catalog,
    pub(super) path: &'a SearchPath,
    pub(super) filter: &'a Filter,
    /// Names of the CTEs in scope.
    ctes: Vec<String>,
    /// The first refusal; the walk has no other way to say it.
    refusal: Option<Refusal>,
}

impl<'mem> Restrict<'mem, '_> {
    /// True where the name is that of a CTE in scope.
    pub(super) fn is_cte(&self, name: &str) -> bool {
        self.ctes.iter().any(|cte| cte == name)
    }

    /// The predicates, then the condition that stood there: all must hold.
    pub(super) fn conjunction(
        &self,
        predicates: Vec<Unique<'mem, Node<'mem>>>,
        condition: Node<'_>,
    ) -> Unique<'mem, Node<'mem>> {
        let mut parts = predicates;
        if !matches!(condition, Node::None) {
            parts.push(self.mem.make_unique(condition).uncast());
        }
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return only;
        }
        self.mem.make_bool_expr(BoolExprType::AND_EXPR, self.mem.make_list(&parts)).uncast()
    }

    /// Walks on below a node that is known.
    fn transform_node_of(&mut self, node: NodeMut<'mem, '_>) {
        if is_known(&node) {
            transform_node(node, self);
        } else {
            self.refuse(unknown_node());
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }

    /// The CTEs of a block come into scope, each restricted under the names that it sees itself.
    fn enter(&mut self, with: Option<WithClauseMut<'mem, '_>>) {
        let Some(mut with) = with else { return };
        let names: Vec<String> = cte_names(with.ctes());
        let scope = self.ctes.len();
        if with.recursive {
            self.ctes.extend(names.iter().cloned());
        }
        for (cte, name) in with.ctes_mut().into_iter().zip(&names) {
            self.transform_common_table_expr(cte);
            if self.ctes.len() < scope + names.len() {
                self.ctes.push(name.clone());
            }
        }
    }

    /// Restricts a FROM clause; what belongs into WHERE comes back, and what replaces items.
    fn restrict_from(
        &mut self,
        from: NodeListMut<'mem, '_, NodeList>,
        names: &[String],
    ) -> FromOutcome<'mem> {
        let mut outcomes = FromOutcome::default();
        for (index, item) in from.into_iter().enumerate() {
            match self.restrict_item(item, Place::Condition, names) {
                Ok(outcome) => {
                    outcomes.predicates.extend(outcome.predicates);
                    outcomes.replacements.extend(outcome.replacement.map(|item| (index, item)));
                }
                Err(refusal) => self.refuse(refusal),
            }
        }
        outcomes
    }

    /// The predicate on the target of UPDATE or DELETE.
    fn restrict_target(
        &mut self,
        target: Option<&nodes::RangeVar>,
        names: &[String],
    ) -> Option<Unique<'mem, Node<'mem>>> {
        let outcome = target
            .ok_or_else(unknown_node)
            .and_then(|target| self.sharded_reference(target))
            .and_then(|reference| match reference {
                Some(reference) if names.contains(&reference.name) => {
                    Err(super::from::cannot_replace("its name stands twice"))
                }
                Some(reference) => reference.predicate(self.filter, self.mem).map(Some),
                None => Ok(None),
            });
        outcome.unwrap_or_else(|refusal| {
            self.refuse(refusal);
            None
        })
    }
}

impl<'mem> Transform<'mem> for Restrict<'mem, '_> {
    fn transform_node<'mutref>(&mut self, node: Assignable<'mem, 'mutref>) {
        self.transform_node_of(node.into_inner());
    }

    /// Each block enters its own WITH clause.
    fn transform_with_clause<'mutref>(&mut self, _: WithClauseMut<'mem, 'mutref>) {}

    // Children come first in each block: what is added is not walked again.

    fn transform_select_stmt<'mutref>(&mut self, mut node: SelectStmtMut<'mem, 'mutref>) {
        let scope = self.ctes.len();
        self.enter(node.with_clause_mut());
        if node.into_clause().is_some() {
            self.refuse(unknown_node());
        }
        self.transform_list(node.distinct_clause_mut());
        self.transform_res_target_list(node.target_list_mut());
        self.transform_list(node.from_clause_mut());
        self.transform_node_of(node.where_clause_mut());
        self.transform_list(node.group_clause_mut());
        self.transform_node_of(node.having_clause_mut());
        self.transform_list(node.window_clause_mut());
        self.transform_list(node.values_lists_mut());
        self.transform_sort_by_list(node.sort_clause_mut());
        self.transform_node_of(node.limit_offset_mut());
        self.transform_node_of(node.limit_count_mut());
        if let Some(left) = node.larg_mut() {
            self.transform_select_stmt(left);
        }
        if let Some(right) = node.rarg_mut() {
            self.transform_select_stmt(right);
        }
        let names = names_of(node.from_clause());
        let outcome = self.restrict_from(node.from_clause_mut(), &names);
        for (index, item) in outcome.replacements {
            node.from_clause_mut().set(index, item);
        }
        if !outcome.predicates.is_empty() {
            let condition = self.conjunction(outcome.predicates, node.where_clause());
            node.set_where_clause(condition);
        }
        self.ctes.truncate(scope);
    }

    fn transform_update_stmt<'mutref>(&mut self, mut node: UpdateStmtMut<'mem, 'mutref>) {
        let scope = self.ctes.len();
        self.enter(node.with_clause_mut());
        self.transform_res_target_list(node.target_list_mut());
        self.transform_list(node.from_clause_mut());
        self.transform_node_of(node.where_clause_mut());
        if let Some(returning) = node.returning_clause_mut() {
            self.transform_returning_clause(returning);
        }
        let names = names_of(node.from_clause());
        let all = with_target(&names, node.relation());
        let mut outcome = self.restrict_from(node.from_clause_mut(), &all);
        for (index, item) in outcome.replacements {
            node.from_clause_mut().set(index, item);
        }
        outcome.predicates.extend(self.restrict_target(node.relation(), &names));
        if !outcome.predicates.is_empty() {
            let condition = self.conjunction(outcome.predicates, node.where_clause());
            node.set_where_clause(condition);
        }
        self.ctes.truncate(scope);
    }

    fn transform_delete_stmt<'mutref>(&mut self, mut node: DeleteStmtMut<'mem, 'mutref>) {
        let scope = self.ctes.len();
        self.enter(node.with_clause_mut());
        self.transform_list(node.using_clause_mut());
        self.transform_node_of(node.where_clause_mut());
        if let Some(returning) = node.returning_clause_mut() {
            self.transform_returning_clause(returning);
        }
        let names = names_of(node.using_clause());
        let all = with_target(&names, node.relation());
        let mut outcome = self.restrict_from(node.using_clause_mut(), &all);
        for (index, item) in outcome.replacements {
            node.using_clause_mut().set(index, item);
        }
        outcome.predicates.extend(self.restrict_target(node.relation(), &names));
        if !outcome.predicates.is_empty() {
            let condition = self.conjunction(outcome.predicates, node.where_clause());
            node.set_where_clause(condition);
        }
        self.ctes.truncate(scope);
    }

    /// Rows of the source that are left out are not there at all; those of the target match nothing.
    fn transform_merge_stmt<'mutref>(&mut self, mut node: MergeStmtMut<'mem, 'mutref>) {
        let scope = self.ctes.len();
        self.enter(node.with_clause_mut());
        self.transform_node_of(node.source_relation_mut());
        self.transform_node_of(node.join_condition_mut());
        self.transform_merge_when_clause_list(node.merge_when_clauses_mut());
        if let Some(returning) = node.returning_clause_mut() {
            self.transform_returning_clause(returning);
        }
        let of_source = MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_SOURCE;
        if node.merge_when_clauses().iter().any(|when| when.match_kind == of_source) {
            self.refuse(unknown_node());
        }
        let mut names = Vec::new();
        collect_names(node.source_relation(), &mut names);
        let all = with_target(&names, node.relation());
        match self.restrict_item(node.source_relation_mut(), Place::Inside, &all) {
            Ok(outcome) => {
                if let Some(item) = outcome.replacement {
                    node.set_source_relation(item);
                }
                if !outcome.predicates.is_empty() {
                    self.refuse(unknown_node());
                }
            }
            Err(refusal) => self.refuse(refusal),
        }
        let predicates: Vec<_> = self.restrict_target(node.relation(), &names).into_iter().collect();
        if !predicates.is_empty() {
            let condition = self.conjunction(predicates, node.join_condition());
            node.set_join_condition(condition);
        }
        self.ctes.truncate(scope);
    }

    /// The target keeps its rows: a conflicting row has the tenant of the row that conflicts, since each
    /// unique key holds the tenant column.
    fn transform_insert_stmt<'mutref>(&mut self, mut node: InsertStmtMut<'mem, 'mutref>) {
        let scope = self.ctes.len();
        self.enter(node.with_clause_mut());
        self.transform_list(node.cols_mut());
        self.transform_node_of(node.select_stmt_mut());
        if let Some(conflict) = node.on_conflict_clause_mut() {
            self.transform_on_conflict_clause(conflict);
        }
        if let Some(returning) = node.returning_clause_mut() {
            self.transform_returning_clause(returning);
        }
        self.ctes.truncate(scope);
    }
}

/// What a FROM clause asks of its block.
#[derive(Default)]
struct FromOutcome<'mem> {
    predicates: Vec<Unique<'mem, Node<'mem>>>,
    replacements: Vec<(usize, Unique<'mem, Node<'mem>>)>,
}

fn cte_names(ctes: &CastNodeList<CommonTableExpr>) -> Vec<String> {
    ctes.iter().filter_map(|cte| cte.ctename()).map(str::to_owned).collect()
}

fn names_of(from: &NodeList) -> Vec<String> {
    let mut names = Vec::new();
    from.iter().for_each(|item| collect_names(item, &mut names));
    names
}

/// The names of a FROM clause and that of the target, which stands beside them.
fn with_target(names: &[String], target: Option<&nodes::RangeVar>) -> Vec<String> {
    let mut all = names.to_vec();
    if let Some(target) = target {
        collect_names(Node::RangeVar(target), &mut all);
    }
    all
}

pub(super) fn unknown_node() -> Refusal {
    Refusal::unsupported(
        "the statement holds something that cannot be restricted to some rows",
        "restrict each sharded table to one tenant in the statement itself",
    )
}
