//! The steps around the fence: arm, acknowledge, approach, cut, thaw.
//!
//! The fence is an empty table on the source. While the move is armed, each transaction of the
//! scope reads it first and so holds a lock on its name; `cut` renames it, which waits for exactly
//! those transactions and lets no other in.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use router::ids::{Lsn, TenantKey};
use tokio_postgres::Client;

use super::bookkeeping::note;
use super::fault::{Fault, is_lock_timeout};
use super::site::{Site, Use};
use super::stream::Stream;
use super::tables;
use super::tenants::{hidden, hide, key_type};
use super::verify::all_published;

/// What a cutover needs at hand: nothing that may wait is opened while statements wait.
pub(super) struct Cutover {
    pub source: Client,
    pub target: Client,
    /// Tenants that are hidden on the source already.
    pub hidden: BTreeSet<TenantKey>,
    /// When the freeze was decided.
    pub since: Instant,
    /// Where the cut is in the source's log.
    pub cut: Lsn,
}

impl Cutover {
    /// What is left of the freeze budget.
    pub(super) fn left(&self, site: &Site) -> Duration {
        site.settings.freeze_budget.saturating_sub(self.since.elapsed())
    }
}

/// Makes the fence; an earlier one that is closed is gone for good.
pub(super) async fn arm(site: &Site) -> Result<(), Fault> {
    let source = site.source(Use::Ordinary).await?;
    note(&source, site.id, "fence", &site.names.fence).await?;
    let (fence, closed) = (&site.names.fence, &site.names.closed_fence);
    let sql = format!(
        "DROP TABLE IF EXISTS pgherd.{closed};
         CREATE TABLE IF NOT EXISTS pgherd.{fence} ();
         GRANT SELECT ON pgherd.{fence} TO PUBLIC"
    );
    source.batch_execute(&sql).await?;
    Ok(())
}

/// Waits until every transaction of the scope on the source touches the fence.
pub(super) async fn acknowledge(site: &Site) -> Result<(), Fault> {
    let (directory, mark) = site.mark()?;
    site.live.until_drained(directory.version(), site.from, &mark).await;
    Ok(())
}

/// Waits for a moment in which the freeze will be short, and opens what it needs.
pub(super) async fn approach(site: &Site, stream: &Stream, late: u32) -> Result<Cutover, Fault> {
    if late > 0 {
        tokio::time::sleep(site.settings.retry_delay * late.min(8)).await;
    }
    let source = site.source(Use::Ordinary).await?;
    let target = site.target(Use::Rows).await?;
    let tables = tables::read(&source, &site.database.tenant_column).await?;
    all_published(site, &source, &tables).await?;
    let hidden = hidden(&target, site.id, key_type(&tables)?).await?;
    hide(&source, site.id, hidden.iter()).await?;
    while latency(&source, stream).await? > site.settings.freeze_budget / 4 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(Cutover { source, target, hidden, since: Instant::now(), cut: Lsn(0) })
}

/// How long a mark takes through the stream now.
pub(super) async fn latency(source: &Client, stream: &Stream) -> Result<Duration, Fault> {
    let begun = Instant::now();
    let position = emit(source, "mark").await?;
    if !stream.reach(position, Duration::from_secs(600)).await? {
        return Err(Fault::Passing("the stream does not come forward".into()));
    }
    Ok(begun.elapsed())
}

/// Puts a message into the stream; its position.
async fn emit(source: &Client, content: &str) -> Result<Lsn, Fault> {
    let sql = "SELECT pg_logical_emit_message(true, 'pgherd', $1::text)::text";
    let row = source.query_one(sql, &[&content]).await?;
    row.get::<_, &str>(0).parse().map_err(|_| Fault::Passing("the source's log position is odd".into()))
}

/// Closes the fence behind the last transaction. Several tries, as long as the budget lasts.
pub(super) async fn cut(site: &Site, cutover: &mut Cutover) -> Result<(), Fault> {
    let lock = site.settings.lock_timeout.as_millis();
    let begin = format!(
        "BEGIN; SET LOCAL lock_timeout = {lock}; ALTER TABLE pgherd.{} RENAME TO {}",
        site.names.fence, site.names.closed_fence
    );
    loop {
        match cutover.source.batch_execute(&begin).await {
            Ok(()) => break,
            Err(error) if is_lock_timeout(&error) => {
                cutover.source.batch_execute("ROLLBACK").await?;
                if cutover.left(site) < site.settings.lock_timeout * 2 {
                    return Err(Fault::Late("a transaction of the scope did not end in time".into()));
                }
                // Whoever queued behind the lock goes first.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    cutover.cut = emit(&cutover.source, "cut").await?;
    cutover.source.batch_execute("COMMIT").await?;
    Ok(())
}

/// Opens the fence again. The stream goes on: nothing was applied that is not the source's.
pub(super) async fn thaw(site: &Site) -> Result<(), Fault> {
    // A cut whose mover died may be waiting for its lock yet.
    site.evict(site.from).await?;
    let source = site.source(Use::Ordinary).await?;
    let sql = "SELECT to_regclass('pgherd.' || $1) IS NOT NULL";
    let is_closed: bool = source.query_one(sql, &[&site.names.closed_fence]).await?.get(0);
    if is_closed {
        let (fence, closed) = (&site.names.fence, &site.names.closed_fence);
        source.batch_execute(&format!("ALTER TABLE pgherd.{closed} RENAME TO {fence}")).await?;
    }
    Ok(())
}

/// The stream that a step needs, or why it is not there.
pub(super) fn needed(stream: Option<&Arc<Stream>>) -> Result<&Arc<Stream>, Fault> {
    stream.ok_or_else(|| Fault::Passing("the stream is not running".into()))
}
