//! The statements that sharding proxies get wrong: read from `tests/corpus`, run through pgherd and on the oracle.
//!
//! A corpus is a folder: `schema.sql` and `reference.sql` run on both sides, `data.sql` fills the oracle and is copied from
//! there through pgherd, `oracle.sql` runs on the oracle only, and every other file holds cases, one a line (see [`Case`]).

mod case;
mod compare;
mod judge;
mod report;
mod stage;

pub use case::{Case, Expectation, read_cases};
pub use compare::{Verdict, compare};
pub use judge::Judge;
pub use report::Report;
pub use stage::{Contents, Stage};
