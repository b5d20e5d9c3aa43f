//! Changes of the schema that cannot run in a transaction, and so run on one server after the other: what is
//! on record of them, and how an operator lets one go on.
//!
//! `router::sql::InTurn` says what each may have left behind where it failed; `execute::in_turn` runs them for
//! clients. The record stands in `pgherd.in_turn` on the home server, from before the first server begins until
//! the last is done. Whoever is at one holds an advisory lock of its number there, on the connection that
//! wrote it: so nobody resumes what is still running.
//!
//! | file | holds |
//! | --- | --- |
//! | `records` | the table: opened, noted in, closed |
//! | `resume` | going on from the console, and forgetting |

mod records;
mod resume;

pub use records::{Opened, Record, Unfinished, Work, unfinished};
pub use resume::{Failed, forget, resume};
