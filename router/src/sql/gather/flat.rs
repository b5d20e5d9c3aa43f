//! FROM clauses as lists: the items that inner joins bring together, and the conditions of those joins.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{Alias, JoinExpr, JoinType};

use super::conditions::conjuncts;

/// Items of a FROM clause of which all combinations are meant that meet the conditions.
#[derive(Default)]
pub(super) struct Flat<'a> {
    pub(super) items: Vec<Node<'a>>,
    pub(super) conditions: Vec<Node<'a>>,
}

impl<'a> Flat<'a> {
    /// The items and conditions of these.
    pub(super) fn of(nodes: impl IntoIterator<Item = Node<'a>>) -> Flat<'a> {
        let mut flat = Flat::default();
        nodes.into_iter().for_each(|node| flat.add(node));
        flat
    }

    fn add(&mut self, node: Node<'a>) {
        match node {
            Node::JoinExpr(join) if join.jointype == JoinType::JOIN_INNER && is_plain(join) => {
                self.add(join.larg());
                self.add(join.rarg());
                self.conditions.extend(conjuncts(join.quals()));
            }
            _ => self.items.push(node),
        }
    }
}

/// True for a join that hides and merges no names.
pub(super) fn is_plain(join: &JoinExpr) -> bool {
    join.alias().is_none()
        && join.join_using_alias().is_none()
        && join.using_clause().is_empty()
        && !join.is_natural
}

/// The names whose columns `*` gives of an item, in order; `None` where those are not all.
pub(super) fn names_of(node: Node<'_>) -> Option<Vec<String>> {
    let named = |alias: Option<&Alias>| alias.and_then(Alias::aliasname).map(|name| vec![name.to_owned()]);
    match node {
        Node::RangeVar(range) => {
            named(range.alias()).or_else(|| range.relname().map(|name| vec![name.to_owned()]))
        }
        Node::RangeSubselect(subselect) => named(subselect.alias()),
        Node::RangeFunction(function) => named(function.alias()),
        Node::JoinExpr(join) if is_plain(join) => {
            Some([names_of(join.larg())?, names_of(join.rarg())?].concat())
        }
        Node::JoinExpr(join) => named(join.alias()),
        _ => None,
    }
}
