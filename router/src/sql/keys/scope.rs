//! What the names of a query block mean. A name that may mean several things means nothing here.

use std::ops::Range;

/// The names of one block. Scopes live in one list; a parent is an index there.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) items: Vec<Item>,
    /// Columns that USING or NATURAL made one of two.
    pub(super) merged: Vec<Merged>,
    /// The block around, and which of its items are visible from here.
    pub(super) parent: Option<(usize, Range<usize>)>,
}

/// One item of a FROM clause.
#[derive(Debug)]
pub(super) struct Item {
    /// The name that qualifies its columns.
    pub(super) name: Option<String>,
    /// Its columns; `None` where they are not all known.
    pub(super) columns: Option<Vec<ItemColumn>>,
    /// A join with an alias hides it from all but the conditions inside that join.
    pub(super) within: Option<Range<usize>>,
}

/// A column of an item.
#[derive(Debug, Clone)]
pub(super) struct ItemColumn {
    pub(super) name: String,
    /// The key column that it is.
    pub(super) node: Option<usize>,
}

/// A column that stands for two.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) name: String,
    pub(super) node: Option<usize>,
    /// The items of the join.
    pub(super) within: Range<usize>,
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A key column.
    Key(usize),
    /// Some other column.
    Other,
    /// Not certain.
    Unknown,
    /// Nothing in this block.
    Absent,
}

impl From<Option<usize>> for Meaning {
    fn from(node: Option<usize>) -> Meaning {
        node.map_or(Meaning::Other, Meaning::Key)
    }
}

fn inside(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

impl Scope {
    fn visible(&self, range: &Range<usize>) -> impl Iterator<Item = (usize, &Item)> {
        let items = self.items.iter().enumerate().skip(range.start).take(range.len());
        items.filter(move |(_, item)| item.within.as_ref().is_none_or(|within| inside(range, within)))
    }

    /// What `name` means among these items.
    pub(super) fn unqualified(&self, range: &Range<usize>, name: &str) -> Meaning {
        let mut found: Vec<(usize, Option<usize>)> = Vec::new();
        for (index, item) in self.visible(range) {
            let Some(columns) = &item.columns else { return Meaning::Unknown };
            found.extend(
                columns.iter().filter(|column| column.name == name).map(|column| (index, column.node)),
            );
        }
        let merged =
            self.merged.iter().rev().find(|merged| merged.name == name && inside(&merged.within, range));
        match (merged, found.as_slice()) {
            (Some(merged), found) if found.iter().all(|(index, _)| merged.within.contains(index)) => {
                Meaning::from(merged.node)
            }
            (Some(_), _) | (None, [_, _, ..]) => Meaning::Unknown,
            (None, []) => Meaning::Absent,
            (None, [(_, node)]) => Meaning::from(*node),
        }
    }

    /// What `table.name` means among these items.
    pub(super) fn qualified(&self, range: &Range<usize>, table: &str, name: &str) -> Meaning {
        let named = |item: &&Item| item.name.as_deref() == Some(table);
        let mut items = self.visible(range).map(|(_, item)| item).filter(named);
        let (first, second) = (items.next(), items.next());
        match (first, second) {
            (None, _) => Meaning::Absent,
            (Some(_), Some(_)) => Meaning::Unknown,
            (Some(item), None) => {
                let Some(columns) = &item.columns else { return Meaning::Unknown };
                let mut found = columns.iter().filter(|column| column.name == name);
                match (found.next(), found.next()) {
                    (Some(column), None) => Meaning::from(column.node),
                    (None, _) => Meaning::Other,
                    (Some(_), Some(_)) => Meaning::Unknown,
                }
            }
        }
    }
}

/// The key column that a name means, looked for in a scope and then further out.
pub(super) fn resolve(scopes: &[Scope], scope: usize, range: Range<usize>, fields: &[&str]) -> Option<usize> {
    let (mut scope, mut range) = (scope, range);
    loop {
        let here = scopes.get(scope)?;
        let meaning = match fields {
            [name] => here.unqualified(&range, name),
            [table, name] => here.qualified(&range, table, name),
            _ => Meaning::Unknown,
        };
        match meaning {
            Meaning::Key(node) => return Some(node),
            Meaning::Other | Meaning::Unknown => return None,
            Meaning::Absent => (scope, range) = here.parent.clone()?,
        }
    }
}
