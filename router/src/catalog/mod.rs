//! What the servers hold: relations with their columns and tenant column, functions with their
//! volatility. Built by the proxy from PostgreSQL's own catalog; immutable.
//!
//! A name that the catalog does not know is never guessed at: [`Catalog::relation`] answers `None`
//! and the planner fails closed.

#[cfg(test)]
pub(crate) mod fixture;
mod snapshot;

pub use snapshot::{
    Catalog, Collation, Column, FunctionFacts, Relation, RelationKind, SearchPath, View, Volatility, Writer,
    Written, is_of_user,
};
