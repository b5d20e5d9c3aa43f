//! The stream's loop: receive, apply, commit, acknowledge; hold where it is told to.
//!
//! Transactions of the source that arrive together are committed together on the target, never in
//! parts. A commit carries the position after its last one as the origin's; the source is told
//! what the origin surely has, never more: where the target stands is read from the origin alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use pgwire_replication::{ReplicationClient, ReplicationEvent};
use router::ids::Lsn;
use tokio::sync::watch;

use super::apply::{Applier, Effect};
use super::pgoutput;
use super::{Applied, Limit};
use crate::mover::bookkeeping::number;
use crate::mover::fault::Fault;
use crate::mover::report::Progress;
use crate::mover::site::{Site, Use};
use crate::mover::tables;
use crate::mover::tenants::{ScopeFilter, hidden, key_type};

/// Row changes after which a batch is committed.
const BATCH: usize = 2_000;
/// How long a batch may stay open between two transactions.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a position may be ahead of the origin's.
const CARRY: Duration = Duration::from_secs(5);

/// The loop and what it holds.
pub(super) struct Run {
    client: ReplicationClient,
    applier: Applier,
    limits: watch::Receiver<Limit>,
    progress: Arc<Progress>,
    /// Everything up to here is received and handled, in the open batch or before it.
    received: Lsn,
    /// Everything up to here is committed on the target, or was none of its business.
    position: Lsn,
    /// What the origin says.
    carried: Lsn,
    carried_at: Instant,
    open: bool,
    opened_at: Instant,
    changes: usize,
    in_transaction: bool,
    waiting: Option<ReplicationEvent>,
}

impl Run {
    /// Takes up the origin where it stands, and the stream there.
    pub(super) async fn begin(
        site: &Site,
        progress: &Arc<Progress>,
        limits: watch::Receiver<Limit>,
    ) -> Result<Run, Fault> {
        let target = site.target(Use::Rows).await?;
        let (directory, mark) = site.mark()?;
        let tables = tables::read(&target, &site.database.tenant_column).await?;
        let hidden = hidden(&target, site.id, key_type(&tables)?).await?;
        let hidden = hidden.iter().map(ToString::to_string).collect();
        let setup = "SELECT pg_replication_origin_session_setup($1)";
        target.query(setup, &[&site.names.origin]).await?;
        let sql = "SELECT pg_replication_origin_progress($1, true)::text";
        let start: Option<String> = target.query_one(sql, &[&site.names.origin]).await?.get(0);
        let start: Option<Lsn> = start.and_then(|text| text.parse().ok());
        let start = start.ok_or_else(|| Fault::Lost("the origin has no position".into()))?;
        confirmed_is_covered(site, start).await?;
        let mut client = site.replication(start).await?;
        client.start().await?;
        client.wait_started().await?;
        Ok(Run {
            client,
            applier: Applier::new(target, site.id, ScopeFilter { directory, mark }, tables, hidden),
            limits,
            progress: Arc::clone(progress),
            received: start,
            position: start,
            carried: start,
            carried_at: Instant::now(),
            open: false,
            opened_at: Instant::now(),
            changes: 0,
            in_transaction: false,
            waiting: None,
        })
    }

    /// Where the target stands.
    pub(super) fn position(&self) -> Lsn {
        self.position
    }

    /// Applies until the stream fails; ends between any two awaits when dropped.
    pub(super) async fn run(mut self, tell: &watch::Sender<Applied>) -> Result<(), Fault> {
        loop {
            let limit = *self.limits.borrow_and_update();
            if !self.in_transaction && self.must_hold(limit) {
                self.commit(tell).await?;
                tell.send_modify(|applied| applied.held = Some(limit));
                let changed = self.limits.changed().await;
                tell.send_modify(|applied| applied.held = None);
                if changed.is_err() {
                    return Ok(());
                }
                continue;
            }
            match self.next().await? {
                Some(event) if self.is_beyond(limit, &event) => self.waiting = Some(event),
                Some(event) => self.handle(event, tell).await?,
                None => self.idle(tell).await?,
            }
        }
    }

    /// True where nothing that is allowed by the limit can follow.
    fn must_hold(&self, limit: Limit) -> bool {
        match limit {
            Limit::Free => false,
            Limit::Hold => true,
            Limit::Before(end) => {
                self.received >= end
                    || self.waiting.as_ref().is_some_and(|event| self.is_beyond(limit, event))
            }
        }
    }

    fn is_beyond(&self, limit: Limit, event: &ReplicationEvent) -> bool {
        match (limit, event) {
            (Limit::Before(end), ReplicationEvent::Begin { final_lsn, .. }) => final_lsn.0 >= end.0,
            _ => false,
        }
    }

