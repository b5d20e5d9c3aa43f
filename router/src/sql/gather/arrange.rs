//! The items of a FROM clause, written anew: those that the tenant ties stand in a subquery, which servers join by
//! themselves, and after it each of them again under its name, made of the subquery's columns. Inner joins may be
//! done in any order, so the rows are the same ones.

use std::cell::Cell;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{JoinExpr, JoinType};

use super::conditions::is_known;
use super::flat::{Flat, is_plain};
use super::text::{expression_text, items_text, where_text};
use super::words::Words;
use crate::catalog::{Catalog, SearchPath};
use crate::ids::quote_identifier;
use crate::sql::shape::{Bare, Candidates};

/// What the names of the subqueries begin with.
pub(super) const TIED: &str = "?pgherd_tied_";

/// What is known around the items.
pub(super) struct Arranging<'s> {
    pub(super) catalog: &'s Catalog,
    pub(super) path: &'s SearchPath,
    /// The parameters that mean the same wherever they stand.
    pub(super) parameters: &'s [i32],
    /// The words of the whole statement.
    pub(super) words: &'s Words,
    /// True where all columns of all items are needed.
    pub(super) whole: bool,
    /// True where subqueries among the items stand by themselves.
    pub(super) closed: bool,
    /// How many subqueries were made.
    pub(super) made: &'s Cell<usize>,
}

/// A condition that must hold for all rows.
#[derive(Clone, Copy)]
pub(super) struct Condition<'a> {
    pub(super) node: Node<'a>,
    /// Within how many outer joins it stands.
    depth: usize,
}

/// Items written anew.
pub(super) struct Arranged<'a> {
    pub(super) items: Vec<String>,
    /// The conditions that none of the subqueries has.
    pub(super) left: Vec<Condition<'a>>,
    /// True where it is not as it was.
    pub(super) changed: bool,
}

