//! The published catalog of one database: read from all servers, renewed after DDL through the
//! proxy and, within half a minute, after DDL behind its back.
//!
//! | DDL through the proxy | is read |
//! | --- | --- |
//! | by itself | before its client is told that it is done: no other session waits |
//! | closely after other DDL | when a statement needs it, or when the burst is over |
//!
//! Either way a statement that begins when the DDL is done knows of it. Where a server cannot be read then,
//! it counts as it was, and what it is now known to hold differently is unsafe; a statement that may mean
//! something new waits ([`LiveCatalog::read_within`]), all others go on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use router::catalog::{Catalog, RelationKind};
use tokio::sync::{Mutex, Notify};

use super::build::{build, trust};
use super::compare::{Difference, Drift, differences, drift};
use super::defaults::{Defaults, unequal};
use super::facts::Facts;
use super::questions::{Builtin, ReadError, Reader, fingerprint, understand};
use crate::config::{DatabaseConfig, NodeAddress};
use crate::fleet::Gate;
use crate::replicas::{Server, Servers, Unreachable};

/// How often the catalog is read without a reason.
const EVERY: Duration = Duration::from_secs(30);
/// The servers are asked no more often than this for relations that nobody knows.
const LOOKS: Duration = Duration::from_millis(200);
/// How often the servers are read anew where a commit over several of them came between.
const MOST_READS: u32 = 4;
/// How long the end of such a commit is waited for.
const BETWEEN_COMMITS: Duration = Duration::from_millis(200);
/// DDL that follows other DDL within this belongs to a burst.
const BURST: Duration = Duration::from_secs(1);
/// How long one server's primary may be waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long one server may take to answer the question.
const ANSWER: Duration = Duration::from_secs(20);

/// The catalog of one database, renewed while statements run.
#[derive(Debug)]
pub struct LiveCatalog {
    database: String,
    /// Commits over several servers.
    pub gate: Arc<Gate>,
    tenant_column: String,
    harmless: Vec<String>,
    /// What sessions begin with, on the home server.
    defaults: ArcSwap<Defaults>,
    published: ArcSwap<Catalog>,
    /// How the servers differed when that was built.
    drift: ArcSwap<Drift>,
    /// The latest reading of each server. Held over a whole refresh, so that refreshes follow one
    /// another and the last one to end read last.
    readings: Mutex<Readings>,
    /// PostgreSQL's own functions as the home server has them.
    builtin: ArcSwap<Builtin>,
    /// How many changes of the schema are done, how many of them what is published shows, and how many it
    /// shows of one server at least.
    done: AtomicU64,
    shown: AtomicU64,
    glimpsed: AtomicU64,
    /// When the servers were asked last.
    asked: ArcSwapOption<Instant>,
    /// When the latest was done.
    latest: ArcSwapOption<Instant>,
    /// A server could not be read when that was tried last.
    failed: AtomicBool,
    /// A change is left to be read when the burst is over.
    left: Notify,
    /// Wakes who waits for `shown`.
    read: Notify,
}

/// The servers as they were last read.
#[derive(Debug, Default)]
struct Readings {
    facts: HashMap<String, Facts>,
    /// The connections that read them; kept while DDL goes on.
    readers: HashMap<String, Kept>,
}

/// What came of reading each server once.
#[derive(Debug, Default)]
struct Reads {
    /// One of them holds something new.
    changed: bool,
    /// One of them was read.
    any: bool,
    /// The last one that was not.
    failure: Option<RefreshFailed>,
}

/// What was read, in the order of the servers.
fn in_order<'a>(facts: &'a HashMap<String, Facts>, servers: &'a Servers) -> Vec<(&'a str, &'a Facts)> {
    servers.iter().filter_map(|server| Some((server.name(), facts.get(server.name())?))).collect()
}

/// A connection that read a server's catalog, and the primary that it leads to.
#[derive(Debug)]
struct Kept {
    node: NodeAddress,
    reader: Reader,
}

