//! The harness of the whole-system tests: real PostgreSQL servers with streaming replicas, the real daemon,
//! a plain PostgreSQL that holds all the rows (the oracle), and faults.
//!
//! A suite is one integration-test binary in `tests/tests`, with one fleet where its state allows. Everything a
//! fleet started is ended with it, also when the test panics or its process is killed (see [`mod@fleet`]).

mod answer;
mod authority;
mod bank;
mod binaries;
pub mod corpus;
mod daemon;
mod database;
mod fleet;
pub mod frames;
mod load;
mod node;
mod oracle;
mod otherwise;
pub mod parsers;
mod ports;
mod process;
mod psql;
pub mod random;
mod reaper;
pub mod regress;
mod relay;
mod seed;
mod server;
mod session;
mod template;
pub mod tpch;
mod until;

pub use answer::{Answer, Column, Fault};
pub use authority::{Authority, Identity};
pub use bank::{Bank, TENANT_TOTAL};
pub use binaries::{herdctl, pgherd, postgres_binaries};
pub use daemon::{Daemon, DaemonBuilder};
pub use database::{APP_PASSWORD, APP_USER, connect};
pub use fleet::{Fleet, FleetBuilder};
pub use load::{Load, Tally};
pub use node::Node;
pub use oracle::Oracle;
pub use ports::free_port;
pub use process::Signal;
pub use psql::psql;
pub use relay::{Relay, Weather};
pub use seed::Seed;
pub use server::Server;
pub use session::{Message, Session, cancel, cancel_request, cancel_with};
pub use until::until;
