//! The published catalog of one database: read from all servers, renewed after DDL through the
//! proxy at once and after DDL behind its back within half a minute.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use router::catalog::{Catalog, RelationKind};
use tokio::sync::Mutex;

use super::build::{build, trust};
use super::compare::{Difference, differences};
use super::facts::Facts;
use super::questions::{ReadError, read};
use crate::config::DatabaseConfig;
use crate::replicas::{Servers, Unreachable};

/// How often the catalog is read without a reason.
const EVERY: Duration = Duration::from_secs(30);
/// How long one server's primary may be waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The catalog of one database, renewed while statements run.
#[derive(Debug)]
pub struct LiveCatalog {
    database: String,
    tenant_column: String,
    harmless: Vec<String>,
    published: ArcSwap<Catalog>,
    /// The latest reading of each server. Held over a whole refresh, so that refreshes follow one
    /// another and the last one to end read last.
    readings: Mutex<HashMap<String, Facts>>,
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
}

impl LiveCatalog {
    /// An empty catalog, to be refreshed before the first statement.
    pub fn new(database: &DatabaseConfig) -> LiveCatalog {
        let empty = Catalog { tenant_column: database.tenant_column.clone(), ..Catalog::default() };
        LiveCatalog {
            database: database.name.clone(),
            tenant_column: database.tenant_column.clone(),
            harmless: database.harmless_functions.clone(),
            published: ArcSwap::from_pointee(empty),
            readings: Mutex::new(HashMap::new()),
        }
    }

    /// The catalog as it stands.
    pub fn load(&self) -> Arc<Catalog> {
        self.published.load_full()
    }

    /// Reads all servers again and publishes what they hold, with a higher version if that is
    /// something new. A server that can not be read counts as it was last read. When this returns,
    /// statements planned from now on know all DDL that had been committed when it was called.
    ///
    /// # Errors
    /// [`RefreshFailed`] where no server was ever read.
    pub async fn refresh(&self, servers: &Servers) -> Result<Arc<Catalog>, RefreshFailed> {
        let mut readings = self.readings.lock().await;
        let mut failure = None;
        let mut changed = false;
        let reads = servers
            .iter()
            .map(|server| async move { (server.name(), self.read_one(servers, server.name()).await) });
        for (server, outcome) in futures_util::future::join_all(reads).await {
            match outcome {
                Ok(facts) => {
                    let before = readings.get(server).map(|facts| facts.fingerprint);
                    changed |= before != Some(facts.fingerprint);
                    readings.insert(server.to_owned(), facts);
                }
                Err(error) => {
                    tracing::warn!(server, database = self.database, %error, "the catalog was not read");
                    failure = Some(error);
                }
            }
        }
        if changed {
            let in_order: Vec<(&str, &Facts)> = servers
                .iter()
                .filter_map(|server| Some((server.name(), readings.get(server.name())?)))
                .collect();
            self.publish(&in_order);
        }
        match (readings.is_empty(), failure) {
            (true, Some(error)) => Err(error),
            (true, None) | (false, _) => Ok(self.load()),
        }
    }

    /// Where the servers differed when they were last read.
    pub async fn differences(&self) -> Vec<Difference> {
        let readings = self.readings.lock().await;
        let mut named: Vec<(&str, &Facts)> = readings.iter().map(|(name, facts)| (&**name, facts)).collect();
        named.sort_by_key(|(name, _)| *name);
        differences(&named)
    }

    /// Refreshes from time to time, for DDL behind the proxy's back; never ends by itself.
    pub async fn keep(&self, servers: &Servers) {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = self.refresh(servers).await {
                tracing::warn!(database = self.database, %error, "no server's catalog was read");
            }
        }
    }

    async fn read_one(&self, servers: &Servers, server: &str) -> Result<Facts, RefreshFailed> {
        let client = servers.connect(server, &self.database, PATIENCE).await?;
        Ok(read(&client).await?)
    }

    /// OIDs are those of the home server, the first, unless it has no tables at all.
    fn publish(&self, readings: &[(&str, &Facts)]) {
        let with_tables = readings.iter().find(|(_, facts)| !facts.relations.is_empty());
        let Some((_, home)) = with_tables.or(readings.first()) else { return };
        let differences = differences(readings);
        let mut catalog = build(home, &self.tenant_column, self.load().version + 1, &differences);
        trust(&mut catalog, &self.harmless);
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
