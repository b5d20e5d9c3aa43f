//! TPC-H sharded by customer: its rows and its queries.

mod queries;
mod rows;

pub use queries::{Query, queries};
pub use rows::{Rows, TABLES};
