//! What changed on the source since the copy, applied on the target.
//!
//! `pgoutput` reads the bytes, `apply` writes rows under the replication origin, `run` decides when
//! to commit, to acknowledge and to hold. [`Stream`] is the running task as the steps see it.

mod apply;
mod pgoutput;
mod run;

use std::sync::Arc;
use std::time::Duration;

use router::ids::Lsn;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::fault::Fault;
use super::report::Progress;
use super::site::Site;

/// Reads one message of the stream from bytes at random, for fuzzing: it promises not to panic.
pub fn hostile_change(bytes: &[u8]) {
    let _ = pgoutput::read(bytes::Bytes::copy_from_slice(bytes));
}

/// How far the stream may be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// On and on.
    Free,
    /// Nothing more.
    Hold,
    /// All transactions that committed before this position, no other.
    Before(Lsn),
}

/// What is applied.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    /// Every transaction that ended before this position stands on the target.
    pub position: Lsn,
    /// The limit at which the stream holds; `None` while it runs.
    pub held: Option<Limit>,
    /// Why the stream has ended.
    pub fault: Option<Fault>,
}

/// A running stream. Ends when dropped.
#[derive(Debug)]
pub(super) struct Stream {
    limit: watch::Sender<Limit>,
    applied: watch::Receiver<Applied>,
    _ends: DropGuard,
}

impl Stream {
    /// Begins to apply, from where the target's origin stands.
    pub(super) async fn begin(site: &Site, progress: &Arc<Progress>) -> Result<Stream, Fault> {
        let (limit, limits) = watch::channel(Limit::Free);
        let start = run::Run::begin(site, progress, limits).await?;
        let (tell, applied) = watch::channel(Applied { position: start.position(), held: None, fault: None });
        let ends = CancellationToken::new();
        let ended = ends.clone();
        tokio::spawn(async move {
            if let Some(Err(fault)) = ended.run_until_cancelled(start.run(&tell)).await {
                tracing::warn!(%fault, "the stream of a move ended");
                tell.send_modify(|applied| applied.fault = Some(fault));
            }
        });
        Ok(Stream { limit, applied, _ends: ends.drop_guard() })
    }

    /// Sets how far the stream may be applied.
    pub(super) fn limit(&self, limit: Limit) {
        self.limit.send_replace(limit);
    }

    /// True once it has ended by itself.
    pub(super) fn is_over(&self) -> bool {
        self.applied.borrow().fault.is_some() || self.applied.has_changed().is_err()
    }

    /// Waits until the position is applied; false where that takes longer than `within`.
    pub(super) async fn reach(&self, position: Lsn, within: Duration) -> Result<bool, Fault> {
        let reached = self.until(|applied| applied.position >= position);
        match tokio::time::timeout(within, reached).await {
            Ok(reached) => reached.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Waits until the stream holds at this limit.
    pub(super) async fn held_at(&self, limit: Limit) -> Result<(), Fault> {
        self.until(|applied| applied.held == Some(limit)).await
    }

    async fn until(&self, is_so: impl Fn(&Applied) -> bool) -> Result<(), Fault> {
        let mut applied = self.applied.clone();
        let ended = || Fault::Passing("the stream has ended".into());
        let now = applied.wait_for(|applied| applied.fault.is_some() || is_so(applied)).await;
        let now = now.map_err(|_| ended())?;
        match &now.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }
}
