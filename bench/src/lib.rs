//! What `make bench` measures: what pgherd adds to a statement.
//!
//! The fleet benchmark runs one load in turns over three ways to one PostgreSQL: directly, through PgBouncer where
//! it is installed, and through pgherd. Since the ways take turns within each round, what else the machine does meanwhile
//! hits all of them, and the ratios hold where the figures alone would not.
//!
//! | file | holds |
//! | --- | --- |
//! | `load` | the tables and the statements |
//! | `pgbench` | one run of pgbench, and what it measured |
//! | `pgbouncer` | a PgBouncer over the same server |
//! | `processor` | the CPU time of a process |
//! | `contest` | the rounds |
//! | `report` | the table |
//! | `bulk` | the CPU time of a large result |
//! | `idle` | the memory of clients that say nothing |
//! | `page` | the tables' places in a page of the documentation |
//! | `spread` | statements over several servers beside one PostgreSQL |

mod bulk;
mod contest;
mod idle;
mod load;
mod page;
mod pgbench;
mod pgbouncer;
mod processor;
mod report;
pub mod spread;

pub use bulk::{Bulk, bulk};
pub use contest::{Contest, Entry, Lap};
pub use idle::{Idle, idle};
pub use load::{LOADS, Load, Protocol, fill};
pub use page::replace_tables;
pub use pgbench::{Pgbench, Run};
pub use pgbouncer::PgBouncer;
pub use processor::{allow_sockets, pin};
pub use report::table;