/// The catalog could not be read from any server.
#[derive(Debug, thiserror::Error)]
pub enum RefreshFailed {
    /// A server could not be reached.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// A server did not answer as it should.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A server did not answer in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl LiveCatalog {
    /// An empty catalog, to be refreshed before the first statement.
    pub fn new(database: &DatabaseConfig) -> LiveCatalog {
        let empty = Catalog { tenant_column: database.tenant_column.clone(), ..Catalog::default() };
        LiveCatalog {
            database: database.name.clone(),
            gate: Arc::default(),
            tenant_column: database.tenant_column.clone(),
            harmless: database.harmless_functions.clone(),
            defaults: ArcSwap::default(),
            published: ArcSwap::from_pointee(empty),
            drift: ArcSwap::default(),
            readings: Mutex::default(),
            builtin: ArcSwap::from_pointee(Builtin::default()),
            done: AtomicU64::new(0),
            shown: AtomicU64::new(0),
            asked: ArcSwapOption::empty(),
            latest: ArcSwapOption::empty(),
            glimpsed: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            left: Notify::new(),
            read: Notify::new(),
        }
    }

    /// The catalog as it stands.
    pub fn version(&self) -> u64 {
        self.published.load().version
    }

    /// The catalog of this moment.
    pub fn load(&self) -> Arc<Catalog> {
        self.published.load_full()
    }

    /// What a session of this role begins with, as far as statements are planned by it.
    pub fn defaults(&self, role: &str) -> Vec<(String, String)> {
        self.defaults.load().of_role(role)
    }

    /// The same, for a moment only: nothing is waited for with it.
    pub fn look(&self) -> Guard<Arc<Catalog>> {
        self.published.load()
    }

    /// True where the schema has changed since what is published was read.
    pub fn is_behind(&self) -> bool {
        self.shown.load(Ordering::Acquire) < self.done.load(Ordering::Acquire)
    }

    /// True where the schema has changed since any server was read: nothing says what has.
    pub fn is_blind(&self) -> bool {
        self.glimpsed.load(Ordering::Acquire) < self.done.load(Ordering::Acquire)
    }

    /// The schema has changed, or may have, and its client is about to be told.
    pub async fn changed(&self, servers: &Servers) {
        self.done.fetch_add(1, Ordering::AcqRel);
        let before = self.latest.swap(Some(Arc::new(Instant::now())));
        match before.is_some_and(|before| before.elapsed() < BURST) {
            true => self.left.notify_one(),
            false => self.read_changes(servers).await,
        }
    }

    /// Reads what has changed, where something has that is not published yet. Servers that cannot be
    /// read count as they were last read; statements do not wait again and again for one that is gone.
    pub async fn catch_up(&self, servers: &Servers) {
        if !self.is_behind() || self.failed.load(Ordering::Acquire) {
            return;
        }
        let mut readings = self.readings.lock().await;
        if self.is_behind() && !self.failed.load(Ordering::Acquire) {
            self.read_after_change(&mut readings, servers).await;
        }
    }

    /// Waits until every server has been read since the latest change; false where that takes longer than
    /// `patience`.
    pub async fn read_within(&self, patience: Duration) -> bool {
        let done = self.done.load(Ordering::Acquire);
        let read = async {
            loop {
                let mut read = std::pin::pin!(self.read.notified());
                read.as_mut().enable();
                if self.shown.load(Ordering::Acquire) >= done {
                    return;
                }
                read.await;
            }
        };
        tokio::time::timeout(patience, read).await.is_ok()
    }

    /// Reads the servers for a statement that names a relation which nobody knows: it may have come since,
    /// behind the proxy's back. All who wait meanwhile share a reading.
    pub async fn look_again(&self, servers: &Servers) {
        let came = Instant::now();
        let mut readings = self.readings.lock().await;
        let asked = self.asked.load_full();
        if asked.as_ref().is_some_and(|asked| **asked >= came) {
            return;
        }
        if let Some(early) = asked.and_then(|asked| LOOKS.checked_sub(asked.elapsed())) {
            tokio::time::sleep(early).await;
        }
        if let Err(error) = self.read_all(&mut readings, servers).await {
            tracing::warn!(database = self.database, %error, "the catalog could not be read again");
        }
    }

    /// As [`Self::catch_up`], whether or not it failed just now.
    async fn read_changes(&self, servers: &Servers) {
        if !self.is_behind() {
            return;
        }
        let mut readings = self.readings.lock().await;
        if self.is_behind() {
            self.read_after_change(&mut readings, servers).await;
        }
    }

