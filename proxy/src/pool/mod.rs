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
//! | `pools` | checkout, checkin, reaping, draining |
//! | `node` | who gets a connection, may dial, or waits |
//! | `queue` | the fair queue |
//! | `lent` | what is lent, and how it comes back |
//! | `stats` | what `SHOW POOLS` shows |

mod fault;
mod lent;
mod node;
mod pools;
mod queue;
mod settings;
mod stats;

pub use fault::CheckoutError;
pub use lent::{Fate, Lent};
pub use pools::{Pools, Request};
pub use settings::{PoolSettings, settings_fingerprint};
pub use stats::PoolStats;
