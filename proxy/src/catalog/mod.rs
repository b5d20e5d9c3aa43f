//! What the servers hold, read from PostgreSQL's own catalog and kept true.
//!
//! | file | holds |
//! | --- | --- |
//! | `facts` | what is read: rows of PostgreSQL's catalog as they stand |
//! | `questions` | the question that reads them |
//! | `build` | pure: facts -> [`router::catalog::Catalog`] |
//! | `sharding` | pure: which tables can be sharded, and why others can not |
//! | `views` | pure: what a view reads in the end |
//! | `plain`, `writers` | pure: what code cannot read, and what it writes |
//! | `compare` | pure: where servers hold different things |
//! | `defaults` | the database itself: its collation, and the settings that sessions begin with |
//! | `live` | the published catalog, renewed after DDL and from time to time |

mod build;
mod compare;
mod defaults;
mod facts;
mod live;
mod plain;
mod questions;
mod sharding;
mod through;
mod views;
mod writers;

pub use build::build;
pub use compare::{Difference, Drift};
pub use defaults::{Defaults, unequal};
pub use facts::Facts;
pub use live::{LiveCatalog, RefreshFailed};
pub use questions::{ReadError, question, read};
