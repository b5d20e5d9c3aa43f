//! Which items of a FROM clause belong together: those that the tenant ties, where a condition more says which of their
//! rows meet, so that there are not many more of them than of the items.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::A_Expr_Kind;

use super::arrange::Arranging;
use crate::sql::shape::{Bare, Candidates, Said};

impl<'s> Arranging<'s> {
    /// The items that belong together: tied by the tenant and by a condition more, with the copies that only they
    /// are joined with.
    pub(super) fn groups<'a>(
        &self,
        items: &[Node<'a>],
        candidates: &Candidates<'a>,
        conditions: &[(Node<'a>, Bare)],
    ) -> Vec<Vec<usize>> {
        let mut group: Vec<usize> = (0..items.len()).collect();
        let unite = |group: &mut Vec<usize>, one: usize, other: usize| {
            let (from, to) = (group[one], group[other]);
            group.iter_mut().filter(|number| **number == from).for_each(|number| *number = to);
        };
        let all: Vec<_> = conditions
            .iter()
            .filter_map(|(condition, bare)| Some((*condition, candidates.said(*condition, *bare)?)))
            .collect();
        for (_, said) in &all {
            if said.tie.is_some_and(|(one, other)| !self.is_key(items[one]) && !self.is_key(items[other])) {
                continue;
            }
            for (number, one) in said.items.iter().enumerate() {
                for other in said.items.iter().skip(number + 1) {
                    if candidates.are_tied(*one, *other) {
                        unite(&mut group, *one, *other);
                    }
                }
            }
        }
        let spread = |item: &usize| candidates.spread(*item) > 0;
        loop {
            let mut grown = false;
            for (_, said) in all.iter().filter(|(condition, _)| is_equality(*condition)) {
                let [one, other] = said.items.as_slice() else { continue };
                let copy = match (spread(one), spread(other)) {
                    (false, _) if group[*one] != group[*other] => *one,
                    (_, false) if group[*one] != group[*other] => *other,
                    (_, _) => continue,
                };
                let partner = if copy == *one { *other } else { *one };
                // What others are joined with as well shows those which of their rows matter.
                let only = said_of(&all, copy).all(|other| group[other] == group[partner] || other == copy);
                if only {
                    unite(&mut group, copy, partner);
                    grown = true;
                }
            }
            if !grown {
                break;
            }
        }
        let members = |number| (0..items.len()).filter(|item| group[*item] == number).collect::<Vec<_>>();
        let groups = (0..items.len()).map(members);
        groups.filter(|group| group.iter().map(|item| candidates.spread(*item)).sum::<usize>() > 1).collect()
    }

    /// True for a table that has no two rows of a tenant.
    fn is_key(&self, node: Node<'_>) -> bool {
        let Node::RangeVar(range) = node else { return false };
        let name = range.relname().unwrap_or_default();
        let Some(relation) = self.catalog.relation(range.schemaname(), name, self.path) else { return false };
        let tenant = relation.tenant_column().and_then(|(column, _)| relation.column(&column.name));
        tenant.is_some_and(|tenant| relation.unique_keys.iter().any(|key| key.as_slice() == [tenant]))
    }

    /// True where these conditions tie the items without others' help.
    pub(super) fn is_tied<'a>(&self, items: &[Node<'a>], conditions: &[Node<'a>]) -> bool
    where
        's: 'a,
    {
        let Some(mut alone) = Candidates::of(items, (self.catalog, self.path), |_| true) else {
            return false;
        };
        let conditions: Vec<(Node<'a>, Bare)> =
            conditions.iter().map(|condition| (*condition, Bare::Known)).collect();
        alone.tie(&conditions);
        let spread: Vec<usize> = (0..items.len()).filter(|item| alone.spread(*item) > 0).collect();
        spread.windows(2).all(|pair| alone.are_tied(pair[0], pair[1]))
    }
}

/// The items that conditions name together with this one.
fn said_of<'x, 'a>(said: &'x [(Node<'a>, Said)], item: usize) -> impl Iterator<Item = usize> + 'x {
    said.iter()
        .filter(move |(_, said)| said.items.contains(&item))
        .flat_map(|(_, said)| said.items.iter().copied())
}

fn is_equality(condition: Node<'_>) -> bool {
    matches!(condition, Node::A_Expr(equal)
        if equal.kind == A_Expr_Kind::AEXPR_OP && equal.name().iter().map(Node::as_str).eq([Some("=")]))
}
