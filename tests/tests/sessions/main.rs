//! A session through pgherd is a session with PostgreSQL, whichever connections serve it.
//!
//! | file | holds |
//! | --- | --- |
//! | `stage` | two servers and a pgherd over them |
//! | `pipelines` | pipelines: their order, their errors, their transactions |
//! | `statements` | prepared statements and what is told of them |
//! | `settings` | settings: where they hold, and how they end |
//! | `portals` | portals, cursors and COPY |
//! | `ddl` | schema changes, as the session that makes them and the others see them |
//! | `lives` | how sessions, their transactions and their connections live and end |
#![allow(clippy::unwrap_used)]

mod ddl;
mod lives;
mod pipelines;
mod portals;
mod settings;
mod stage;
mod statements;
