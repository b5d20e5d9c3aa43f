//! What statements over several servers cost beside one PostgreSQL that has all the rows: two servers behind pgherd
//! and that one take turns within each round.
//!
//! | file | measures |
//! | --- | --- |
//! | `stage` | the servers, and the table of readings on them |
//! | `merge` | ORDER BY, GROUP BY and the rest that is merged; memory as results grow |
//! | `gather` | TPC-H |
//! | `commit` | COMMIT on one server and on two, and writes |
//! | `drain` | a client that only counts the rows of an answer |
//! | `clock` | how long something took, and how much of the processors |

mod clock;
mod commit;
mod drain;
mod gather;
mod merge;
mod stage;

pub use commit::{commits, writes};
pub use gather::gathered;
pub use merge::{memory, merged};
pub use stage::Stage;