    async fn read_after_change(&self, readings: &mut Readings, servers: &Servers) {
        if let Err(error) = self.read_all(readings, servers).await {
            tracing::warn!(database = self.database, %error, "the catalog could not be read after a change");
        }
    }

    /// Reads all servers again and publishes what they hold, with a higher version if that is
    /// something new. A server that can not be read counts as it was last read. When this returns,
    /// statements planned from now on know all DDL that had been committed when it was called.
    ///
    /// # Errors
    /// [`RefreshFailed`] where no server was ever read.
    pub async fn refresh(&self, servers: &Servers) -> Result<Arc<Catalog>, RefreshFailed> {
        self.read_all(&mut *self.readings.lock().await, servers).await
    }

    async fn read_all(
        &self,
        readings: &mut Readings,
        servers: &Servers,
    ) -> Result<Arc<Catalog>, RefreshFailed> {
        let done = self.done.load(Ordering::Acquire);
        self.asked.store(Some(Arc::new(Instant::now())));
        let (mut changed, mut any) = (false, false);
        let mut failure = None;
        for _ in 0..MOST_READS {
            let since = self.gate.quiet();
            let read = self.read_each(readings, servers).await;
            (changed, any, failure) = (changed || read.changed, any || read.any, read.failure);
            let torn = since != Some(self.gate.begun());
            if !torn || self.unlike(&readings.facts, servers).is_empty() {
                break;
            }
            // A change that is committed meanwhile may stand on some servers only: between commits it does not.
            let _ = tokio::time::timeout(BETWEEN_COMMITS, self.gate.read()).await;
        }
        let facts = &readings.facts;
        if changed {
            self.publish(&in_order(facts, servers));
        }
        if any {
            self.glimpsed.fetch_max(done, Ordering::AcqRel);
        }
        self.failed.store(failure.is_some(), Ordering::Release);
        match &failure {
            None => {
                self.shown.fetch_max(done, Ordering::AcqRel);
                self.read.notify_waiters();
            }
            Some(_) if self.is_behind() => self.left.notify_one(),
            Some(_) => {}
        }
        match (facts.is_empty(), failure) {
            (true, Some(error)) => Err(error),
            (true, None) | (false, _) => Ok(self.load()),
        }
    }

    fn unlike(&self, facts: &HashMap<String, Facts>, servers: &Servers) -> Vec<Difference> {
        differences(&in_order(facts, servers))
    }

    /// Reads each server once.
    async fn read_each(&self, readings: &mut Readings, servers: &Servers) -> Reads {
        let Readings { facts, readers } = readings;
        if self.load().unequal.is_some() {
            // A connection knows the settings that it began with, and those may be mended now.
            readers.clear();
        }
        let mut read = Reads::default();
        let before = &*facts;
        let reads = servers.iter().map(|server| {
            let kept = readers.remove(server.name());
            async move {
                let name = server.name();
                let read = self.read_one(servers, server, before.get(name), kept);
                let late = |_| Err(RefreshFailed::Late(ANSWER));
                (name, tokio::time::timeout(ANSWER, read).await.unwrap_or_else(late))
            }
        });
        let reads: Vec<_> = reads.collect();
        for (server, outcome) in futures_util::future::join_all(reads).await {
            match outcome {
                Ok((news, kept)) => {
                    read.any = true;
                    read.changed |= news.is_some();
                    facts.extend(news.map(|news| (server.to_owned(), news)));
                    readers.insert(server.to_owned(), kept);
                }
                Err(error) => {
                    tracing::warn!(server, database = self.database, %error, "the catalog was not read");
                    read.failure = Some(error);
                }
            }
        }
        read
    }

    /// Where the servers differed when they were last read.
    pub async fn differences(&self) -> Vec<Difference> {
        let readings = self.readings.lock().await;
        let mut named: Vec<(&str, &Facts)> =
            readings.facts.iter().map(|(name, facts)| (&**name, facts)).collect();
        named.sort_by_key(|(name, _)| *name);
        differences(&named)
    }

    /// What differed between the servers' databases themselves when they were last read.
    pub async fn unequal(&self, servers: &Servers) -> Vec<String> {
        let readings = self.readings.lock().await;
        unequal(&in_order(&readings.facts, servers))
    }

