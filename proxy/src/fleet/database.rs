//! One database: the same name on every server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use quick_cache::sync::Cache;
use router::catalog::{Catalog, SearchPath};
use router::sql::{Learned, Outline, Template, learn};
use tokio::sync::Notify;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::catalog::LiveCatalog;
use crate::config::DatabaseConfig;
use crate::deadlocks::Transactions;
use crate::directory::LiveDirectory;
use crate::execute::alike::Alike;
use crate::execute::settings::State;
use crate::fleet::Gate;
use crate::metrics::DatabaseMetrics;
use crate::mover::Mover;
use crate::replicas::Pins;

/// How many texts' analyses are kept for a database.
const STATEMENTS_KEPT: usize = 20_000;
/// How many templates of texts with literals are kept.
const TEMPLATES_KEPT: usize = 5_000;
/// Longer texts are analysed each time: they would push out many that come again.
const LONGEST_KEPT: usize = 16 * 1024;

/// An odd number whose bits are spread, from the golden ratio (Knuth, "The Art of Computer Programming", 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

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
    /// Keeps reads over several servers from seeing half of a commit.
    pub gate: Arc<Gate>,
    /// Its transactions over several servers, for who looks for deadlocks.
    pub transactions: Arc<Transactions>,
    /// What moves its rows.
    pub mover: Mover,
    /// Who must see which writes.
    pub pins: Pins,
    /// What is counted of it.
    pub metrics: DatabaseMetrics,
    /// True once a client asked for `currval` or `lastval`: transactions begin with no numbers of others then.
    pub asks_for_numbers: AtomicBool,
    /// What its clients were told of the servers' parameters.
    pub told: Alike<BTreeMap<String, String>>,
    /// Where its sessions look for unqualified names.
    pub paths: Alike<SearchPath>,
    /// What its sessions began with.
    pub beginnings: Alike<State>,
    statements: Cache<u128, Arc<Learned>>,
    /// `None`: texts of this outline are read as a whole.
    templates: Cache<u128, Option<Arc<Template>>>,
    /// Makes the caches' keys unforeseeable for who writes the texts.
    seed: u64,
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
            gate: Arc::clone(&catalog.gate),
            catalog,
            recovery: Notify::new(),
            transactions: Arc::default(),
            mover,
            pins,
            metrics,
            asks_for_numbers: AtomicBool::new(false),
            told: Alike::default(),
            paths: Alike::default(),
            beginnings: Alike::default(),
            statements: Cache::new(STATEMENTS_KEPT),
            templates: Cache::new(TEMPLATES_KEPT),
            seed: rand::random(),
        }
    }

    /// What a text says under the catalog and the search path: by its template where it has one, else
    /// as a whole.
    pub fn learn(&self, text: &str, catalog: &Catalog, path: &SearchPath) -> Arc<Learned> {
        match self.by_template(text, catalog, path) {
            Some(learned) => learned,
            None => self.learn_as_a_whole(text, catalog, path),
        }
    }

    /// What a text says, from the cache if it was seen with the same catalog and search path.
    fn learn_as_a_whole(&self, text: &str, catalog: &Catalog, path: &SearchPath) -> Arc<Learned> {
        if text.len() > LONGEST_KEPT {
            return Arc::new(learn(text, catalog, path));
        }
        let key = self.key(text, [], catalog, path);
        if let Some(learned) = self.statements.get(&key) {
            return learned;
        }
        let learned = Arc::new(learn(text, catalog, path));
        self.statements.insert(key, Arc::clone(&learned));
        learned
    }

    /// As [`Self::learn`], for a text whose template did not say enough: the next of its outline are
    /// read as a whole at once.
    pub fn learn_without_template(&self, text: &str, catalog: &Catalog, path: &SearchPath) -> Arc<Learned> {
        if let Some(outline) = Outline::of(text) {
            self.templates.insert(self.key_of(&outline, catalog, path), None);
        }
        self.learn_as_a_whole(text, catalog, path)
    }

    fn by_template(&self, text: &str, catalog: &Catalog, path: &SearchPath) -> Option<Arc<Learned>> {
        if text.len() > LONGEST_KEPT {
            return None;
        }
        let outline = Outline::of(text)?;
        let key = self.key_of(&outline, catalog, path);
        let template = match self.templates.get(&key) {
            Some(template) => template,
            None => {
                let template = Template::learn(text, &outline, catalog, path).map(Arc::new);
                self.templates.insert(key, template.clone());
                template
            }
        };
        let statement = template?.statement(text, outline)?;
        Some(Arc::new(Learned::Statements(vec![Arc::new(statement)])))
    }

    fn key_of(&self, outline: &Outline, catalog: &Catalog, path: &SearchPath) -> u128 {
        self.key(outline.text(), outline.type_oids(), catalog, path)
    }

    fn key(
        &self,
        text: &str,
        type_oids: impl IntoIterator<Item = u32>,
        catalog: &Catalog,
        path: &SearchPath,
    ) -> u128 {
        // The text is hashed in one piece; what is read with it is in the seed.
        let read_with = [catalog.version].into_iter().chain(type_oids.into_iter().map(u64::from));
        let seed = read_with.fold(self.seed, |seed, part| (seed ^ part).wrapping_mul(SPREAD).rotate_left(29));
        let schemas = path.0.iter();
        let seed = schemas.fold(seed, |seed, schema| xxh3_64_with_seed(schema.as_bytes(), seed));
        xxh3_128_with_seed(text.as_bytes(), seed)
    }
}
