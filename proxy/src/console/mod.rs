//! The admin console: the database `pgherd`, for any PostgreSQL client, as the admin user.
//!
//! | file | what |
//! | --- | --- |
//! | `serve` | the loop over a client's messages |
//! | `words` | a command's text -> what is asked |
//! | `table` | an answer |
//! | `show` | the SHOW commands |
//! | `board` | the web page's tables |
//! | `moving` | moves: start, show, abort |

mod board;
mod moving;
mod serve;
mod show;
mod table;
mod words;

pub use board::board;
pub use serve::serve;
