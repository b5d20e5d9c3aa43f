//! What people see of a move.

use std::sync::atomic::{AtomicU64, Ordering};

use router::directory::Directory;
use router::moves::ShardMove;
use serde::Serialize;

/// A move's figures while it runs; read by the console, never by a step.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Rows copied so far.
    pub rows: AtomicU64,
    /// Bytes copied so far.
    pub bytes: AtomicU64,
    /// How far the target is behind the source, in bytes of log.
    pub lag_bytes: AtomicU64,
    /// Row changes applied from the stream.
    pub changes: AtomicU64,
}

/// A move, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MoveReport {
    /// Its number.
    pub id: u64,
    /// Its phase; `done` and `aborted` are final.
    pub phase: String,
    /// What it moves: `tenants 7,9` or `shards 0-99`.
    pub what: String,
    /// The source's name.
    pub from: String,
    /// The target's name.
    pub to: String,
    /// Rows copied.
    pub rows: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// Row changes applied since the copy.
    pub changes: u64,
    /// How far the target is behind the source, in bytes of log.
    pub lag_bytes: u64,
    /// How long statements waited at the swap; absent before it.
    pub pause_ms: Option<u64>,
    /// Freezes lifted because they took too long.
    pub late: u32,
    /// Failures of the present step, one after the other.
    pub attempts: u32,
    /// The last failure, or why it was aborted.
    pub error: Option<String>,
}

impl MoveReport {
    /// True once it is done or aborted.
    pub fn is_over(&self) -> bool {
        matches!(self.phase.as_str(), "done" | "aborted")
    }

    pub(super) fn of(
        shard_move: &ShardMove,
        directory: &Directory,
        progress: Option<&Progress>,
    ) -> MoveReport {
        let figure = |read: fn(&Progress) -> &AtomicU64| {
            progress.map_or(0, |progress| read(progress).load(Ordering::Relaxed))
        };
        MoveReport {
            id: shard_move.id.0,
            phase: shard_move.phase.word().to_owned(),
            what: shard_move.what(),
            from: directory.server_name(shard_move.from).to_owned(),
            to: directory.server_name(shard_move.to).to_owned(),
            rows: figure(|progress| &progress.rows).max(shard_move.rows),
            bytes: figure(|progress| &progress.bytes).max(shard_move.bytes),
            changes: figure(|progress| &progress.changes),
            lag_bytes: figure(|progress| &progress.lag_bytes),
            pause_ms: shard_move.pause_ms,
            late: shard_move.late,
            attempts: shard_move.attempts,
            error: shard_move.error.clone(),
        }
    }
}
