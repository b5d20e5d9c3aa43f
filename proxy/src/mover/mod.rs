//! The interpreter of moves: `router::moves` says what to do next, each file here does one step.
//!
//! | file | step |
//! | --- | --- |
//! | [`service`](self) | what others ask: start, list, abort, gc; one task a move |
//! | `run` | step after step, each outcome kept by the store before the next |
//! | `check` | what forbids a move, listed before it begins |
//! | `prepare` | bookkeeping, nobody without the mark |
//! | `copy` | slot, publication, origin; the rows of one snapshot |
//! | `stream/` | what changed since, applied in commit order, nothing twice |
//! | `verify` | both sides compared at one point of the log |
//! | `fence` | arm, acknowledge, approach, cut, thaw |
//! | `swap` | drain, floors |
//! | `clean` | clean, undo, gc |
//!
//! Every step can be run again from its start, whatever died in the middle of it.

mod bookkeeping;
mod check;
mod clean;
mod copy;
mod failpoint;
mod fault;
mod fence;
mod names;
mod prepare;
mod report;
mod run;
mod service;
mod site;
mod stream;
mod swap;
mod tables;
mod tenants;
mod verify;

pub use bookkeeping::ensure as ensure_bookkeeping;
pub use check::Finding;
pub use report::MoveReport;
pub use service::{AbortError, Mover, StartError};
#[doc(hidden)]
pub use stream::hostile_change;
