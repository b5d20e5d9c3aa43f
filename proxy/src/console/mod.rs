//! The admin console: the database `pgherd`, for any PostgreSQL client, as the admin user.
//!
//! | file | what |
//! | --- | --- |
//! | `serve` | the loop over a client's messages |
//! | `words` | a command's text -> what is asked |
//! | `table` | an answer |
//! | `show` | the SHOW commands |
//! | `moving` | moves: start, show, abort |

mod moving;
mod serve;
mod show;
mod table;
mod words;

pub use serve::serve;
