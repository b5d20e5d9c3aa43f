//! The admin console: the database `pgherd` (or `pgbouncer`), for any PostgreSQL client, as the admin
//! user, or as one that may only look.
//!
//! | file | what |
//! | --- | --- |
//! | `serve` | the loop over a client's messages |
//! | `words` | a command's text -> what is asked |
//! | `table` | an answer |
//! | `show` | the subjects of SHOW |
//! | `pooler` | what PgBouncer's users look at: pools, clients, server connections |
//! | `stats` | what sessions did |
//! | `acting` | PAUSE, KILL and the like |
//! | `placement` | where rows are |
//! | `board` | the web page's tables |
//! | `moving` | moves: start, show, abort |
//! | `sequences` | sequences over several servers |
//! | `schema` | changes of the schema that are not done on all servers |

mod acting;
mod board;
mod moving;
mod placement;
mod pooler;
mod schema;
mod sequences;
mod serve;
mod show;
mod stats;
mod table;
mod words;

pub use board::board;
pub use serve::serve;
