//! One database: the same name on every server.

use std::sync::Arc;

use quick_cache::sync::Cache;
use router::catalog::{Catalog, SearchPath};
use router::sql::{Learned, learn};
use tokio::sync::Notify;
use xxhash_rust::xxh3::Xxh3;

use crate::catalog::LiveCatalog;
use crate::config::DatabaseConfig;
use crate::directory::LiveDirectory;
use crate::metrics::DatabaseMetrics;
use crate::mover::Mover;
use crate::replicas::Pins;

/// How many texts' analyses are kept for a database.
const STATEMENTS_KEPT: usize = 20_000;
/// Longer texts are analysed each time: they would push out many that come again.
const LONGEST_KEPT: usize = 16 * 1024;

/// A database with its directory, its catalog and what is under way in it.
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its section of the configuration.
    pub config: DatabaseConfig,
    /// Where its rows are.
    pub directory: LiveDirectory,
    /// What its tables are.
    pub catalog: LiveCatalog,
    /// Wakes the recovery of commits over several servers.
    pub recovery: Notify,
    /// What moves its rows.
    pub mover: Mover,
    /// Who must see which writes.
    pub pins: Pins,
    /// What is counted of it.
    pub metrics: DatabaseMetrics,
    statements: Cache<u128, Arc<Learned>>,
}

impl Database {
    /// A database with an empty cache of statements.
    pub fn new(
        config: DatabaseConfig,
        directory: LiveDirectory,
        catalog: LiveCatalog,
        mover: Mover,
        pins: Pins,
        metrics: DatabaseMetrics,
    ) -> Database {
        Database {
            name: config.name.clone(),
            config,
            directory,
            catalog,
            recovery: Notify::new(),
            mover,
            pins,
            metrics,
            statements: Cache::new(STATEMENTS_KEPT),
        }
    }

    /// What a text says, from the cache if it was seen with the same catalog and search path.
    pub fn learn(&self, text: &str, catalog: &Catalog, path: &SearchPath) -> Arc<Learned> {
        if text.len() > LONGEST_KEPT {
            return Arc::new(learn(text, catalog, path));
        }
        let mut hash = Xxh3::new();
        hash.update(text.as_bytes());
        hash.update(&catalog.version.to_be_bytes());
        for schema in path.0.iter() {
            hash.update(b"\0");
            hash.update(schema.as_bytes());
        }
        let key = hash.digest128();
        if let Some(learned) = self.statements.get(&key) {
            return learned;
        }
        let learned = Arc::new(learn(text, catalog, path));
        self.statements.insert(key, Arc::clone(&learned));
        learned
    }
}
