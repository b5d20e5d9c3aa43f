//! The life of one move: step after step until it is over, each outcome kept by the store first.

use std::sync::Arc;
use std::time::Duration;

use router::moves::{Outcome, Phase, ShardMove, Step, advance, directory_change, interrupted, next_step};
use tokio_util::sync::CancellationToken;

use super::clean;
use super::copy::copy;
use super::failpoint::{Side, pass};
use super::fault::Fault;
use super::fence::{self, Cutover, needed};
use super::prepare::prepare;
use super::report::Progress;
use super::site::{Site, Use};
use super::stream::Stream;
use super::swap;
use super::verify::verify;

/// A move as its task holds it.
pub(super) struct Running {
    pub site: Site,
    pub shard_move: ShardMove,
    pub progress: Arc<Progress>,
    pub aborts: CancellationToken,
    stream: Option<Arc<Stream>>,
    cutover: Option<Cutover>,
}

impl Running {
    pub(super) fn new(
        site: Site,
        shard_move: ShardMove,
        progress: Arc<Progress>,
        aborts: CancellationToken,
    ) -> Running {
        Running { site, shard_move, progress, aborts, stream: None, cutover: None }
    }

    /// Goes on until the move is over. When dropped between, a later run goes on from the store.
    pub(super) async fn run(mut self) {
        let phase = interrupted(self.shard_move.phase);
        if phase != self.shard_move.phase {
            let before = std::mem::replace(&mut self.shard_move.phase, phase);
            self.keep(before).await;
        }
        // What an earlier daemon left running must not write beside us.
        while let Err(fault) = self.evict().await {
            tracing::warn!(%fault, "waiting for the servers of a move");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        while let Some(step) = next_step(self.shard_move.phase) {
            pass(step, Side::Before);
            let outcome = self.attempt(step).await;
            if outcome == Outcome::Done {
                pass(step, Side::After);
            }
            self.finish(step, outcome).await;
        }
    }

    async fn evict(&self) -> Result<(), Fault> {
        self.site.evict(self.site.from).await?;
        self.site.evict(self.site.to).await
    }

    async fn attempt(&mut self, step: Step) -> Outcome {
        let aborts = self.aborts.clone();
        let can_abort = self.shard_move.phase.can_abort();
        tokio::select! {
            result = self.step(step) => match result {
                Ok(()) => Outcome::Done,
                Err(fault) => fault.into(),
            },
            () = aborts.cancelled(), if can_abort => Outcome::Refused("aborted on request".into()),
        }
    }

    async fn step(&mut self, step: Step) -> Result<(), Fault> {
        match step {
            Step::Prepare => prepare(&self.site).await,
            Step::Copy => {
                self.stream = None;
                copy(&self.site, &self.progress).await
            }
            Step::CatchUp => self.catch_up().await,
            Step::Verify => {
                let stream = self.stream().await?;
                verify(&self.site, &stream).await
            }
            Step::Arm => fence::arm(&self.site).await,
            Step::Acknowledge => fence::acknowledge(&self.site).await,
            Step::Approach => {
                let stream = self.stream().await?;
                self.cutover = Some(fence::approach(&self.site, &stream, self.shard_move.late).await?);
                Ok(())
            }
            Step::Cut => {
                let cutover = prepared(&mut self.cutover)?;
                in_time(cutover.left(&self.site), fence::cut(&self.site, cutover)).await
            }
            Step::Drain => {
                let stream = needed(self.stream.as_ref())?;
                let cutover = prepared(&mut self.cutover)?;
                in_time(cutover.left(&self.site), swap::drain(&self.site, stream, cutover)).await
            }
            Step::Swap => {
                let cutover = prepared(&mut self.cutover)?;
                in_time(cutover.left(&self.site), swap::swap(&mut self.shard_move, cutover)).await
            }
            Step::Clean => {
                self.end_stream();
                clean::clean(&self.site, &mut self.shard_move).await
            }
            Step::Thaw => {
                self.end_stream();
                fence::thaw(&self.site).await
            }
            Step::Undo => {
                self.end_stream();
                clean::undo(&self.site, &mut self.shard_move).await
            }
        }
    }

    /// Keeps the outcome of a step and what it changes for statements.
    async fn finish(&mut self, step: Step, outcome: Outcome) {
        let before = self.shard_move.phase;
        if outcome != Outcome::Done {
            tracing::warn!(why = %outcome, "{} did not succeed", step.word());
        }
        let is_retry = matches!(outcome, Outcome::Failed(_) | Outcome::Lost(_) | Outcome::Refused(_));
        let mut next = advance(self.shard_move.clone(), outcome);
        self.note_figures(step, &mut next);
        self.shard_move = next;
        if step == Step::Approach && self.shard_move.phase == Phase::Frozen {
            self.begin_freeze();
        }
        self.keep(before).await;
        if self.shard_move.phase == Phase::Swapped && before == Phase::Drained {
            // Now that the placements are published, the pause is known to the millisecond.
            self.shard_move.pause_ms = self.paused();
            tracing::info!(pause_ms = self.shard_move.pause_ms, "statements go on at the target");
            self.keep(Phase::Swapped).await;
        }
        if is_retry && self.shard_move.phase == before {
            let delay = Duration::from_millis(250) * (1 << self.shard_move.attempts.min(6));
            tokio::time::sleep(delay).await;
        }
    }

    fn note_figures(&self, step: Step, next: &mut ShardMove) {
        use std::sync::atomic::Ordering::Relaxed;
        if step == Step::Copy {
            next.rows = self.progress.rows.load(Relaxed);
            next.bytes = self.progress.bytes.load(Relaxed);
        }
    }

    fn begin_freeze(&mut self) {
        if let Some(cutover) = &mut self.cutover {
            cutover.since = std::time::Instant::now();
        }
    }

    fn paused(&self) -> Option<u64> {
        let cutover = self.cutover.as_ref()?;
        u64::try_from(cutover.since.elapsed().as_millis()).ok()
    }

    /// Keeps the move as it is now. The store must take it: until it does, nothing goes on.
    async fn keep(&mut self, before: Phase) {
        // After a crash a freeze is lifted, however far it was: these facts need no store.
        if matches!(
            (before, self.shard_move.phase),
            (Phase::Frozen, Phase::Cut) | (Phase::Cut, Phase::Drained)
        ) {
            return;
        }
        let change = directory_change(before, &self.shard_move);
        while let Err(error) = self.site.live.keep(self.shard_move.clone(), change.clone()).await {
            tracing::error!(%error, "the store does not keep the state of a move");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if before != self.shard_move.phase {
            tracing::info!("{}", self.shard_move.phase.word());
        }
    }

    async fn catch_up(&mut self) -> Result<(), Fault> {
        let stream = self.stream().await?;
        let source = self.site.source(Use::Ordinary).await?;
        while fence::latency(&source, &stream).await? > Duration::from_millis(500) {}
        Ok(())
    }

    /// The running stream, begun where there is none.
    async fn stream(&mut self) -> Result<Arc<Stream>, Fault> {
        if let Some(stream) = self.stream.as_ref().filter(|stream| !stream.is_over()) {
            return Ok(Arc::clone(stream));
        }
        self.stream = None;
        let stream = Arc::new(Stream::begin(&self.site, &self.progress).await?);
        self.stream = Some(Arc::clone(&stream));
        Ok(stream)
    }

    fn end_stream(&mut self) {
        self.stream = None;
        self.cutover = None;
    }
}

/// A step of the freeze, which lasts no longer than what is left of the budget.
async fn in_time(left: Duration, step: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    let late = || Fault::Late("the servers did not answer within the freeze budget".into());
    tokio::time::timeout(left, step).await.unwrap_or_else(|_| Err(late()))
}

fn prepared(cutover: &mut Option<Cutover>) -> Result<&mut Cutover, Fault> {
    cutover.as_mut().ok_or_else(|| Fault::Passing("the cutover is not prepared".into()))
}
