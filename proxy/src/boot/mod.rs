//! How a database comes up: its directory opened or made for the first time, its bookkeeping tables
//! in place, its servers those of the configuration.
//!
//! | file | holds |
//! | --- | --- |
//! | `open` | the directory of a database, opened or begun |
//! | `survey` | which server holds rows already, and of which tenants |
//! | `bookkeeping` | the tables of schema `pgherd` |

mod bookkeeping;
mod open;
mod survey;

pub use bookkeeping::{BookkeepingFailed, keep_books};
pub use open::{BootError, open};
pub use survey::Stray;
