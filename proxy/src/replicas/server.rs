//! One server: who its primary is now, which replica may answer a read.
//!
//! The roles are a snapshot behind `ArcSwap`, renewed with each probe's answer; choosing a node
//! takes no lock and no round trip.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use router::ids::Lsn;
use tokio::sync::{Notify, watch};

use super::judge::{Memory, NodeRole, NodeStatus, Remark, Report, elect, stand};
use super::observe::{Observation, Observed};
use super::samples::{SampleNumber, Samples};
use crate::config::{NodeAddress as Node, ReplicasConfig, ServerConfig};

/// One server: a primary and its replicas.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    /// Its place among all servers; does not change while the daemon runs.
    number: usize,
    settings: ReplicasConfig,
    /// The number of the last probe that may have been sent.
    begun: AtomicU64,
    /// Whose turn it is among equal replicas.
    turn: AtomicUsize,
    state: Mutex<State>,
    roles: ArcSwap<Vec<NodeStatus>>,
    /// Raised with each answer; whoever waits for a primary or a sample looks again.
    renewed: watch::Sender<u64>,
    /// One a node: probe it now.
    doubts: Vec<Notify>,
}

#[derive(Debug)]
struct State {
    reports: Vec<Report>,
    memory: Memory,
    samples: Samples,
}

/// What a replica must have replayed to answer a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// A sample that it must have passed.
    pub sample: SampleNumber,
    /// A position that it must have replayed.
    pub lsn: Lsn,
}

/// No node of a server is known to be primary, and none became it in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("server {server} has had no primary for {waited:?}")]
pub struct NoPrimary {
    /// The server's name.
    pub server: String,
    /// How long we waited.
    pub waited: Duration,
}

/// A server as it stands, for people.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    /// Its name.
    pub name: String,
    /// Its nodes in the order of the configuration.
    pub nodes: Vec<NodeStatus>,
}

impl Server {
    pub(super) fn new(config: &ServerConfig, number: usize, settings: &ReplicasConfig) -> Server {
        let reports: Vec<Report> = config.nodes.iter().cloned().map(Report::of).collect();
        let memory = Memory::default();
        let samples = Samples::default();
        let roles = stand(&reports, &memory, &samples, Instant::now());
        Server {
            config: config.clone(),
            number,
            settings: settings.clone(),
            begun: AtomicU64::new(0),
            turn: AtomicUsize::new(0),
            doubts: config.nodes.iter().map(|_| Notify::new()).collect(),
            state: Mutex::new(State { reports, memory, samples }),
            roles: ArcSwap::from_pointee(roles),
            renewed: watch::Sender::new(0),
        }
    }

    /// Its name in the configuration and in directories.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Its configuration.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// Its place among all servers, for tables indexed by server.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Its nodes in the order of the configuration.
    pub fn nodes(&self) -> &[Node] {
        &self.config.nodes
    }

    /// True where it has nodes besides a primary and they may be read: only then pins matter.
    pub fn has_replicas(&self) -> bool {
        self.settings.reads && self.config.nodes.len() > 1
    }

    /// The primary, where one is known to be alive.
    pub fn primary(&self) -> Option<&Node> {
        let primary = self.roles.load().iter().position(|status| status.role == NodeRole::Primary);
        primary.and_then(|index| self.nodes().get(index))
    }

    /// The primary, as soon as there is one.
    ///
    /// # Errors
    /// [`NoPrimary`] where none is found within `limit`.
    pub async fn wait_for_primary(&self, limit: Duration) -> Result<&Node, NoPrimary> {
        let found = match self.primary() {
            Some(primary) => Some(primary),
            None => self.until(limit, || self.primary()).await,
        };
        found.ok_or_else(|| NoPrimary { server: self.name().to_owned(), waited: limit })
    }

    /// A replica that may answer a read with this requirement, the next in turn; `None` where the
    /// primary must.
    pub fn replica(&self, requirement: Requirement) -> Option<&Node> {
        if !self.has_replicas() {
            return None;
        }
        let roles = self.roles.load();
        let now = Instant::now();
        let fit = |status: &&NodeStatus| self.is_fit(status, now) && requirement.is_met_by(status);
        let count = roles.iter().filter(fit).count();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(count)?;
        let mut fitting = roles.iter().enumerate().filter(|(_, status)| fit(status));
        fitting.nth(turn).and_then(|(index, _)| self.nodes().get(index))
    }

    /// A client's task saw this node fail: it is probed at once.
    pub fn suspect(&self, node: &Node) {
        for (known, doubt) in self.config.nodes.iter().zip(&self.doubts) {
            if known == node {
                doubt.notify_one();
            }
        }
    }

    /// Its nodes as they stand.
    pub fn status(&self) -> ServerStatus {
        ServerStatus { name: self.name().to_owned(), nodes: self.roles.load().as_ref().clone() }
    }

    /// The pin of a write that has just ended: the first sample that surely covers it.
    pub(super) fn pin(&self) -> SampleNumber {
        SampleNumber(self.begun.load(Ordering::SeqCst) + 1)
    }

