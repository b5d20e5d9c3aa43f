//! What the names of one query block mean: its table references, and those of the blocks around it.

use super::expression::unknown_expression;
use super::facts::Facts;
use crate::plan::Refusal;

/// One item of a FROM clause that gives columns.
#[derive(Debug, Clone)]
pub(super) struct TableReference {
    /// The name that qualifies its columns.
    pub(super) name: String,
    /// Its columns; `None` where they are not known.
    pub(super) columns: Option<Vec<TableColumn>>,
    /// True where its rows are spread over the servers; else each server gives the same rows.
    pub(super) sharded: bool,
}

/// A column of a table reference.
#[derive(Debug, Clone)]
pub(super) struct TableColumn {
    pub(super) name: String,
    pub(super) facts: Facts,
    /// True where its value, unless NULL, is a tenant key that lives on the server of its row.
    pub(super) tenant: bool,
    /// True where an outer join may have made it NULL.
    pub(super) nullable: bool,
}

/// The name of a column, as the statement could write it: `["u", "id"]` or `["id"]`.
pub(super) type Fields = Vec<String>;

/// What a column's name means.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) column: TableColumn,
    /// Index of its table reference in its own scope.
    pub(super) reference: usize,
    /// True where the reference stands in a block further out.
    pub(super) outer: bool,
}

/// How far an equality of tenant columns holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// For all rows of the block: a block further out may be meant.
    Outer,
    /// For the partners in an outer join only: what it says of the block further out does not hold for the
    /// rows that are kept without a partner.
    Own,
}

/// The names of one block, and which references' rows are held together by the tenant column.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope<'parent> {
    pub(super) references: Vec<TableReference>,
    /// Columns that USING or NATURAL made one of two.
    pub(super) merged: Vec<(usize, TableColumn)>,
    /// The block around this one, for a subquery that may name its columns.
    pub(super) parent: Option<&'parent Scope<'parent>>,
    /// Union-find: node 0 is all that stands further out, node `n + 1` the n-th reference.
    classes: Vec<usize>,
}

impl<'parent> Scope<'parent> {
    pub(super) fn inside(parent: Option<&'parent Scope<'parent>>) -> Scope<'parent> {
        Scope { parent, classes: vec![0], ..Scope::default() }
    }

    /// Adds a reference and gives its index.
    pub(super) fn add(&mut self, reference: TableReference) -> usize {
        self.references.push(reference);
        self.classes.push(self.references.len());
        self.references.len() - 1
    }

    /// What a name means; `None` where that is not certain.
    pub(super) fn resolve(&self, fields: &[&str]) -> Option<Resolved> {
        let found = match fields {
            [name] => self.resolve_bare(name)?,
            [table, name] => self.resolve_qualified(table, name)?,
            _ => return None,
        };
        match found {
            Some((reference, column)) => Some(Resolved { column, reference, outer: false }),
            None => self.parent?.resolve(fields).map(|resolved| Resolved { outer: true, ..resolved }),
        }
    }

    /// True where a bare name is certainly a column of this block; refused where that is not certain.
    pub(super) fn has_own(&self, name: &str) -> Result<bool, Refusal> {
        self.resolve_bare(name).map(|found| found.is_some()).ok_or_else(unknown_expression)
    }

    /// `None`: not certain; `Some(None)`: not a name of this block.
    fn resolve_bare(&self, name: &str) -> Option<Option<(usize, TableColumn)>> {
        if let Some((reference, column)) = self.merged.iter().find(|(_, column)| column.name == name) {
            return Some(Some((*reference, column.clone())));
        }
        let mut found = None;
        for (index, reference) in self.references.iter().enumerate() {
            for column in reference.columns.as_ref()?.iter().filter(|column| column.name == name) {
                if found.is_some() {
                    return None;
                }
                found = Some((index, column.clone()));
            }
        }
        Some(found)
    }

    fn resolve_qualified(&self, table: &str, name: &str) -> Option<Option<(usize, TableColumn)>> {
        let Some(index) = self.references.iter().position(|reference| reference.name == table) else {
            return Some(None);
        };
        let columns = self.references[index].columns.as_ref()?;
        let column = columns.iter().find(|column| column.name == name)?;
        Some(Some((index, column.clone())))
    }

    /// An outer join may make the columns of these references NULL.
    pub(super) fn make_nullable(&mut self, references: &[usize]) {
        for index in references {
            for column in self.references[*index].columns.iter_mut().flatten() {
                column.nullable = true;
            }
        }
        for (_, column) in self.merged.iter_mut().filter(|(index, _)| references.contains(index)) {
            column.nullable = true;
        }
    }

    /// Rows of both are combined only where their tenant is one.
    pub(super) fn unite(&mut self, one: &Resolved, other: &Resolved, reach: Reach) {
        if reach == Reach::Own && (one.outer || other.outer) {
            return;
        }
        let node = |resolved: &Resolved| if resolved.outer { 0 } else { resolved.reference + 1 };
        if one.column.tenant && other.column.tenant {
            self.unite_nodes(node(one), node(other));
        }
    }

    /// The references are one sharded thing from here on.
    pub(super) fn unite_all(&mut self, references: &[usize]) {
        for pair in references.windows(2) {
            self.unite_nodes(pair[0] + 1, pair[1] + 1);
        }
    }

    /// The node 0 stays the root of its class.
    fn unite_nodes(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.classes[one.max(other)] = one.min(other);
    }

    fn root(&self, mut node: usize) -> usize {
        while self.classes[node] != node {
            node = self.classes[node];
        }
        node
    }

    /// The sharded ones of these references.
    pub(super) fn sharded(&self, references: &[usize]) -> Vec<usize> {
        references.iter().copied().filter(|index| self.references[*index].sharded).collect()
    }

    /// True where the rows of all these sharded references are held together by their tenant.
    pub(super) fn is_one_class(&self, sharded: &[usize]) -> bool {
        sharded.windows(2).all(|pair| self.root(pair[0] + 1) == self.root(pair[1] + 1))
    }

    /// True where all sharded references of the block hang on the tenant of the block around it.
    pub(super) fn is_tied_to_parent(&self) -> bool {
        let all: Vec<usize> = (0..self.references.len()).collect();
        self.sharded(&all).iter().all(|index| self.root(index + 1) == 0)
    }
}
