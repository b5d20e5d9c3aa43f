//! Queries and writes over rows: whose rows, hence which server, hence how.
//!
//! | file | plans |
//! | --- | --- |
//! | `decide` | what holds for all of them, and who plans which |
//! | `anywhere` | no sharded table: one server that has it all, or all of them |
//! | `tenant` | the session names its tenant |
//! | `keys` | the statement says whose rows it concerns, or it concerns all |
//! | `several` | rows of several servers |

mod anywhere;
mod decide;
mod keys;
mod several;
mod tenant;

pub(super) use decide::decide;
