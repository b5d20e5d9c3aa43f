//! Items of a FROM clause that the servers may join by themselves, where they cannot join all of it: each is right on
//! every server as it stands, and the tenant ties some of them to each other.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::A_Expr_Kind;

use super::analysis::Analysis;
use super::core::has_link;
use super::expression::Seen;
use super::from::{Conditions, unite_by_condition};
use super::names::fields_of;
use super::scope::{Reach, Resolved, Scope};
use crate::catalog::{Catalog, SearchPath};
use crate::sql::walk::children;

/// Items of one FROM clause that inner joins bring together.
pub(crate) struct Candidates<'a> {
    analysis: Analysis<'a>,
    scope: Scope<'a>,
    /// For each item its references in the scope; `None` for one that no server has by itself.
    items: Vec<Option<Vec<usize>>>,
}

/// What a condition says of the items that it names.
pub(crate) struct Said {
    /// The items, each once, in order.
    pub(crate) items: Vec<usize>,
    /// Where it says that the tenants of two items are one, and nothing else: the items.
    pub(crate) tie: Option<(usize, usize)>,
}

impl<'a> Candidates<'a> {
    /// Reads the items; `usable` says of an item whether a server understands it as it stands. `None` where names
    /// are not certain.
    pub(crate) fn of(
        nodes: &[Node<'a>],
        (catalog, path): (&'a Catalog, &'a SearchPath),
        usable: impl Fn(Node<'a>) -> bool,
    ) -> Option<Candidates<'a>> {
        let analysis = Analysis::new(catalog, path);
        let scope = Scope::inside(None);
        let mut candidates = Candidates { analysis, scope, items: Vec::new() };
        for node in nodes {
            let item = match usable(*node) && candidates.is_closed(*node) {
                true => {
                    let scope = &mut candidates.scope;
                    let item = candidates.analysis.add_item(*node, scope, &mut Conditions::default()).ok()?;
                    Some(item.references)
                }
                false => None,
            };
            candidates.items.push(item);
        }
        Some(candidates)
    }

    /// True for an item whose columns are known, and whose rows are on all servers together what they are on one.
    fn is_closed(&self, node: Node<'a>) -> bool {
        let mut scope = Scope::inside(None);
        let mut joins = Conditions::default();
        let Ok(item) = self.analysis.add_item(node, &mut scope, &mut joins) else { return false };
        joins.holding.iter().for_each(|join| unite_by_condition(*join, Reach::Own, &mut scope));
        let known = scope.references.iter().all(|reference| reference.columns.is_some());
        let conditions = joins.holding.iter().chain(&joins.other);
        known
            && scope.merged.is_empty()
            && scope.is_one_class(&scope.sharded(&item.references))
            && conditions.into_iter().all(|join| self.columns(*join, &scope, Bare::Known).is_some())
    }

    /// True where all items are candidates.
    pub(crate) fn are_all(&self) -> bool {
        self.items.iter().all(Option::is_some)
    }

    /// What the tenant ties: conditions that hold for all rows.
    pub(crate) fn tie(&mut self, conditions: &[(Node<'a>, Bare)]) {
        for (condition, bare) in conditions {
            if self.said(*condition, *bare).is_some() {
                unite_by_condition(*condition, Reach::Own, &mut self.scope);
            }
        }
    }

    /// What a condition says; `None` for one that is not about these items alone, or cannot be judged anywhere.
    pub(crate) fn said(&self, condition: Node<'a>, bare: Bare) -> Option<Said> {
        let columns = self.columns(condition, &self.scope, bare)?;
        let mut items: Vec<usize> =
            columns.iter().filter_map(|column| self.item_of(column.reference)).collect();
        let tie = match (condition, columns.as_slice()) {
            (Node::A_Expr(equal), [one, other])
                if equal.kind == A_Expr_Kind::AEXPR_OP
                    && equal.name().iter().map(Node::as_str).eq([Some("=")])
                    && matches!((equal.lexpr(), equal.rexpr()), (Node::ColumnRef(_), Node::ColumnRef(_)))
                    && one.column.tenant
                    && other.column.tenant =>
            {
                self.item_of(one.reference).zip(self.item_of(other.reference))
            }
            (_, _) => None,
        };
        items.sort_unstable();
        items.dedup();
        (!items.is_empty()).then_some(Said { items, tie })
    }

    /// The columns that an expression names; `None` where one is not of this scope, or it is not plain.
    fn columns(&self, root: Node<'a>, scope: &Scope<'_>, bare: Bare) -> Option<Vec<Resolved>> {
        if has_link(root) || !self.analysis.check(root, scope).is_ok_and(Seen::is_plain) {
            return None;
        }
        let mut columns = Vec::new();
        let mut stack = vec![root];
        while let Some(node) = stack.pop() {
            if let Node::ColumnRef(column) = node {
                let fields = fields_of(column)?;
                if fields.len() == 1 && bare == Bare::Unknown {
                    return None;
                }
                columns.push(scope.resolve(&fields)?);
            }
            stack.extend(children(node)?);
        }
        Some(columns)
    }

    fn item_of(&self, reference: usize) -> Option<usize> {
        self.items.iter().position(|item| item.as_ref().is_some_and(|item| item.contains(&reference)))
    }

    /// How many of an item's references are spread over the servers.
    pub(crate) fn spread(&self, item: usize) -> usize {
        self.items[item].as_ref().map_or(0, |references| self.scope.sharded(references).len())
    }

    /// True where the tenant ties two items.
    pub(crate) fn are_tied(&self, one: usize, other: usize) -> bool {
        let references: Vec<usize> =
            [one, other].iter().filter_map(|item| self.items[*item].as_ref()).flatten().copied().collect();
        let sharded = self.scope.sharded(&references);
        self.spread(one) > 0 && self.spread(other) > 0 && self.scope.is_one_class(&sharded)
    }

    /// The names that an item's columns are qualified with, and those of the columns.
    pub(crate) fn names(&self, item: usize) -> Vec<(String, Vec<String>)> {
        let references = self.items[item].iter().flatten().map(|index| &self.scope.references[*index]);
        let columns = |reference: &super::scope::TableReference| {
            reference.columns.iter().flatten().map(|column| column.name.clone()).collect()
        };
        references.map(|reference| (reference.name.clone(), columns(reference))).collect()
    }
}

/// Whether it is known whose column a bare name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bare {
    /// All items whose columns it might be are candidates.
    Known,
    /// It may be another item's.
    Unknown,
}