impl<'s> Arranging<'s> {
    /// Writes the items of a block anew. `None` where that cannot be.
    pub(super) fn block<'a>(&self, flat: Flat<'a>) -> Option<Arranged<'a>>
    where
        's: 'a,
    {
        self.arrange(flat, &mut Vec::new(), 0)
    }

    /// Writes these anew, which stand within so many outer joins. `around`: conditions on their rows that are judged
    /// further out; those that a subquery has are taken away.
    fn arrange<'a>(
        &self,
        flat: Flat<'a>,
        around: &mut Vec<Condition<'a>>,
        depth: usize,
    ) -> Option<Arranged<'a>>
    where
        's: 'a,
    {
        let Flat { items, conditions } = flat;
        let left = conditions.into_iter().map(|node| Condition { node, depth }).collect();
        let mut arranged = Arranged { items: Vec::new(), left, changed: false };
        let groups = self.tied_groups(&items, around, &mut arranged, depth)?;
        for (number, item) in items.iter().enumerate() {
            match groups.iter().find(|(members, _)| members.contains(&number)) {
                Some((members, texts)) if members.first() == Some(&number) => {
                    arranged.items.extend(texts.iter().cloned());
                }
                Some(_) => {}
                None => self.single(*item, around, &mut arranged, depth)?,
            }
        }
        arranged.changed |= !groups.is_empty();
        Some(arranged)
    }

    /// The groups among the items, with their texts; their conditions are taken away.
    fn tied_groups<'a>(
        &self,
        items: &[Node<'a>],
        around: &mut Vec<Condition<'a>>,
        arranged: &mut Arranged<'a>,
        depth: usize,
    ) -> Option<Vec<(Vec<usize>, Vec<String>)>>
    where
        's: 'a,
    {
        let of = (self.catalog, self.path);
        let Some(mut candidates) = Candidates::of(items, of, |node| self.is_usable(node)) else {
            return Some(Vec::new());
        };
        let known = |condition: &&Condition<'a>| is_known(condition.node, self.parameters);
        let all = arranged.left.iter().chain(around.iter()).filter(known);
        // Names of conditions further out may be those of items further out.
        let certain = candidates.are_all();
        let bare = |condition: &Condition<'a>| match certain && condition.depth == depth {
            true => Bare::Known,
            false => Bare::Unknown,
        };
        let judged: Vec<(Node<'a>, Bare)> = all.map(|condition| (condition.node, bare(condition))).collect();
        candidates.tie(&judged);
        let mut groups = Vec::new();
        for members in self.groups(items, &candidates, &judged) {
            let nodes: Vec<Node<'a>> = members.iter().map(|item| items[*item]).collect();
            let is_own = |node: Node<'a>, bare| {
                is_known(node, self.parameters)
                    && candidates
                        .said(node, bare)
                        .is_some_and(|said| said.items.iter().all(|item| members.contains(item)))
            };
            let own = judged.iter().filter(|(node, bare)| is_own(*node, *bare));
            let applied: Vec<Node<'a>> = own.map(|(node, _)| *node).collect();
            // Of a block that is one group, servers compute more than its join.
            let is_all = depth == 0 && members.len() == items.len();
            // A row that an outer join has not found is none; one made of its columns would be a row of NULLs.
            let is_row_of_outer = |item: &usize| {
                matches!(items[*item], Node::JoinExpr(_))
                    && candidates.names(*item).iter().any(|(name, _)| self.words.mean_row_of(name))
            };
            if is_all || members.iter().any(is_row_of_outer) || !self.is_tied(&nodes, &applied) {
                continue;
            }
            let text = self.text(&candidates, &members, &nodes, &applied)?;
            arranged.left.retain(|condition| !is_own(condition.node, bare(condition)));
            around.retain(|condition| !is_own(condition.node, bare(condition)));
            groups.push((members, text));
        }
        Some(groups)
    }

    /// One item by itself: it may be an outer join whose sides hold groups.
    fn single<'a>(
        &self,
        item: Node<'a>,
        around: &mut Vec<Condition<'a>>,
        arranged: &mut Arranged<'a>,
        depth: usize,
    ) -> Option<()>
    where
        's: 'a,
    {
        let text = match item {
            Node::JoinExpr(join) if is_plain(join) => {
                let mut outside = [arranged.left.as_slice(), around].concat();
                let text = self.outer(join, &mut outside, depth + 1)?;
                (arranged.left, *around) =
                    outside.into_iter().partition(|condition| condition.depth == depth);
                text
            }
            _ => None,
        };
        arranged.changed |= text.is_some();
        arranged.items.push(text.or_else(|| item_text(item))?);
        Some(())
    }

    /// An outer join whose sides are written anew; `Some(None)` where they stay. What must hold of all rows must hold
    /// of a side whose rows are all kept.
    fn outer<'a>(
        &self,
        join: &'a JoinExpr,
        around: &mut Vec<Condition<'a>>,
        depth: usize,
    ) -> Option<Option<String>>
    where
        's: 'a,
    {
        let nothing = &mut Vec::new();
        let (larg, rarg) = (join.larg(), join.rarg());
        let (words, left, right) = match join.jointype {
            JoinType::JOIN_LEFT => {
                ("LEFT", self.side(larg, around, depth)?, self.side(rarg, nothing, depth)?)
            }
            JoinType::JOIN_RIGHT => {
                ("RIGHT", self.side(larg, nothing, depth)?, self.side(rarg, around, depth)?)
            }
            JoinType::JOIN_FULL => {
                ("FULL", self.side(larg, nothing, depth)?, self.side(rarg, nothing, depth)?)
            }
            _ => return Some(None),
        };
        if left.is_none() && right.is_none() {
            return Some(None);
        }
        let text = |side: Option<String>, node| side.or_else(|| item_text(node));
        let on = expression_text(join.quals()).ok()?;
        Some(Some(format!("({} {words} JOIN {} ON {on})", text(left, larg)?, text(right, rarg)?)))
    }

    /// One side of an outer join, as one item; `Some(None)` where it stays as it is.
    fn side<'a>(
        &self,
        node: Node<'a>,
        around: &mut Vec<Condition<'a>>,
        depth: usize,
    ) -> Option<Option<String>>
    where
        's: 'a,
    {
        let arranged = self.arrange(Flat::of([node]), around, depth)?;
        if !arranged.changed {
            return Some(None);
        }
        let (last, before) = arranged.items.split_last()?;
        let before = before.join(" CROSS JOIN ");
        let left: Vec<Node<'_>> = arranged.left.iter().map(|condition| condition.node).collect();
        let condition = where_text(&left).ok()?;
        Some(Some(match (before.is_empty(), condition.strip_prefix(" WHERE ")) {
            (true, None) => last.clone(),
            (true, Some(_)) => return None,
            (false, None) => format!("({before} CROSS JOIN {last})"),
            (false, Some(condition)) => format!("({before} JOIN {last} ON {condition})"),
        }))
    }

    /// True for an item that means the same on a server.
    fn is_usable(&self, node: Node<'_>) -> bool {
        let is_cte = |name: Option<&str>| self.words.ctes.iter().any(|cte| Some(cte.as_str()) == name);
        match node {
            Node::RangeVar(range) => range.schemaname().is_some() || !is_cte(range.relname()),
            Node::JoinExpr(join) => {
                is_plain(join)
                    && is_known(node, self.parameters)
                    && self.is_usable(join.larg())
                    && self.is_usable(join.rarg())
            }
            Node::RangeSubselect(subselect) => {
                self.closed
                    && !subselect.lateral
                    && is_known(node, self.parameters)
                    && !super::conditions::mentions(node, &self.words.ctes)
            }
            _ => false,
        }
    }

    /// A group: the subquery, and its members made of it.
    fn text<'a>(
        &self,
        candidates: &Candidates<'a>,
        group: &[usize],
        nodes: &[Node<'a>],
        conditions: &[Node<'a>],
    ) -> Option<Vec<String>> {
        self.made.set(self.made.get() + 1);
        let subquery = quote_identifier(&format!("{TIED}{}?", self.made.get()));
        let applied = Words::of_all(conditions)?;
        let mut outputs = Vec::new();
        let mut members = Vec::new();
        for (name, columns) in group.iter().flat_map(|item| candidates.names(*item)) {
            let whole = self.whole || self.words.mean_all_of(&name);
            let item = quote_identifier(&name);
            let mut own = Vec::new();
            for column in columns.iter().filter(|column| whole || self.words.mean_beside(column, &applied)) {
                let output = quote_identifier(&format!("?t{}", outputs.len() + 1));
                let column = quote_identifier(column);
                outputs.push(format!("{item}.{column} AS {output}"));
                own.push(format!("{subquery}.{output} AS {column}"));
            }
            if !own.is_empty() {
                members.push(format!("LATERAL (SELECT {}) AS {item}", own.join(", ")));
            }
        }
        if outputs.is_empty() {
            return None;
        }
        let rows = format!("{}{}", items_text(nodes).ok()?, where_text(conditions).ok()?);
        members.insert(0, format!("(SELECT {} FROM {rows}) AS {subquery}", outputs.join(", ")));
        Some(members)
    }
}

/// An item as it was, a join in parentheses.
fn item_text(node: Node<'_>) -> Option<String> {
    let text = items_text(&[node]).ok()?;
    Some(match node {
        Node::JoinExpr(join) if join.alias().is_none() => format!("({text})"),
        _ => text,
    })
}
