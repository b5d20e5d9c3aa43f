//! What a move does next.
//!
//! A [`ShardMove`] is what a store keeps of a move. Its [`Phase`] is a fact; [`next_step`] says
//! what to do in it, [`advance`] what is then true, [`directory_change`] what statements must
//! learn with it. The proxy's `mover` does the steps.

mod phase;
mod planning;
mod shard_move;

pub use phase::{Outcome, Phase, Step, advance, directory_change, interrupted, next_step};
pub use planning::{PlanRefused, Request, already_there, parse_shards, parse_tenants, plan};
pub use shard_move::ShardMove;
