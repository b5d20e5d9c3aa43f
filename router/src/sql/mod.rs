//! What a statement says: the only room that names the parser crate.

mod rewrite;

pub use rewrite::Filter;
