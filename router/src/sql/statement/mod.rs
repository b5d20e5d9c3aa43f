//! One statement, with everything that does not depend on parameters, session or directory.
//!
//! | file | tells |
//! | --- | --- |
//! | `learned` | the statement: its text, its kind, its parameters |
//! | `said` | how all of it is learned |
//! | `form` | which form it has |
//! | `effects` | what it calls and names |
//! | `rewritten` | the same in other words |

mod effects;
mod form;
mod learned;
mod rewritten;
mod said;

pub use learned::Statement;
