//! Sequences over several servers: each server counts in a class of its own, so that no number comes
//! twice, and none of them asks another.
//!
//! A sequence that counts 1, 2, 3 ... with one server counts with a stride of 16 like this:
//!
//! ```text
//! server 0    1  17  33 ...      START 1  INCREMENT 16
//! server 1    2  18  34 ...      START 2  INCREMENT 16
//! ```
//!
//! The definitions themselves say it: nothing else is kept. The step that the sequence was made with is what
//! the starts of its servers differ by. So RESTART and TRUNCATE ... RESTART IDENTITY stay right by themselves.
//!
//! | file | holds |
//! | --- | --- |
//! | `counter` | a sequence on one server: its next value, its class |
//! | `spread` | the same sequence on all servers: are they apart, and how they are brought apart |

mod counter;
mod spread;

pub use counter::{Counter, Position};
pub use spread::{Unspreadable, are_apart, renumbered, spread, step};
