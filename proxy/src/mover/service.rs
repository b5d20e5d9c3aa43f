//! The mover of one database, as the console asks it: begin, list, abort, collect; one task a move.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use router::directory::Directory;
use router::ids::{KeyType, MoveId};
use router::moves::{PlanRefused, Request, ShardMove, plan};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::bookkeeping;
use super::check::{self, Finding};
use super::clean::collect;
use super::fault::Fault;
use super::names::Names;
use super::report::{MoveReport, Progress};
use super::run::Running;
use super::site::{Site, Use};
use crate::config::{DatabaseConfig, MovesConfig};
use crate::directory::{ApplyError, LiveDirectory};
use crate::replicas::Servers;

/// The mover of one database. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Mover(Arc<Inner>);

struct Inner {
    database: Arc<DatabaseConfig>,
    settings: Arc<MovesConfig>,
    live: LiveDirectory,
    servers: Arc<Servers>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    running: Mutex<HashMap<MoveId, Handle>>,
}

struct Handle {
    progress: Arc<Progress>,
    aborts: CancellationToken,
}

/// Why a move does not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The request makes no sense in this directory.
    #[error(transparent)]
    Plan(#[from] PlanRefused),
    /// Something on the servers forbids it.
    #[error("the move is not possible: {}", list(.0))]
    Findings(Vec<Finding>),
    /// A server could not be asked.
    #[error("{0}")]
    Servers(String),
    /// The store did not keep it.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Why a move is not aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbortError {
    /// No move of this number is under way.
    #[error("move {0} is not under way")]
    NotRunning(MoveId),
    /// Its placements have changed.
    #[error("move {0} has changed the placements already: move back instead")]
    TooLate(MoveId),
}

impl Mover {
    /// The mover of a database. Nothing runs before [`Mover::resume`].
    pub fn new(
        database: &DatabaseConfig,
        settings: &MovesConfig,
        live: LiveDirectory,
        servers: Arc<Servers>,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    ) -> Mover {
        Mover(Arc::new(Inner {
            database: Arc::new(database.clone()),
            settings: Arc::new(settings.clone()),
            live,
            servers,
            tasks,
            shutdown,
            running: Mutex::default(),
        }))
    }

    /// Goes on with every move that the store says is not over. Call once, at start.
    pub fn resume(&self) {
        for shard_move in self.0.live.moves().iter().filter(|shard_move| !shard_move.phase.is_final()) {
            self.spawn(shard_move.clone());
        }
    }

    /// The type of tenant keys: the directory's once it has one, else what the servers' tables say.
    ///
    /// # Errors
    /// [`StartError::Servers`] where no server has a sharded table or can be asked.
    pub async fn key_type(&self) -> Result<KeyType, StartError> {
        if let Some(key_type) = self.0.live.load().key_type() {
            return Ok(key_type);
        }
        let site = self.site(&ShardMove::new(
            MoveId(0),
            router::directory::Scope::Shards(Default::default()),
            router::ids::ServerId::HOME,
            router::ids::ServerId::HOME,
        ));
        let found = async {
            let client = site.source(Use::Ordinary).await?;
            let tables = super::tables::read(&client, &self.0.database.tenant_column).await?;
            super::tenants::key_type(&tables)
        };
        found.await.map_err(|fault| StartError::Servers(fault.to_string()))
    }

    /// What the request would do: the moves, and what forbids them. Nothing is changed.
    ///
    /// # Errors
    /// [`StartError::Plan`], [`StartError::Servers`].
    pub async fn check(&self, request: &Request) -> Result<(Vec<MoveReport>, Vec<Finding>), StartError> {
        let directory = self.0.live.load();
        let moves = plan(&directory, request, MoveId(0))?;
        let findings = self.findings(&directory, &moves).await?;
        let reports = moves.iter().map(|shard_move| MoveReport::of(shard_move, &directory, None)).collect();
        Ok((reports, findings))
    }

    /// Begins the moves of a request, one for each server that holds a part of it.
    ///
    /// # Errors
    /// [`StartError`]; nothing has begun then.
    pub async fn start(&self, request: Request) -> Result<Vec<MoveId>, StartError> {
        let (_, findings) = self.check(&request).await?;
        if !findings.is_empty() {
            return Err(StartError::Findings(findings));
        }
        let begun =
            self.0.live.begin(move |directory, first| Ok::<_, StartError>(plan(directory, &request, first)?));
        let moves = begun.await?;
        Ok(moves.into_iter().map(|shard_move| self.spawn(shard_move)).collect())
    }

    /// All moves, the last finished ones included, in the order of their numbers.
    pub fn list(&self) -> Vec<MoveReport> {
        let directory = self.0.live.load();
        let running = self.running();
        let report = |shard_move: &ShardMove| {
            let progress = running.get(&shard_move.id).map(|handle| &*handle.progress);
            MoveReport::of(shard_move, &directory, progress)
        };
        self.0.live.moves().iter().map(report).collect()
    }

