//! Writes over rows of several servers: what they answer and what stands afterwards is what one
//! PostgreSQL with all the rows would answer and hold.
//!
//! | file | holds |
//! | --- | --- |
//! | `stage` | three servers, a pgherd over them and one PostgreSQL with the same rows; a session of each, told the same |
//! | `each_server` | writes that each server does for its own rows |
//! | `inserts` | INSERT whose rows belong to several servers |
//! | `copy` | COPY of the rows of several servers, out and in |
//! | `copied_in` | COPY FROM STDIN of rows of several servers, with every option |
//! | `returned` | what writes return: its tags, its bound |
//! | `references` | tables of which every server has a copy |
//! | `by_rows` | the same, written by rows of sharded tables |
//! | `chosen` | UPDATE and DELETE that need rows of other servers |
//! | `merges` | MERGE over several servers |
//! | `with` | CTEs that write or lock rows |
//! | `locked` | rows of several servers, locked |
#![allow(clippy::unwrap_used)]

mod by_rows;
mod chosen;
mod copied_in;
mod copy;
mod each_server;
mod inserts;
mod locked;
mod merges;
mod references;
mod returned;
mod stage;
mod with;