    /// Refreshes after bursts of DDL and, for DDL behind the proxy's back, from time to time; never ends
    /// by itself.
    pub async fn keep(&self, servers: &Servers) {
        let mut known = 0;
        loop {
            if tokio::time::timeout(EVERY, self.left.notified()).await.is_ok() {
                // A failure is tried again then, too.
                tokio::time::sleep(BURST).await;
                self.read_changes(servers).await;
                continue;
            }
            let idle = known == self.done.load(Ordering::Acquire);
            known = self.done.load(Ordering::Acquire);
            if idle {
                self.readings.lock().await.readers.clear();
            }
            if let Err(error) = self.refresh(servers).await {
                tracing::warn!(database = self.database, %error, "no server's catalog was read");
            }
            if idle {
                self.readings.lock().await.readers.clear();
            }
        }
    }

    /// What a server holds, where that is not what it held before, and the connection that said so.
    async fn read_one(
        &self,
        servers: &Servers,
        server: &Server,
        before: Option<&Facts>,
        kept: Option<Kept>,
    ) -> Result<(Option<Facts>, Kept), RefreshFailed> {
        let node = server.wait_for_primary(PATIENCE).await.map_err(Unreachable::from)?;
        let kept = kept.filter(|kept| kept.node == *node);
        let asked = match &kept {
            Some(kept) => kept.reader.ask().await.ok(),
            None => None,
        };
        let (answer, kept) = match (asked, kept) {
            (Some(answer), Some(kept)) => (answer, kept),
            (None, _) | (_, None) => {
                let client = servers.connect(server.name(), &self.database, PATIENCE).await?;
                let reader = Reader::new(client).await?;
                (reader.ask().await?, Kept { node: node.clone(), reader })
            }
        };
        if before.is_some_and(|before| before.fingerprint == fingerprint(&answer, kept.reader.builtin())) {
            return Ok((None, kept));
        }
        let mut facts = understand(&answer, kept.reader.builtin()).map_err(ReadError::from)?;
        before.into_iter().for_each(|before| facts.fill_in(before));
        Ok((Some(facts), kept))
    }

    /// The catalog as a transaction sees it that has changed it, from its answer to
    /// [`super::question`].
    ///
    /// # Errors
    /// The answer is not understood.
    pub fn of_transaction(&self, answer: &str) -> Result<Catalog, serde_json::Error> {
        // Numbers of their own: nothing learned with such a catalog may be taken for another's.
        static NEXT: AtomicU64 = AtomicU64::new(1 << 63);
        let facts = understand(answer, &self.builtin.load())?;
        let version = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(self.built(&facts, version, &Drift { unlike: Vec::new(), ..(**self.drift.load()).clone() }))
    }

    fn built(&self, facts: &Facts, version: u64, drift: &Drift) -> Catalog {
        let mut catalog = build(facts, &self.tenant_column, version, drift);
        trust(&mut catalog, &self.harmless);
        catalog
    }

    /// OIDs are those of the home server, the first, unless it has no tables at all.
    fn publish(&self, readings: &[(&str, &Facts)]) {
        let with_tables = readings.iter().find(|(_, facts)| !facts.relations.is_empty());
        let Some((_, home)) = with_tables.or(readings.first()) else { return };
        let drift = drift(readings, &self.tenant_column);
        let mut catalog = self.built(home, self.load().version + 1, &drift);
        self.drift.store(Arc::new(drift));
        catalog.oldest = readings.iter().map(|(_, facts)| facts.database.version).min().unwrap_or(0);
        catalog.unequal = unequal(readings).into_iter().next();
        if let Some(what) = &catalog.unequal {
            tracing::error!(database = self.database, "the servers' databases differ: {what}");
        }
        self.defaults.store(Arc::new(Defaults::of(home)));
        self.builtin.store(Arc::new(home.builtin.clone()));
        for relation in catalog.relations.values() {
            if let RelationKind::Unsafe { reason } = &relation.kind {
                let (schema, table) = (&relation.schema, &relation.name);
                tracing::warn!(database = self.database, schema, table, "can not be sharded: {reason}");
            }
        }
        tracing::info!(database = self.database, version = catalog.version, "catalog published");
        self.published.store(Arc::new(catalog));
    }
}
