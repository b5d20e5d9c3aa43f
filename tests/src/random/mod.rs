//! Random statements over a small world, for pgherd and the oracle to answer alike.
//!
//! A [`Grammar`] writes [`Unit`]s: statements or transactions whose answers PostgreSQL determines. A [`Duel`] puts each to
//! both sides, in all the ways a client may ask, and a [`Tally`] counts what came of it. The same seed gives the same units.

mod aggregates;
mod answers;
mod conflicts;
mod copies;
mod cursors;
mod duel;
mod ends;
mod expressions;
mod faults;
mod functions;
mod grammar;
mod integers;
mod literals;
mod locks;
mod merges;
mod open;
mod predicates;
mod queries;
mod recursion;
mod references;
mod scripts;
mod select;
mod sets;
mod sources;
mod subqueries;
mod tables;
mod tactics;
mod tally;
mod texts;
mod through;
mod units;
mod updates;
mod windows;
mod world;
mod writes;

pub use answers::{Outcome, Reply, Way};
pub use duel::Duel;
pub use grammar::Grammar;
pub use tally::Tally;
pub use units::{Order, Statement, Unit};
pub use world::{KeyType, World};
