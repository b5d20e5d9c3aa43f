//! What pgherd counts and measures, for `/metrics`. A [`Metrics`] is handed around; nothing is global.
//!
//! Labels are few by construction: databases, servers, nodes, ways, roles, classes of SQLSTATEs;
//! never tenants, users or statements. What is counted at every statement is reached through
//! [`DatabaseMetrics`] and [`ServerMetrics`], which are looked up once and kept.

mod handles;
mod labels;
mod registry;

pub use handles::{DatabaseMetrics, ServerMetrics};
pub use labels::{LoginOutcome, MoveOutcome, Way};
pub use registry::Metrics;
