//! Deadlocks over several servers, which no server sees: each has only its own part of the cycle.
//!
//! Transactions with branches on several servers are on a list. While two of them last longer than usual, their
//! servers are asked who waits for whom. A cycle that stands at two looks is broken: a transaction that has only begun its
//! first statement gives way and begins anew, which nobody notices; else the youngest gets PostgreSQL's 40P01. A cycle that
//! one server sees is left to that server then. Transactions of one server are never listed, and cost nothing.
//!
//! | file | holds |
//! | --- | --- |
//! | `list` | the transactions over several servers |
//! | `cycle` | who waits for whom, and for himself in the end |
//! | `look` | the looking |

mod cycle;
mod list;
mod look;

pub use list::{Listed, Transactions};
pub use look::run;
