//! One database's directory as statements see it now.

use std::array;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use router::directory::{Change, ChangeRefused, Directory, MoveMark, Stored, change};
use router::ids::{MoveId, ServerId};
use router::moves::ShardMove;
use router::plan::Tenants;
use tokio::sync::watch;

use super::passes::{MovedOn, Pass, Passes};
use super::store::{Record, Store, StoreError};
use crate::metrics::{Apart, STRIPES, stripe};

/// Finished moves that are kept for `SHOW MOVES`.
const KEPT: usize = 100;

/// A directory whose holders each thread counts for itself.
pub type NearDirectory = Arc<Apart<Arc<Directory>>>;

/// One database's directory: loaded by each statement, changed by moves. Cheap to clone; all clones
/// are one.
#[derive(Clone, Debug)]
pub struct LiveDirectory(Arc<Live>);

#[derive(Debug)]
struct Live {
    database: String,
    current: ArcSwap<Directory>,
    /// The same, for each thread.
    near: [ArcSwap<Apart<Arc<Directory>>>; STRIPES],
    versions: watch::Sender<u64>,
    passes: Arc<Passes>,
    store: Arc<dyn Store>,
    /// What the store holds; the lock orders changes. Taken on threads that may block only.
    kept: Mutex<Kept>,
    moves: ArcSwap<Vec<ShardMove>>,
}

#[derive(Clone, Debug)]
struct Kept {
    moves: Vec<ShardMove>,
    next_move: u64,
}

/// Why a change was not made; nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The change is not lawful.
    #[error(transparent)]
    Refused(#[from] ChangeRefused),
    /// The store did not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The daemon ends.
    #[error("the daemon is shutting down")]
    ShuttingDown,
}

impl LiveDirectory {
    /// The directory that the store keeps; `None` where it keeps none. Blocks.
    ///
    /// # Errors
    /// [`StoreError`]; a directory that contradicts itself is [`StoreError::Damaged`].
    pub fn open(database: &str, store: Arc<dyn Store>) -> Result<Option<LiveDirectory>, StoreError> {
        let Some(record) = store.read(database)? else { return Ok(None) };
        let directory = Directory::try_from(record.directory)
            .map_err(|damaged| StoreError::Damaged(database.into(), damaged.to_string()))?;
        let kept = Kept { moves: record.moves, next_move: record.next_move };
        Ok(Some(LiveDirectory::publishing(database, store, directory, kept)))
    }

