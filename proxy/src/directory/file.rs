//! The store in a folder of this machine: one JSON file a database, for one proxy.
//!
//! A record is written to a new file, synced, renamed over the old one, and the folder synced. A
//! lock on the file `lock` keeps a second daemon out for as long as the first lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::store::{Record, Store, StoreError};

/// A folder with records.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    _lock: File,
}

impl FileStore {
    /// Opens the folder, made if missing, and locks it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process holds the lock; [`StoreError::Io`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<FileStore, StoreError> {
        let folder = folder.into();
        let io = |error| StoreError::Io(folder.clone(), error);
        std::fs::create_dir_all(&folder).map_err(io)?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(FileStore { folder, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(folder)),
            Err(TryLockError::Error(error)) => Err(StoreError::Io(folder, error)),
        }
    }

    /// The file of a database; characters that a file name may not hold are written as `%XX`.
    fn path(&self, database: &str) -> PathBuf {
        let mut name = String::new();
        for byte in database.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
                other => name.push_str(&format!("%{other:02X}")),
            }
        }
        self.folder.join(name + ".json")
    }
}

impl Store for FileStore {
    fn read(&self, database: &str) -> Result<Option<Record>, StoreError> {
        let path = self.path(database);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::Io(path, error)),
        };
        let record = serde_json::from_slice(&bytes);
        record.map(Some).map_err(|error| StoreError::Damaged(path, error.to_string()))
    }

    fn write(&self, database: &str, record: &Record) -> Result<(), StoreError> {
        let path = self.path(database);
        let json = serde_json::to_vec_pretty(record)
            .map_err(|error| StoreError::Damaged(path.clone(), error.to_string()))?;
        replace(&path, &json).map_err(|error| StoreError::Io(path, error))
    }
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("json.new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use router::directory::{Start, start};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = folder();
        let store = FileStore::open(folder.path()).expect("opens");
        assert_eq!(store.read("app").expect("reads"), None);
        let record = Record::first(&start(&["alpha".to_owned()], 64, Start::Spread));
        store.write("app", &record).expect("writes");
        store.write("odd/../name", &record).expect("writes");
        assert_eq!(store.read("app").expect("reads"), Some(record));
        assert!(folder.path().join("odd%2F%2E%2E%2Fname.json").exists());
    }

    #[test]
    fn a_second_daemon_is_kept_out_until_the_first_is_gone() {
        let folder = folder();
        let store = FileStore::open(folder.path()).expect("opens");
        assert!(matches!(FileStore::open(folder.path()), Err(StoreError::InUse(_))));
        drop(store);
        assert!(FileStore::open(folder.path()).is_ok());
    }

    #[test]
    fn a_damaged_file_is_said_and_not_replaced() {
        let folder = folder();
        let store = FileStore::open(folder.path()).expect("opens");
        std::fs::write(folder.path().join("app.json"), b"{").expect("writes");
        assert!(matches!(store.read("app"), Err(StoreError::Damaged(..))));
    }
}
