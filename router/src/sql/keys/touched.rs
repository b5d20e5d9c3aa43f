//! The relations that a statement names.

use std::sync::Arc;

use super::set::KeySet;
use crate::catalog::Relation;

/// What a statement touches.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// References to sharded tables, and to views over them.
    pub(crate) sharded: Vec<Reference>,
    /// Reference tables and views over them, and sequences, that are read.
    pub(crate) reads: Vec<Arc<Relation>>,
    /// Reference tables that are written.
    pub(crate) writes: Vec<Arc<Relation>>,
    /// Columns of reference tables that an INSERT leaves to their defaults.
    pub(crate) defaulted: Vec<String>,
    /// Tables that only one server may hold.
    pub(crate) unsafe_tables: Vec<Arc<Relation>>,
    /// Names that the catalog does not know.
    pub(crate) unknown: Vec<String>,
    /// A relation of `pg_catalog` or `information_schema`.
    pub(crate) system: bool,
    /// An update gives the tenant column these keys.
    pub(crate) reassigned: Vec<KeySet>,
    /// The key of each row of VALUES that is inserted, where the statement spells it out.
    pub(crate) row_keys: Vec<Option<KeySet>>,
    /// Parameters that stand in a place where the server infers the tenant column's type: (number,
    /// how often).
    pub(crate) key_parameters: Vec<(u16, usize)>,
    /// How many names of relations were understood.
    pub(crate) understood: usize,
}

/// A reference to a sharded table.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    /// The table or view.
    pub(crate) relation: Arc<Relation>,
    /// What is done with it.
    pub(crate) used: Use,
    /// Whose rows.
    pub(crate) keys: KeySet,
}

/// What is done with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Its rows are read.
    Read,
    /// Its rows are updated, deleted or locked in other ways.
    Change,
    /// Rows are inserted, with these keys.
    Insert,
    /// Rows are inserted, and their keys are not certain.
    InsertUnknown,
    /// Rows are inserted without a value for the tenant column.
    InsertMissing,
}
