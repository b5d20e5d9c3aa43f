//! What a store keeps of a move.

use serde::{Deserialize, Serialize};

use super::phase::Phase;
use crate::directory::{MoveMark, MoveStage, Scope};
use crate::ids::{Lsn, MoveId, ServerId};

/// One move, as a store keeps it beside the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMove {
    /// Its number.
    pub id: MoveId,
    /// What it moves.
    pub scope: Scope,
    /// The server that held the rows when the move began.
    pub from: ServerId,
    /// The server that will hold them.
    pub to: ServerId,
    /// What is true of it.
    pub phase: Phase,
    /// Rows that stand on the target by the copy.
    #[serde(default)]
    pub rows: u64,
    /// Bytes of the copy.
    #[serde(default)]
    pub bytes: u64,
    /// Failures of the present phase's step, one after the other.
    #[serde(default)]
    pub attempts: u32,
    /// Freezes that were lifted because they took too long.
    #[serde(default)]
    pub late: u32,
    /// Copies that were of no use any more and had to be made anew.
    #[serde(default)]
    pub lost: u32,
    /// The last failure, or why the move was aborted.
    #[serde(default)]
    pub error: Option<String>,
    /// How long statements of the moved tenants waited at the swap, in milliseconds.
    #[serde(default)]
    pub pause_ms: Option<u64>,
    /// What a replica of the target must have replayed since the swap, then since the end.
    #[serde(default)]
    pub target_floor: Lsn,
    /// What a replica of the source must have replayed since the swap, then since the end.
    #[serde(default)]
    pub source_floor: Lsn,
}

impl ShardMove {
    /// A move that has not begun.
    pub fn new(id: MoveId, scope: Scope, from: ServerId, to: ServerId) -> ShardMove {
        ShardMove {
            id,
            scope,
            from,
            to,
            phase: Phase::Planned,
            rows: 0,
            bytes: 0,
            attempts: 0,
            late: 0,
            lost: 0,
            error: None,
            pause_ms: None,
            target_floor: Lsn(0),
            source_floor: Lsn(0),
        }
    }

    /// The mark with which the move enters the directory.
    pub fn mark(&self) -> MoveMark {
        MoveMark {
            id: self.id,
            scope: self.scope.clone(),
            from: self.from,
            to: self.to,
            stage: MoveStage::Copying,
        }
    }

    /// What it moves, for people: `tenants 7,9` or `shards 0-99`.
    pub fn what(&self) -> String {
        match &self.scope {
            Scope::Tenants { keys, .. } => {
                let shown: Vec<&str> = keys.iter().take(10).map(String::as_str).collect();
                let rest = if keys.len() > shown.len() { ",..." } else { "" };
                format!("tenants {}{rest}", shown.join(","))
            }
            Scope::Shards(shards) => {
                let mut runs: Vec<(u32, u32)> = Vec::new();
                for shard in shards {
                    match runs.last_mut() {
                        Some((_, last)) if *last + 1 == shard.0 => *last = shard.0,
                        Some(_) | None => runs.push((shard.0, shard.0)),
                    }
                }
                let text = |(first, last): &(u32, u32)| {
                    if first == last { first.to_string() } else { format!("{first}-{last}") }
                };
                let shown: Vec<String> = runs.iter().take(10).map(text).collect();
                let rest = if runs.len() > shown.len() { ",..." } else { "" };
                format!("shards {}{rest}", shown.join(","))
            }
        }
    }
}
