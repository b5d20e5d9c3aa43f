//! How rows of several servers become one result.
//!
//! | file | holds |
//! | --- | --- |
//! | `types` | what the planner asks for |
//! | `merger` | the merge that the proxy drives |
//! | `bounds` | OFFSET, LIMIT and memory of one execution |
//! | `row` | DataRow messages and their fields |
//! | `heap` | which leg's row comes first |
//! | `value`, `compare` | values and orders as PostgreSQL has them |
//! | `numeric`, `decimal` | the `numeric` type and its arithmetic |
//! | `distinct`, `group`, `aggregate` | what must remember rows |
//! | `error` | why a merge cannot go on |

mod aggregate;
mod bounds;
mod compare;
mod decimal;
mod distinct;
mod error;
mod group;
mod heap;
mod merger;
mod numeric;
mod row;
#[cfg(test)]
mod tests;
mod types;
mod value;

pub use bounds::Bounds;
pub use error::{Clause, MergeError};
pub use merger::{LegColumn, Merger, Step};
pub use types::{Aggregate, AggregateKind, GroupPlan, Limit, MergePlan, Output, SortKey};
