//! The same statement over fewer rows: each sharded table reads, updates and deletes as if the rows of
//! other tenants, or the rows that a move hides, were not there.
//!
//! The tree is copied, predicates are added, the tree is printed. What is not known by name is
//! refused, never skipped.
//!
//! | file | holds |
//! | --- | --- |
//! | `filter` | which rows remain, as SQL |
//! | `block` | the walk over the query blocks, with the names of CTEs |
//! | `from` | where the predicate of one table reference belongs |
//! | `replace` | when a reference may become a subquery |
//! | `allowed` | the kinds of node that are known |
//! | `print` | tree to text, checked |

mod allowed;
mod block;
mod filter;
mod from;
mod print;
mod replace;
#[cfg(test)]
mod tests;

pub(crate) use block::{restrict_statement, restrict_text};
pub use filter::Filter;
pub(crate) use print::{print, quoted_relation, trees};