    /// One move.
    pub fn show(&self, id: MoveId) -> Option<MoveReport> {
        self.list().into_iter().find(|report| report.id == id.0)
    }

    /// Asks a move to end and to be undone; it does so by itself.
    ///
    /// # Errors
    /// [`AbortError`].
    pub fn abort(&self, id: MoveId) -> Result<(), AbortError> {
        let moves = self.0.live.moves();
        let phase = moves.iter().find(|shard_move| shard_move.id == id).map(|shard_move| shard_move.phase);
        match phase {
            None => Err(AbortError::NotRunning(id)),
            Some(phase) if phase.is_final() => Err(AbortError::NotRunning(id)),
            Some(phase) if !phase.can_abort() => Err(AbortError::TooLate(id)),
            Some(_) => {
                let running = self.running();
                let handle = running.get(&id).ok_or(AbortError::NotRunning(id))?;
                handle.aborts.cancel();
                Ok(())
            }
        }
    }

    /// Drops what moves that are over have left on the servers; what it was.
    ///
    /// # Errors
    /// [`StartError::Servers`] where a server could not be asked; the others are done.
    pub async fn gc(&self) -> Result<Vec<String>, StartError> {
        let directory = self.0.live.load();
        let mut dropped = Vec::new();
        for name in directory.servers() {
            let client =
                self.0.servers.connect(name, &self.0.database.name, std::time::Duration::from_secs(5));
            let client = client.await.map_err(|error| StartError::Servers(error.to_string()))?;
            let moves = self.0.live.moves();
            let is_running =
                |id| moves.iter().any(|shard_move| shard_move.id == id && !shard_move.phase.is_final());
            let found = collect(&client, &self.0.database.name, is_running).await;
            let found = found.map_err(|fault| StartError::Servers(fault.to_string()))?;
            dropped.extend(found.into_iter().map(|thing| format!("{name}: {thing}")));
        }
        Ok(dropped)
    }

    async fn findings(
        &self,
        directory: &Arc<Directory>,
        moves: &[ShardMove],
    ) -> Result<Vec<Finding>, StartError> {
        let mut findings = Vec::new();
        for shard_move in moves {
            let asked = self.findings_of(directory, shard_move).await;
            findings.extend(asked.map_err(|fault| StartError::Servers(fault.to_string()))?);
        }
        Ok(findings)
    }

    async fn findings_of(
        &self,
        directory: &Arc<Directory>,
        shard_move: &ShardMove,
    ) -> Result<Vec<Finding>, Fault> {
        let site = self.site(shard_move);
        let source = site.source(Use::Ordinary).await?;
        let target = site.target(Use::Ordinary).await?;
        for client in [&source, &target] {
            // Whoever asks is not to wait for somebody's change of the schema.
            client.batch_execute("SET lock_timeout = '2s'").await?;
            bookkeeping::ensure(client).await?;
        }
        let mark = shard_move.mark();
        let mut findings = check::servers(&source, &target, &site.database, directory, &mark).await?;
        if !site.database.regions.is_empty() {
            let tables = super::tables::read(&source, &site.database.tenant_column).await?;
            let keys = super::tenants::key_type(&tables)?;
            let breaches = crate::check::would_break(&site.database, &site.servers, directory, keys, &mark);
            findings.extend(breaches.into_iter().map(|breach| Finding {
                what: breach.to_string(),
                fix: "choose a server of that region, or change the rule in the configuration".to_owned(),
            }));
        }
        Ok(findings)
    }

    fn site(&self, shard_move: &ShardMove) -> Site {
        Site {
            id: shard_move.id,
            from: shard_move.from,
            to: shard_move.to,
            names: Names::of(&self.0.database.name, shard_move.id),
            database: Arc::clone(&self.0.database),
            settings: Arc::clone(&self.0.settings),
            live: self.0.live.clone(),
            servers: Arc::clone(&self.0.servers),
        }
    }

    fn spawn(&self, shard_move: ShardMove) -> MoveId {
        let id = shard_move.id;
        let handle = Handle { progress: Arc::default(), aborts: CancellationToken::new() };
        let site = self.site(&shard_move);
        let running = Running::new(site, shard_move, Arc::clone(&handle.progress), handle.aborts.clone());
        self.running().insert(id, handle);
        let mover = self.clone();
        let span = tracing::info_span!(parent: None, "move", %id, database = %self.0.database.name);
        let life = async move {
            mover.0.shutdown.run_until_cancelled(running.run()).await;
            mover.running().remove(&id);
        };
        self.0.tasks.spawn(life.instrument(span));
        id
    }

    fn running(&self) -> MutexGuard<'_, HashMap<MoveId, Handle>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
