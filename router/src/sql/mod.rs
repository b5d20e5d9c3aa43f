//! What a statement says: the only room that names the parser crate.

mod rewrite;
mod shape;

pub use rewrite::Filter;
pub(crate) use rewrite::{restrict_statement, restrict_text, trees};
pub(crate) use shape::split;

/// The tree of one statement.
pub(crate) type Tree = pg_raw_parse::nodes::RawStmt;
