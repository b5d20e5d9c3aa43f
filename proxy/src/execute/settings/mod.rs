//! A session's settings, and how they come to be on whatever connection it gets.
//!
//! | file | holds |
//! | --- | --- |
//! | `setting` | one setting, as the text of the statement that makes it |
//! | `state` | those of a session at one moment |
//! | `session` | what SET, RESET, transactions and savepoints make of them |
//! | `difference` | the statements that bring a connection to them |

mod difference;
mod session;
mod setting;
mod state;
#[cfg(test)]
mod tests;

pub use difference::{difference, forget, forget_encoding};
pub use session::{Aside, Replaced, Settings};
pub use setting::Setting;
pub use state::State;
