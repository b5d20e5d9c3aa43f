//! Frame for frame, pgherd says what one PostgreSQL says: the same messages go to an oracle and through
//! pgherd, and the answers are compared byte by byte. Every case runs on a reference table, on a sharded
//! table in a session that names a tenant, and, where it says so, on a sharded table over all servers.
//!
//! | file | holds |
//! | --- | --- |
//! | `judge` | a session of pgherd and one of the oracle that are told the same; where the rows are; how the answers are compared |
//! | `simple` | simple queries, and what is reported of settings |
//! | `pipelines` | pipelines |
//! | `prepared` | prepared statements |
//! | `portals` | portals |
//! | `copy` | COPY |
//! | `others` | all other messages, and those that are none |
#![allow(clippy::unwrap_used)]

mod copy;
mod judge;
mod others;
mod pipelines;
mod portals;
mod prepared;
mod simple;
