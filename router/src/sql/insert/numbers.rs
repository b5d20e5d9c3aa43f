//! Parameters, numbered anew: a part of a statement has some of them, and PostgreSQL wants to know the type
//! of each number up to the highest.

use std::collections::HashMap;

use pg_raw_parse::NodeMut;
use pg_raw_parse::transform::{Assignable, Transform, transform_node};

/// Gives parameters the numbers 1, 2, ... in the order in which they are met.
#[derive(Debug, Default)]
pub(in crate::sql) struct Renumber {
    /// The old numbers, in the order of the new ones.
    pub(in crate::sql) old: Vec<u32>,
    known: HashMap<u32, usize>,
}

impl Renumber {
    fn renumbered(&mut self, old: u32) -> i32 {
        let next = self.old.len() + 1;
        let new = *self.known.entry(old).or_insert(next);
        if new == next {
            self.old.push(old);
        }
        i32::try_from(new).unwrap_or(i32::MAX)
    }
}

impl<'mem> Transform<'mem> for Renumber {
    fn transform_node<'mutref>(&mut self, node: Assignable<'mem, 'mutref>) {
        match node.into_inner() {
            NodeMut::ParamRef(mut parameter) => {
                let old = u32::try_from(parameter.number).unwrap_or_default();
                let new = self.renumbered(old);
                parameter.set_number(new);
            }
            node => transform_node(node, self),
        }
    }
}