    /// The latest sample that all replicas in use have passed; with none in use the latest of all.
    pub(super) fn passed_by_all(&self) -> SampleNumber {
        let now = Instant::now();
        let roles = self.roles.load();
        let passed = roles.iter().filter(|status| self.is_fit(status, now)).map(|status| status.passed).min();
        passed.unwrap_or_else(|| self.lock().samples.latest().map_or_else(SampleNumber::default, |(n, _)| n))
    }

    /// The log position that covers a pin, as soon as it is sampled; `None` where it is not within
    /// `limit`.
    pub(super) async fn position_of(&self, pin: SampleNumber, limit: Duration) -> Option<Lsn> {
        self.until(limit, || self.lock().samples.covering(pin)).await
    }

    /// The number of a probe that is about to be sent.
    pub(super) fn begin_probe(&self) -> SampleNumber {
        SampleNumber(self.begun.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// A node answered the probe of this number.
    pub(super) fn answered(&self, index: usize, number: SampleNumber, observation: Observation) {
        self.heard(index, true);
        self.judge(index, Ok(observation), Some(number));
    }

    /// A node answered, and can not be used.
    pub(super) fn failed(&self, index: usize, reason: String) {
        self.heard(index, true);
        self.judge(index, Err(reason), None);
    }

    /// Nothing was heard of a node.
    pub(super) fn silent(&self, index: usize, reason: String) {
        self.heard(index, false);
        self.judge(index, Err(reason), None);
    }

    /// The nodes of which nothing was heard for so long: an answer that one still owes will not come.
    pub fn silent_for(&self, limit: Duration) -> Vec<Node> {
        let state = self.lock();
        let silent = |report: &&Report| report.silent_since.is_some_and(|since| since.elapsed() >= limit);
        state.reports.iter().filter(silent).map(|report| report.node.clone()).collect()
    }

    fn heard(&self, index: usize, something: bool) {
        if let Some(report) = self.lock().reports.get_mut(index) {
            report.silent_since = match something {
                true => None,
                false => report.silent_since.or_else(|| Some(Instant::now())),
            };
        }
    }

    /// Resolves when someone suspects the node.
    pub(super) async fn suspected(&self, index: usize) {
        match self.doubts.get(index) {
            Some(doubt) => doubt.notified().await,
            None => std::future::pending().await,
        }
    }

    fn judge(&self, index: usize, answer: Result<Observation, String>, number: Option<SampleNumber>) {
        let now = Instant::now();
        let mut state = self.lock();
        let state = &mut *state;
        let Some(report) = state.reports.get_mut(index) else { return };
        if answer.is_ok() {
            report.last_seen = Some(now);
        }
        report.answer = answer;
        for remark in elect(&state.reports, &mut state.memory) {
            match remark {
                Remark::NewPrimary => state.samples.reset(),
                // Said once a change of roles, below.
                Remark::TwoPrimaries(_) => {}
            }
        }
        if let (Some(number), Some(insert)) = (number, state.insert_position(index)) {
            state.samples.note(number, insert, now);
        }
        let roles = stand(&state.reports, &state.memory, &state.samples, now);
        self.tell(&self.roles.load(), &roles);
        self.roles.store(Arc::new(roles));
        self.renewed.send_modify(|count| *count += 1);
    }

    /// Logs what changed.
    fn tell(&self, before: &[NodeStatus], after: &[NodeStatus]) {
        let server = self.name();
        for (old, new) in before.iter().zip(after).filter(|(old, new)| old.role != new.role) {
            let node = &new.node;
            match &new.role {
                NodeRole::Primary => tracing::info!(server, %node, "is primary"),
                NodeRole::Replica => tracing::info!(server, %node, "is replica"),
                NodeRole::Unusable { reason } if new.last_seen != old.last_seen => {
                    tracing::error!(server, %node, "is not used: {reason}");
                }
                NodeRole::Unusable { reason } => tracing::warn!(server, %node, "is not used: {reason}"),
            }
        }
    }

    /// A replica in use: it answers probes and is not too far behind.
    fn is_fit(&self, status: &NodeStatus, now: Instant) -> bool {
        let fresh = |seen: Instant| now.saturating_duration_since(seen) <= self.settings.max_lag;
        status.role == NodeRole::Replica
            && status.last_seen.is_some_and(fresh)
            && status.lag <= self.settings.max_lag
    }

    async fn until<T>(&self, limit: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
        let mut renewed = self.renewed.subscribe();
        let looking = async {
            loop {
                if let Some(found) = look() {
                    return Some(found);
                }
                renewed.changed().await.ok()?;
            }
        };
        tokio::time::timeout(limit, looking).await.ok().flatten()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The insert position that the node reported, where it is the primary.
    fn insert_position(&self, index: usize) -> Option<Lsn> {
        if self.memory.primary != Some(index) {
            return None;
        }
        match self.reports.get(index)?.answer.as_ref().ok()?.role {
            Observed::Primary { insert, .. } => Some(insert),
            Observed::Replica { .. } => None,
        }
    }
}

impl Requirement {
    /// Both requirements at once.
    #[must_use]
    pub fn and(self, other: Requirement) -> Requirement {
        Requirement { sample: self.sample.max(other.sample), lsn: self.lsn.max(other.lsn) }
    }

    fn is_met_by(&self, status: &NodeStatus) -> bool {
        status.passed >= self.sample && status.lsn >= self.lsn
    }
}
