//! The parts of a FROM clause whose rows all satisfy the same conditions.
//!
//! A region is a tree of inner joins with its conditions. The nullable side of an outer join is a region
//! of its own, nested in the other: a condition of the outer region, being strict, still restricts it, but
//! not the other way round.

use std::ops::Range;

use pg_raw_parse::Node;

use super::blocks::Analysis;
use super::facts::Facts;
use super::set::KeySet;

/// Where an expression's names are read: a scope, and which of its items are visible.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) scope: usize,
    pub(super) range: Range<usize>,
}

/// A region.
#[derive(Default)]
pub(super) struct Region<'a> {
    /// The key columns of its references, those of nested regions too.
    pub(super) nodes: Vec<usize>,
    /// What holds for its rows.
    pub(super) conditions: Vec<(Node<'a>, Place)>,
    /// Key columns that USING or NATURAL makes equal.
    pub(super) equal: Vec<(usize, usize)>,
    /// The nullable sides of its outer joins.
    pub(super) nested: Vec<Region<'a>>,
}

impl<'a> Analysis<'a> {
    /// Restricts the region's key columns, then those of the regions nested in it.
    pub(super) fn solve(&mut self, region: Region<'a>) {
        let mut facts = Facts { equal: region.equal, ..Facts::default() };
        for (condition, place) in &region.conditions {
            let implied = self.implied(*condition, place);
            facts.and(implied);
        }
        self.restrict(&region.nodes, &facts);
        for nested in region.nested {
            self.solve(nested);
        }
    }

    /// Every key column of a class of equal ones has the keys that all of them can have; those outside
    /// the region say what they can be, and are not restricted themselves.
    fn restrict(&mut self, inside: &[usize], facts: &Facts) {
        let mut classes: Vec<Vec<usize>> = Vec::new();
        for (one, other) in &facts.equal {
            let (mut joined, rest): (Vec<_>, Vec<_>) =
                classes.into_iter().partition(|class| class.contains(one) || class.contains(other));
            joined.push(vec![*one, *other]);
            classes = rest;
            classes.push(joined.concat());
        }
        classes.extend(facts.member.keys().map(|node| vec![*node]));
        // A member's own fact counts in its class, so the classes of equal columns come first and again.
        for class in &classes {
            let sets = class.iter().map(|node| {
                let fact = facts.member.get(node).cloned().unwrap_or(KeySet::All);
                self.nodes[*node].set.clone().intersect(fact)
            });
            let all = sets.fold(KeySet::All, KeySet::intersect);
            for node in class.iter().filter(|node| inside.contains(node)) {
                let node = &mut self.nodes[*node];
                node.set = node.set.clone().intersect(all.clone());
            }
        }
    }
}
