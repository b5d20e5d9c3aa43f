//! The interpreter of plans: what the router decided is done here, on real connections.
//!
//! | file | what |
//! | --- | --- |
//! | `executor` | the session's hand on the servers, and what it reads statements with |
//! | `planned` | a statement's plan, with its permit |
//! | `opening`, `lending` | the branches that a plan needs, and their connections |
//! | `run` | one statement, from its plan to its answer |
//! | `merge`, `gather`, `everywhere`, `copy_in`, `explain` | the ways that are more than one server's bytes |
//! | `insert`, `matched`, `chosen`, `staged` | writes whose rows belong to several servers |
//! | `copies`, `chosen_copies`, `settled` | writes of tables of which every server has a copy |
//! | `stored` | rows of all servers, stored where no tenant owns them |
//! | `locked` | the first rows of several servers, locked |
//! | `inner`, `answered` | statements that are parts of the client's, and what they answer |
//! | `arguments` | what EXECUTE gives a prepared statement |
//! | `temporary` | the names that the session's connection knows alone |
//! | `in_turn` | what cannot run in a transaction: on one server after the other |
//! | `numbers` | what sequences gave the session |
//! | `sequences`, `set_values` | sequences over several servers: kept apart, set |
//! | `room` | what a transaction allocates, handed on to the next |
//! | `route` | what a session needs to reach a server |
//! | `at_once` | a plan and a connection where nothing must be waited for |
//! | `passing` | a server's replies passed on as they were read |
//! | `alike` | what many sessions have alike, kept once |
//! | `relay`, `reported` | a server's replies to the client, and what it knows of parameters |
//! | `aim` | where a server's error points in the client's text |
//! | `pipeline`, `prepared`, `described`, `leg` | the extended protocol towards servers |
//! | `transaction`, `branches`, `finish`, `two_phase`, `recovery`, `decisions` | transactions over servers |
//! | `filling` | values that ALTER TABLE computed for rows that were there |
//! | `tenancy` | rows that would change their server with the schema |
//! | `together` | the snapshots of several servers, between commits |
//! | `isolation` | what a transaction may see of the others |
//! | `whole` | values that travel as text, and when they cannot |
//! | `encoding` | which plans are exact for a client that does not write UTF-8 |
//! | `settings`, `control` | a session's state on whatever connection it gets |
//! | `count` | what statements are counted and timed as |
//! | `rows`, `clock`, `cancel`, `trouble` | where rows go, what time it is, how a statement ends early |

mod aim;
pub mod alike;
mod answered;
mod arguments;
pub mod at_once;
pub mod branches;
pub mod cancel;
mod chosen;
mod chosen_copies;
pub mod clock;
mod control;
mod copies;
mod copy_in;
mod copy_out;
mod count;
mod decisions;
pub mod described;
mod encoding;
mod everywhere;
pub mod executor;
mod explain;
mod failpoint;
mod filling;
pub mod finish;
mod gather;
mod in_turn;
mod inner;
mod insert;
mod isolation;
mod keep;
mod leg;
mod lending;
mod locked;
mod matched;
mod merge;
mod numbers;
pub mod opening;
pub mod passing;
mod pipeline;
pub mod planned;
pub mod prepared;
pub mod recovery;
pub mod relay;
pub mod reported;
mod room;
mod route;
pub mod rows;
pub mod run;
mod sequences;
mod set_values;
pub mod settings;
mod settled;
mod staged;
mod stored;
mod temporary;
mod tenancy;
mod together;
pub mod transaction;
pub mod trouble;
mod two_phase;
mod whole;