    /// The next event; `None` where there is none for a moment, or the limit changed.
    async fn next(&mut self) -> Result<Option<ReplicationEvent>, Fault> {
        if let Some(event) = self.waiting.take() {
            return Ok(Some(event));
        }
        let ended = || Fault::Passing("the source ended the stream".into());
        if let Some(event) = self.client.recv().now_or_never() {
            return event?.map(Some).ok_or_else(ended);
        }
        if self.open && !self.in_transaction {
            return Ok(None);
        }
        tokio::select! {
            event = self.client.recv() => event?.map(Some).ok_or_else(ended),
            _ = self.limits.changed() => {
                self.limits.mark_changed();
                Ok(None)
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => Ok(None),
        }
    }

    async fn handle(&mut self, event: ReplicationEvent, tell: &watch::Sender<Applied>) -> Result<(), Fault> {
        match event {
            ReplicationEvent::Begin { .. } => self.in_transaction = true,
            ReplicationEvent::XLogData { data, .. } => {
                let change = pgoutput::read(data).map_err(|error| Fault::Refused(error.to_string()))?;
                self.open().await?;
                if self.applier.apply(change).await? == Effect::Row {
                    self.changes += 1;
                    self.progress.changes.fetch_add(1, Ordering::Relaxed);
                }
            }
            ReplicationEvent::Commit { end_lsn, .. } => {
                self.in_transaction = false;
                self.received = self.received.max(Lsn(end_lsn.0));
                if !self.open || self.changes >= BATCH || self.opened_at.elapsed() > PATIENCE {
                    self.commit(tell).await?;
                }
            }
            ReplicationEvent::KeepAlive { wal_end, .. } => {
                if !self.in_transaction {
                    self.received = self.received.max(Lsn(wal_end.0));
                }
                if !self.open {
                    self.commit(tell).await?;
                }
            }
            ReplicationEvent::Message { .. } => {}
            ReplicationEvent::StoppedAt { .. } => {}
        }
        Ok(())
    }

    /// Nothing arrives: what is applied becomes visible, and the origin follows.
    async fn idle(&mut self, tell: &watch::Sender<Applied>) -> Result<(), Fault> {
        if self.in_transaction {
            return Ok(());
        }
        self.commit(tell).await
    }

    async fn open(&mut self) -> Result<(), Fault> {
        if !self.open {
            self.applier.client.batch_execute("BEGIN").await?;
            self.open = true;
            self.opened_at = Instant::now();
        }
        Ok(())
    }

    /// Commits the open batch, if there is one, with its position.
    async fn commit(&mut self, tell: &watch::Sender<Applied>) -> Result<(), Fault> {
        if self.received > self.carried && self.carried_at.elapsed() > CARRY {
            // Only a transaction that writes carries a position.
            self.open().await?;
            let touch = "INSERT INTO pgherd.guard VALUES ($1, now())
                ON CONFLICT (move) DO UPDATE SET touched = now()";
            self.applier.client.execute(touch, &[&number(self.applier.id)]).await?;
            self.changes += 1;
        }
        if self.open {
            self.applier.settle().await?;
            let setup = format!("SELECT pg_replication_origin_xact_setup('{}', now())", self.received);
            self.applier.client.batch_execute(&format!("{setup}; COMMIT")).await?;
            self.open = false;
            if self.changes > 0 {
                self.carried = self.received;
                self.carried_at = Instant::now();
                self.client.update_applied_lsn(pgwire_replication::Lsn(self.carried.0));
            }
            self.changes = 0;
        }
        self.position = self.received;
        let sent = self.client.metrics().last_wal_end().0;
        self.progress.lag_bytes.store(sent.saturating_sub(self.position.0), Ordering::Relaxed);
        let position = self.position;
        tell.send_if_modified(|applied| {
            let is_new = applied.position != position;
            applied.position = position;
            is_new
        });
        Ok(())
    }
}

/// A target that was promoted may have lost what the source was told it has.
async fn confirmed_is_covered(site: &Site, start: Lsn) -> Result<(), Fault> {
    let source = site.source(Use::Ordinary).await?;
    let sql = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1";
    let row = source.query_opt(sql, &[&site.names.slot]).await?;
    let confirmed: Option<String> = row.and_then(|row| row.get(0));
    match confirmed.and_then(|text| text.parse::<Lsn>().ok()) {
        Some(confirmed) if confirmed <= start => Ok(()),
        Some(_) => Err(Fault::Lost("the target lost what it had confirmed".into())),
        None => Err(Fault::Lost("the slot is gone".into())),
    }
}
