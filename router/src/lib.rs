//! The thinking of pgherd: what a statement means, where its rows live, how answers of several
//! servers become one, what a move does next.
//!
//! Nothing here does I/O, reads a clock, takes a lock or logs a line: everything is a function of
//! its arguments. `proxy` does what is decided here.
//!
//! | room | answers |
//! | --- | --- |
//! | [`ids`] | who: shards, servers, tenant keys and their hash |
//! | [`directory`] | where: shard and tenant -> server, and what moves are doing |
//! | [`catalog`] | what: tables, columns, collations, functions |
//! | [`sql`] | what a statement says (the only room that names the parser crate) |
//! | [`plan`] | what to do with a statement |
//! | [`merge`] | how rows of several servers become one result |
//! | [`copy`] | which tenant a row of COPY data belongs to |
//! | [`moves`] | what a move does next |
//! | [`sequences`] | how one sequence counts on several servers |

pub mod catalog;
pub mod copy;
pub mod directory;
pub mod ids;
pub mod merge;
pub mod moves;
pub mod plan;
pub mod sequences;
pub mod sql;
