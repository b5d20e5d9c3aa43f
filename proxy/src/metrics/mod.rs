//! What pgherd counts and measures, for `/metrics`. A [`Metrics`] is handed around; nothing is global.
//!
//! Labels are few by construction: databases, servers, nodes, ways, roles, classes of SQLSTATEs,
//! users that the configuration knows, and the busiest tenants, bounded in number; never statements. What is counted at every statement is reached
//! through [`SessionCounters`], [`DatabaseMetrics`] and [`ServerMetrics`], which are looked up once and
//! kept, and costs no lock.

mod handles;
mod histogram;
mod labels;
mod registry;
mod sessions;
mod stripe;
mod sums;
mod tenants;
mod traffic;

pub use handles::{DatabaseMetrics, ServerMetrics};
pub use histogram::Histogram;
pub use labels::{LoginOutcome, MoveOutcome, Way};
pub use registry::Metrics;
pub use sessions::{Count, SessionBook, SessionCounters, Sums, Totals, Whose, rows_of};
pub use stripe::{Apart, STRIPES, stripe};
pub use tenants::{TenantTotals, Tenants};
pub use traffic::{Traffic, TrafficBook};
