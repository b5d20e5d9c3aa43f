//! `pgherd demo`: a fleet of real PostgreSQL servers with replicas in one folder, a small SaaS schema
//! loaded through the proxy, and the daemon in front of it, until Ctrl-C.
//!
//! | file | what |
//! | --- | --- |
//! | `run` | the whole, top to bottom |
//! | `binaries` | where PostgreSQL is, and as whom it runs |
//! | `cluster` | servers and replicas: made, started, stopped |
//! | `schema` | the tables |
//! | `load` | the rows, through the proxy |
//! | `advice` | what to try |

mod advice;
mod binaries;
mod cluster;
mod load;
mod run;
mod schema;

pub use run::{DemoOptions, run};
