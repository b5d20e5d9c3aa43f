//! The doing: the daemon `pgherd`, room by room.
//!
//! Arrows go one way: client -> execute -> pool -> server -> net -> wire. Anyone may name
//! router, auth, config, error and metrics.

pub mod auth;
pub mod boot;
pub mod catalog;
pub mod check;
pub mod client;
pub mod config;
pub mod console;
pub mod deadlocks;
pub mod demo;
pub mod directory;
pub mod error;
pub mod execute;
pub mod fleet;
#[cfg(test)]
mod imports;
pub mod in_turn;
pub mod metrics;
pub mod mover;
pub mod net;
pub mod pool;
pub mod replicas;
pub mod sequences;
pub mod serve;
pub mod server;
pub mod web;
pub mod wire;
