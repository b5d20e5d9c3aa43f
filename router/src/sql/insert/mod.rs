//! INSERT whose rows belong to several servers: what must be computed before anybody can say where a row
//! belongs, and the text for the rows of one server.
//!
//! | file | holds |
//! | --- | --- |
//! | `reading` | the statement, read for its rows |
//! | `columns` | the columns that an INSERT fills, and the defaults that must not differ |
//! | `values` | the rows of VALUES, cell by cell |
//! | `question` | the SELECT that computes what the statement does not spell out |
//! | `part` | the text for some of the rows |
//! | `numbers` | parameters, numbered anew |

mod columns;
mod numbers;
mod part;
mod question;
mod reading;
mod values;

pub(crate) use columns::Columns;
pub(super) use numbers::Renumber;
pub(super) use part::default_of;
pub(crate) use part::{Cell, part_text};
pub use question::Question;
pub(crate) use reading::{Conflict, Reading, Rows, columns_of, read_copies, read_insert};
pub(crate) use values::{Source, Values};