    /// The first directory of a database: kept by the store, then published. Blocks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn create(
        database: &str,
        store: Arc<dyn Store>,
        directory: Directory,
    ) -> Result<LiveDirectory, StoreError> {
        let record = Record::first(&directory);
        store.write(database, &record)?;
        let kept = Kept { moves: record.moves, next_move: record.next_move };
        Ok(LiveDirectory::publishing(database, store, directory, kept))
    }

    fn publishing(database: &str, store: Arc<dyn Store>, directory: Directory, kept: Kept) -> LiveDirectory {
        let directory = Arc::new(directory);
        LiveDirectory(Arc::new(Live {
            database: database.to_owned(),
            versions: watch::Sender::new(directory.version()),
            near: array::from_fn(|_| ArcSwap::from_pointee(Apart(Arc::clone(&directory)))),
            current: ArcSwap::from(directory),
            passes: Arc::default(),
            store,
            moves: ArcSwap::from_pointee(kept.moves.clone()),
            kept: Mutex::new(kept),
        }))
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.0.database
    }

    /// The directory of this moment.
    pub fn load(&self) -> Arc<Directory> {
        self.0.current.load_full()
    }

    /// The same, for a statement of the calling thread.
    pub fn load_near(&self) -> NearDirectory {
        self.0.near[stripe()].load_full()
    }

    /// True while no other version is published than this one, which the calling thread has loaded.
    pub fn stands(&self, directory: &Directory) -> bool {
        self.0.near[stripe()].load().version() == directory.version()
    }

    /// The moves of this moment, the last finished ones included, in the order of their numbers.
    pub fn moves(&self) -> Arc<Vec<ShardMove>> {
        self.0.moves.load_full()
    }

    /// A directory newer than this version; waits for one. Cancel-safe.
    pub async fn newer_than(&self, version: u64) -> Arc<Directory> {
        let mut versions = self.0.versions.subscribe();
        // The sender lives as long as self: there is no error to be had.
        let _ = versions.wait_for(|published| *published > version).await;
        self.load()
    }

    /// A pass for a transaction planned with `directory`: for these servers and tenants.
    ///
    /// # Errors
    /// [`MovedOn`] where a newer directory is published: plan again.
    pub fn enter(
        &self,
        directory: &Directory,
        servers: &[ServerId],
        tenants: &Tenants,
    ) -> Result<Pass, MovedOn> {
        let pass = self.0.passes.note(directory.version(), servers, tenants);
        if self.stands(directory) { Ok(pass) } else { Err(MovedOn) }
    }

    /// Resolves when no pass taken under a version older than `version` may concern rows of the
    /// move's scope on this server. Only after that version was published. Cancel-safe.
    pub async fn until_drained(&self, version: u64, server: ServerId, mark: &MoveMark) {
        let directory = self.load();
        self.0.passes.drained(version, server, &directory, mark).await;
    }

    /// How many passes are out.
    pub fn passes(&self) -> usize {
        self.0.passes.count()
    }

    /// Makes a change: kept by the store, then published.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing has changed then.
    pub async fn apply(&self, change: Change) -> Result<Arc<Directory>, ApplyError> {
        self.transact(vec![change], Vec::new()).await
    }

    /// Replaces one move's state together with a change of the directory, if there is one, in one
    /// transaction of the store.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing has changed then.
    pub async fn keep(
        &self,
        shard_move: ShardMove,
        change: Option<Change>,
    ) -> Result<Arc<Directory>, ApplyError> {
        self.transact(change.into_iter().collect(), vec![shard_move]).await
    }

    /// Begins moves that `plan` makes from the directory and the next free number.
    ///
    /// # Errors
    /// What `plan` refuses, or [`ApplyError`]; nothing has changed then.
    pub async fn begin<E: From<ApplyError> + Send + 'static>(
        &self,
        plan: impl FnOnce(&Directory, MoveId) -> Result<Vec<ShardMove>, E> + Send + 'static,
    ) -> Result<Vec<ShardMove>, E> {
        let live = Arc::clone(&self.0);
        let work = move || {
            let mut kept = live.lock();
            let moves = plan(&live.current.load(), MoveId(kept.next_move))?;
            let changes = moves.iter().map(|shard_move| Change::Begin(shard_move.mark())).collect();
            live.commit(&mut kept, changes, moves.clone())?;
            Ok(moves)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| E::from(ApplyError::ShuttingDown))?
    }

    async fn transact(
        &self,
        changes: Vec<Change>,
        moves: Vec<ShardMove>,
    ) -> Result<Arc<Directory>, ApplyError> {
        let live = Arc::clone(&self.0);
        let work = move || {
            let mut kept = live.lock();
            live.commit(&mut kept, changes, moves)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| ApplyError::ShuttingDown)?
    }
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, then publishes. The lock is held by the caller, on a thread that may block.
    fn commit(
        &self,
        kept: &mut Kept,
        changes: Vec<Change>,
        moves: Vec<ShardMove>,
    ) -> Result<Arc<Directory>, ApplyError> {
        let standing = self.current.load_full();
        let mut next = Arc::clone(&standing);
        for step in changes {
            next = Arc::new(change(&next, step)?);
        }
        let mut after = kept.clone();
        for shard_move in moves {
            after.put(shard_move);
        }
        let record = Record {
            directory: Stored::from(&*next),
            moves: after.moves.clone(),
            next_move: after.next_move,
        };
        self.store.write(&self.database, &record)?;
        *kept = after;
        self.moves.store(Arc::new(kept.moves.clone()));
        if next.version() != standing.version() {
            for near in &self.near {
                near.store(Arc::new(Apart(Arc::clone(&next))));
            }
            self.current.store(Arc::clone(&next));
            self.versions.send_replace(next.version());
        }
        Ok(next)
    }
}

