//! Where: the versioned map shard -> server and tenant -> server, with what moves are doing to it.
//!
//! [`Directory`] is immutable once built: a statement takes one and keeps it. [`change`] makes the
//! next version from it; the proxy stores that first and publishes it then.

mod change;
mod snapshot;

pub use change::{Change, ChangeRefused, Start, change, start};
pub use snapshot::{Directory, MoveMark, MoveStage, Place, Scope, Stored};
