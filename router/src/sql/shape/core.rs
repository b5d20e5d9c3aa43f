//! The FROM clause of one query block with the conditions that each server can apply by itself: rows of
//! which each server has its own, so that all servers' together are those of the block.

use pg_raw_parse::nodes::SelectStmt;
use pg_raw_parse::{ConstValue, Node};

use super::analysis::Analysis;
use super::expression::Seen;
use super::from::{Conditions, unite_by_condition};
use super::names::fields_of;
use super::scope::{Reach, Scope};
use super::types::infer;
use crate::catalog::{Catalog, SearchPath};
use crate::sql::walk::children;

/// A FROM clause that is spread over the servers.
pub(crate) struct Core<'a> {
    analysis: Analysis<'a>,
    scope: Scope<'a>,
    /// For each condition of WHERE, whether the servers apply it.
    pub(crate) applied: Vec<bool>,
    /// How many of its items are spread.
    pub(crate) spread: usize,
    /// True where a row may have no partner on one side of a join.
    pub(crate) has_outer_join: bool,
}

/// Whether the block may name columns of a block around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// It stands by itself.
    Closed,
    /// It is a subquery in an expression, or lateral.
    Open,
}

impl<'a> Core<'a> {
    /// The core of a block whose WHERE has these conditions; `None` where the servers cannot join by
    /// themselves. `usable` says whether a server understands an expression as it stands.
    pub(crate) fn of(
        select: &'a SelectStmt,
        conditions: &[Node<'a>],
        outlook: Outlook,
        (catalog, path): (&'a Catalog, &'a SearchPath),
        usable: impl Fn(Node<'a>) -> bool,
    ) -> Option<Core<'a>> {
        let analysis = Analysis::new(catalog, path);
        let mut scope = Scope::inside(None);
        let mut joins = Conditions::default();
        for item in select.from_clause() {
            analysis.add_item(item, &mut scope, &mut joins).ok()?;
        }
        if !scope.merged.is_empty() {
            return None;
        }
        joins.holding.iter().for_each(|join| unite_by_condition(*join, Reach::Own, &mut scope));
        let has_outer_join = scope
            .references
            .iter()
            .any(|reference| reference.columns.iter().flatten().any(|column| column.nullable));
        let mut core = Core { analysis, scope, applied: Vec::new(), spread: 0, has_outer_join };
        let all = || joins.holding.iter().chain(&joins.other);
        // What ties a subquery to its row may stand in any condition: those without one come first.
        core.applied = vec![false; conditions.len()];
        for links in [false, true] {
            for (index, condition) in conditions.iter().enumerate() {
                let wanted = has_link(*condition) == links && (!links || outlook == Outlook::Closed);
                if wanted && usable(*condition) && core.is_local(*condition) {
                    core.applied[index] = true;
                    unite_by_condition(*condition, Reach::Own, &mut core.scope);
                }
            }
        }
        if !all().all(|join| usable(*join) && core.is_local(*join)) {
            return None;
        }
        let references: Vec<usize> = (0..core.scope.references.len()).collect();
        let sharded = core.scope.sharded(&references);
        core.spread = sharded.len();
        (!sharded.is_empty() && core.scope.is_one_class(&sharded)).then_some(core)
    }

    /// True where the expression is one of this block's rows alone, and the same on whichever server it is
    /// computed.
    pub(crate) fn is_local(&self, node: Node<'a>) -> bool {
        self.analysis.check(node, &self.scope).is_ok_and(Seen::is_plain) && self.names_are_own(node)
    }

    fn names_are_own(&self, root: Node<'a>) -> bool {
        let mut stack = vec![root];
        while let Some(node) = stack.pop() {
            match node {
                Node::ColumnRef(column) => {
                    if fields_of(column).and_then(|fields| self.scope.resolve(&fields)).is_none() {
                        return false;
                    }
                }
                // What a subquery names was looked at with it.
                Node::SelectStmt(_) => {}
                other => stack.extend(children(other).unwrap_or_default()),
            }
        }
        true
    }

    /// The names that qualify the columns of its items, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.scope.references.iter().map(|reference| reference.name.as_str())
    }

    /// The item and the column that a name means.
    pub(crate) fn resolve(&self, fields: &[&str]) -> Option<(usize, String)> {
        self.scope.resolve(fields).map(|resolved| (resolved.reference, resolved.column.name))
    }

    /// The OID of an expression's type, where that is certain and the type has no collation.
    pub(crate) fn type_oid(&self, node: Node<'a>) -> Option<u32> {
        let facts = infer(node, &self.scope);
        facts.type_oid.filter(|_| facts.collation.is_none())
    }

    /// True where sums do not depend on the order of the rows.
    pub(crate) fn has_exact_sum(&self, node: Node<'a>) -> bool {
        infer(node, &self.scope).has_exact_sum()
    }
}

pub(super) fn has_link(root: Node<'_>) -> bool {
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        if matches!(node, Node::SubLink(_)) {
            return true;
        }
        stack.extend(children(node).unwrap_or_default());
    }
    false
}

/// The number that a constant is, as in ORDER BY 2.
pub(crate) fn ordinal(node: Node<'_>) -> Option<usize> {
    let Node::A_Const(constant) = node else { return None };
    match constant.val()? {
        ConstValue::Integer(number) => usize::try_from(number).ok()?.checked_sub(1),
        _ => None,
    }
}
