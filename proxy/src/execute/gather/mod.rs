//! Statements that one server computes over rows of several: the legs' rows are collected, and handed to
//! the statement.
//!
//! | file | what |
//! | --- | --- |
//! | `run` | the whole way of a statement |
//! | `collect` | the legs' rows, from all servers at once |
//! | `keys` | what is asked for first, so that less is sent |
//! | `place` | which server computes the statement |
//! | `arrays` | rows as PostgreSQL's arrays, their bytes untouched |
//! | `answer` | the statement over what was collected |
//! | `tables` | many rows: temporary tables |
//! | `explain` | what it would do, and did |
//! | `bracket` | one snapshot a server where no transaction is open |

mod answer;
mod arrays;
mod bracket;
mod collect;
pub(super) mod explain;
mod keys;
mod place;
mod run;
mod tables;

pub(super) use run::run;