impl Kept {
    fn put(&mut self, shard_move: ShardMove) {
        self.next_move = self.next_move.max(shard_move.id.0 + 1);
        match self.moves.iter_mut().find(|standing| standing.id == shard_move.id) {
            Some(standing) => *standing = shard_move,
            None => self.moves.push(shard_move),
        }
        let finished = self.moves.iter().filter(|standing| standing.phase.is_final()).count();
        let mut surplus = finished.saturating_sub(KEPT);
        self.moves.retain(|standing| {
            let drop = surplus > 0 && standing.phase.is_final();
            surplus -= usize::from(drop);
            !drop
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use router::directory::{MoveStage, Scope, Start, start};
    use router::ids::{KeyType, TenantKey};

    use super::*;
    use crate::directory::FileStore;

    fn live(folder: &std::path::Path) -> LiveDirectory {
        let store = Arc::new(FileStore::open(folder).expect("opens"));
        LiveDirectory::open("app", store.clone()).expect("reads").unwrap_or_else(|| {
            let names = ["alpha".to_owned(), "beta".to_owned()];
            LiveDirectory::create("app", store, start(&names, 16, Start::Adopt(ServerId(0)))).expect("writes")
        })
    }

    fn shard_move(id: MoveId) -> ShardMove {
        let scope = Scope::Tenants { key_type: KeyType::Integer, keys: ["7".to_owned()].into() };
        ShardMove::new(id, scope, ServerId(0), ServerId(1))
    }

    async fn begun(live: &LiveDirectory) -> ShardMove {
        live.begin(|_, first| Ok::<_, ApplyError>(vec![shard_move(first)])).await.expect("begins").remove(0)
    }

    #[tokio::test]
    async fn a_move_and_its_mark_are_there_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let (version, first) = {
            let live = live(folder.path());
            (live.load().version(), begun(&live).await)
        };
        let live = live(folder.path());
        assert_eq!(live.load().version(), version + 1);
        assert_eq!(live.load().marks(), [first.mark()]);
        assert_eq!(*live.moves(), [first]);
    }

    #[tokio::test]
    async fn a_pass_of_an_older_version_is_waited_for_and_no_new_one_is_given() {
        let folder = tempfile::tempdir().expect("a folder");
        let live = live(folder.path());
        let first = begun(&live).await;
        let old = live.load();
        let tenants = |key| Tenants::Some([TenantKey::Integer(key)].into());
        let concerned = live.enter(&old, &[ServerId(0)], &tenants(7)).expect("enters");
        let _other = live.enter(&old, &[ServerId(0)], &tenants(8)).expect("enters");
        let armed = live.apply(Change::Stage(first.id, MoveStage::Armed)).await.expect("changes");
        assert_eq!(live.enter(&old, &[ServerId(0)], &tenants(7)).err(), Some(MovedOn));
        let mark = armed.marks()[0].clone();
        let drained = live.until_drained(armed.version(), ServerId(0), &mark);
        tokio::pin!(drained);
        let early = tokio::time::timeout(Duration::from_millis(20), &mut drained).await;
        assert!(early.is_err(), "the pass of tenant 7 is out");
        drop(concerned);
        tokio::time::timeout(Duration::from_secs(5), drained).await.expect("nothing concerned is left");
        assert_eq!(live.passes(), 1);
    }

    #[tokio::test]
    async fn a_newer_directory_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let live = live(folder.path());
        let version = live.load().version();
        let (newer, _) = tokio::join!(live.newer_than(version), begun(&live));
        assert_eq!(newer.version(), version + 1);
    }
}
