//! What keeps directories and moves over a restart.
//!
//! A store holds one [`Record`] a database. Writing one is atomic and durable: after a crash the
//! old or the new one is there, never a mixture.

use std::path::PathBuf;
use std::sync::Arc;

use router::directory::{Directory, Stored};
use router::moves::ShardMove;
use serde::{Deserialize, Serialize};

use super::file::FileStore;

/// What a store keeps of a database: a directory and the moves, always together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The directory.
    pub directory: Stored,
    /// Every move, the last finished ones included, in the order of their numbers.
    pub moves: Vec<ShardMove>,
    /// The number of the next move.
    pub next_move: u64,
}

impl Record {
    /// The record of a database that has never moved anything.
    pub fn first(directory: &Directory) -> Record {
        Record { directory: Stored::from(directory), moves: Vec::new(), next_move: 1 }
    }
}

/// Keeps records. Calls block: they run on threads that may.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The record of a database; `None` where there is none yet.
    ///
    /// # Errors
    /// [`StoreError`].
    fn read(&self, database: &str) -> Result<Option<Record>, StoreError>;

    /// Replaces the record of a database, durably.
    ///
    /// # Errors
    /// [`StoreError`]; the old record stands then.
    fn write(&self, database: &str, record: &Record) -> Result<(), StoreError>;
}

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The setting names a store that does not exist.
    #[error("directory store \"{0}\" is not supported; use file:/path/of/a/folder")]
    Unsupported(String),
    /// Another daemon uses it.
    #[error("directory store {0:?} is in use by another pgherd")]
    InUse(PathBuf),
    /// The file system refused.
    #[error("directory store {0:?}: {1}")]
    Io(PathBuf, #[source] std::io::Error),
    /// What is there cannot be read.
    #[error("directory store {0:?}: {1}")]
    Damaged(PathBuf, String),
}

/// Opens the store that a setting names: `file:/path/of/a/folder`, which is made if missing.
///
/// # Errors
/// [`StoreError`].
pub fn open(setting: &str) -> Result<Arc<dyn Store>, StoreError> {
    match setting.strip_prefix("file:") {
        Some(folder) if !folder.is_empty() => Ok(Arc::new(FileStore::open(folder)?)),
        Some(_) | None => Err(StoreError::Unsupported(setting.to_owned())),
    }
}
