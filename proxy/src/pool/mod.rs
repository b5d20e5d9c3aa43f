//! Connections lent to transactions.
//!
//! One [`Pools`] a fleet; within it one `Node` a host and port, and within that one pool a database
//! and user. A node's pools share one lock, held for a few lines and never over an await, and one
//! cap. Who finds no connection waits; waiters are served in turn among tenants, so one tenant's
//! burst does not starve the rest.
//!
//! | file | what |
//! | --- | --- |
//! | `settings` | the bounds |
//! | `pools` | checkout, checkin, reaping, draining, what an operator does |
//! | `node` | who gets a connection, may dial, or waits |
//! | `census` | the pools of a node, counted |
//! | `state` | one pool |
//! | `queue` | the fair queue |
//! | `shares` | how much of a pool one tenant may hold |
//! | `watch`, `times` | how the other tenants are while one holds most of a node |
//! | `heavy`, `allowance` | what that one may hold at once |
//! | `lent` | what is lent, and how it comes back |
//! | `returns` | waiting for what is lent to come back |
//! | `switch` | databases that are paused or disabled |
//! | `throttle` | how many statements of one tenant |
//! | `stats` | what `SHOW POOLS` shows |

#![allow(
    clippy::vec_box,
    reason = "connections are boxed for their whole life, so that lending moves a pointer"
)]

mod allowance;
mod census;
mod fault;
mod heavy;
mod lent;
mod node;
mod pools;
mod queue;
mod returns;
mod settings;
mod shares;
mod state;
mod stats;
mod switch;
mod throttle;
mod times;
mod watch;

pub use fault::CheckoutError;
pub use lent::{Fate, Lent};
pub use node::Computing;
pub use pools::{PoolHandle, Pools, Request};
pub use settings::PoolSettings;
pub use stats::{HeldBack, PoolStats};
pub use throttle::Admission;
