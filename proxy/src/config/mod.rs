//! The configuration: one TOML file, read once at start and again on SIGHUP.
//!
//! | file | holds |
//! | --- | --- |
//! | `settings` | what a configuration says: plain structs with their defaults |
//! | `read` | the file's tables -> settings, each key by name |
//! | `reload` | what of a newer configuration can be put in force without a restart |
//! | `amended` | keys that an operator sets while the daemon runs |
//! | `section` | one table under reading: takes keys, notes faults, knows what was left over |
//! | `value` | one value: durations, sizes, addresses, words |
//! | `check` | what the parts of a file must say about each other |
//! | `fault` | what is wrong, and where |

mod amended;
mod auth;
mod check;
#[cfg(test)]
mod example;
mod fault;
mod read;
mod reload;
mod section;
mod settings;
mod value;

pub use amended::Amendments;
pub use check::{CONSOLE, CONSOLE_ALIAS};
pub use fault::{Fault, Faults};
pub use settings::*;
