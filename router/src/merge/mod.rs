//! How rows of several servers become one result.

mod types;

pub use types::{Aggregate, AggregateKind, GroupPlan, Limit, MergePlan, Output, SortKey};
