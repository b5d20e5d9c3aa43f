//! PostgreSQL's own regression files, put to pgherd over several servers and to the oracle.
//!
//! | file | holds |
//! | --- | --- |
//! | `script` | a file of psql to the steps that a client would send |
//! | `run` | the steps, one by one, to both sides |
//! | `reasons` | why an answer may be another one |

mod reasons;
mod run;
mod script;

pub use reasons::Reason;
pub use run::{Count, Run};
pub use script::{Step, steps};
