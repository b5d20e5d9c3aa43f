//! The directory that statements use now: published by a swap, kept by a store, entered by passes.
//!
//! [`LiveDirectory`] is one database's. A change goes to the [`Store`] first and is published then.
//! A transaction takes a [`Pass`] for the version it was planned with; who publishes a version can
//! wait until nothing of older ones runs any more.

mod file;
mod live;
mod passes;
mod store;

pub use file::FileStore;
pub use live::{ApplyError, LiveDirectory, NearDirectory};
pub use passes::{MovedOn, Pass, Touch};
pub use store::{Record, Store, StoreError, open};
