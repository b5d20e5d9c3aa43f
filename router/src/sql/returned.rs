//! What RETURNING gives of other tables than the written one, where rows are chosen first and written by their keys:
//! it is chosen with them, and stands in the statement for a row as a parameter.

use std::ops::ControlFlow;

use pg_raw_parse::Node;
use pg_raw_parse::make::{MemoryToken, Unique};
use pg_raw_parse::nodes::{ColumnRef, RawStmt, ResTargetMut, ReturningClause};
use pg_raw_parse::transform::{Assignable, Transform, transform_node, transform_res_target};
use pg_raw_parse::walk::{Recurse, walk_manual};

use super::chosen::{any, names_only, number_of, refuse};
use super::shape::{fields_of, output_name};
use crate::catalog::Relation;
use crate::plan::Refusal;

/// Columns of other tables, as RETURNING names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Foreign {
    columns: Vec<Vec<String>>,
    /// The column of `choose` that the first of them is.
    first: usize,
}

impl Foreign {
    /// RETURNING of a statement that names no other table: it gives columns of the written one.
    pub(super) fn none(returning: Option<&ReturningClause>, first: usize) -> Result<Foreign, Refusal> {
        let is_subquery = |node: Node<'_>| matches!(node, Node::SubLink(_));
        match returning.is_some_and(|returning| returning.exprs().iter().any(|item| any(item, is_subquery))) {
            true => Err(unknown()),
            false => Ok(Foreign { columns: Vec::new(), first }),
        }
    }

    /// What RETURNING names beside the written table, which has this name; numbered from `first` on.
    pub(super) fn of(
        returning: Option<&ReturningClause>,
        (name, relation): (&str, &Relation),
        first: usize,
    ) -> Result<Foreign, Refusal> {
        let mut foreign = Foreign { columns: Vec::new(), first };
        let items = returning.into_iter().flat_map(|returning| returning.exprs().iter());
        for item in items.filter(|item| !names_only(*item, name, relation)) {
            let other = walk_manual(item, |node| match node {
                Node::ColumnRef(_) if names_only(node, name, relation) => Recurse::yes(),
                Node::ColumnRef(column) => match fields_of(column) {
                    Some(fields) => {
                        foreign.add(&fields);
                        Recurse::yes()
                    }
                    None => ControlFlow::Break(()),
                },
                Node::SubLink(_) | Node::CurrentOfExpr(_) => ControlFlow::Break(()),
                _ => Recurse::yes(),
            });
            if other.is_some() {
                return Err(unknown());
            }
        }
        Ok(foreign)
    }

    fn add(&mut self, fields: &[&str]) {
        if !self.columns.iter().any(|known| known == fields) {
            self.columns.push(fields.iter().map(|field| (*field).to_owned()).collect());
        }
    }

    /// Numbers them from another column of `choose` on.
    pub(super) fn begin_at(&mut self, first: usize) {
        self.first = first;
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Which columns of `choose` they are.
    pub(super) fn places(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.columns.len()
    }

    /// As columns of a SELECT.
    pub(super) fn nodes<'mem>(&self, mem: MemoryToken<'mem>) -> Vec<Unique<'mem, Node<'mem>>> {
        let node = |fields: &Vec<String>| {
            let fields: Vec<Unique<'mem, Node<'_>>> =
                fields.iter().map(|field| mem.make_string(Some(field)).uncast()).collect();
            mem.make_column_ref(mem.make_list(&fields)).uncast()
        };
        self.columns.iter().map(node).collect()
    }

    /// Puts parameters in their places. The outputs keep their names.
    pub(super) fn replace<'mem>(
        &self,
        copy: &mut Unique<'mem, &'mem RawStmt>,
        mem: MemoryToken<'mem>,
        own: u16,
    ) -> Result<(), Refusal> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let mut slots = Slots { foreign: self, mem, own, failed: false };
        slots.transform_raw_stmt(copy.as_mut());
        if slots.failed { Err(refuse("RETURNING of this form")) } else { Ok(()) }
    }
}

struct Slots<'mem, 'a> {
    foreign: &'a Foreign,
    mem: MemoryToken<'mem>,
    own: u16,
    /// True after an output could not be named.
    failed: bool,
}

impl Slots<'_, '_> {
    /// The number of the parameter that stands for this column.
    fn number(&self, column: &ColumnRef) -> Option<i32> {
        let fields = fields_of(column)?;
        let place = self.foreign.columns.iter().position(|known| *known == fields)?;
        Some(number_of(self.own, self.foreign.first + place))
    }
}

impl<'mem> Transform<'mem> for Slots<'mem, '_> {
    fn transform_res_target<'mutref>(&mut self, mut node: ResTargetMut<'mem, 'mutref>) {
        if node.name().is_none() {
            match output_name(node.val()) {
                Some(name) if name != "?column?" => node.set_name(Some(self.mem.copy_string(&name))),
                Some(_) => {}
                None => self.failed = true,
            }
        }
        transform_res_target(node, self);
    }

    fn transform_node<'mutref>(&mut self, node: Assignable<'mem, 'mutref>) {
        let number = match node.as_ref() {
            Node::ColumnRef(column) => self.number(column),
            _ => None,
        };
        match number {
            Some(number) => node.replace(self.mem.make_param_ref(number).uncast()),
            None => transform_node(node.into_inner(), self),
        }
    }
}

fn unknown() -> Refusal {
    refuse("RETURNING a subquery, or all columns of another table than the written one")
}
