//! All pools of a fleet: checkout, checkin, reaping, draining.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use router::ids::TenantKey;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fault::CheckoutError;
use super::lent::{Fate, Lent, Slot};
use super::node::{Answer, Grant, Node, PoolKey};
use super::settings::PoolSettings;
use super::stats::PoolStats;
use crate::server::{Connection, Target};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Node, database and user.
    pub target: &'a Arc<Target>,
    /// For whom, to be fair among tenants; all without a tenant count as one.
    pub tenant: Option<&'a TenantKey>,
    /// The [`super::settings_fingerprint`] of the session settings that it had best have already.
    pub prefer: Option<u64>,
}

/// All pools of a fleet.
#[derive(Debug)]
pub struct Pools {
    settings: Arc<PoolSettings>,
    nodes: DashMap<(String, u16), Arc<Node>>,
    tasks: TaskTracker,
    released: Arc<Notify>,
    closed: CancellationToken,
    next_id: AtomicU64,
}

impl Pools {
    /// Empty pools within these bounds.
    pub fn new(settings: PoolSettings) -> Pools {
        Pools {
            settings: Arc::new(settings),
            nodes: DashMap::new(),
            tasks: TaskTracker::new(),
            released: Arc::default(),
            closed: CancellationToken::new(),
            next_id: AtomicU64::new(1),
        }
    }

    /// Lends a connection that is clean and answers. Dropping the future gives up the place in the
    /// line.
    pub async fn checkout(&self, request: Request<'_>) -> Result<Lent, CheckoutError> {
        let begun = Instant::now();
        let deadline = (begun + self.settings.wait_timeout).into();
        let node = self.node(request.target)?;
        let tenant = request.tenant.map_or(0, fairness_key);
        loop {
            let grant = match node.ask(request.target, tenant, request.prefer)? {
                Answer::Now(grant) => grant,
                Answer::Wait(turn) => match timeout_at(deadline, turn).await {
                    Ok(Ok(served)) => served?,
                    Ok(Err(_)) => return Err(CheckoutError::ShuttingDown),
                    Err(_) => return Err(CheckoutError::TimedOut { waited: begun.elapsed() }),
                },
            };
            match grant {
                Grant::Lent(mut lent) => {
                    if self.is_well(&mut lent).await {
                        return Ok(lent);
                    }
                }
                Grant::Dial(slot, generation) => {
                    let dialed =
                        timeout_at(deadline, self.dial(&node, request.target, slot, generation)).await;
                    match dialed {
                        Ok(Ok(lent)) => return Ok(lent),
                        Ok(Err(CheckoutError::Dial(error))) if error.is_crowded() => {
                            // Others hold the node's last places: one may come free, here or there.
                            const AGAIN: Duration = Duration::from_millis(100);
                            if Instant::now() + AGAIN >= begun + self.settings.wait_timeout {
                                return Err(CheckoutError::Dial(error));
                            }
                            sleep(AGAIN).await;
                        }
                        Ok(Err(error)) => return Err(error),
                        Err(_) => return Err(CheckoutError::TimedOut { waited: begun.elapsed() }),
                    }
                }
            }
        }
    }

    /// Takes a connection back. Kept it is only if it [`Connection::is_clean`] and no cancel
    /// request for it is under way.
    pub fn checkin(&self, lent: Lent, fate: Fate) {
        lent.end(fate);
    }

    /// Closes the idle connections to a node, and the lent ones when they come back.
    pub fn close_node(&self, host: &str, port: u16) {
        let node = self.nodes.get(&(host.to_owned(), port)).map(|entry| entry.value().clone());
        if let Some(node) = node {
            node.renew();
        }
    }

    /// As [`Self::close_node`], and whoever waits for an answer of the node is told that none comes.
    pub fn give_up_node(&self, host: &str, port: u16) {
        let node = self.nodes.get(&(host.to_owned(), port)).map(|entry| entry.value().clone());
        if let Some(node) = node {
            node.give_up();
        }
    }

    /// As [`Self::close_node`] for every node.
    pub fn close_all(&self) {
        self.each_node().iter().for_each(|(_, node)| node.renew());
    }

    /// Every pool at this moment.
    pub fn stats(&self) -> Vec<PoolStats> {
        let nodes = self.each_node();
        let mut stats: Vec<_> =
            nodes.iter().flat_map(|((host, port), node)| node.stats(host, *port)).collect();
        stats.sort_by(|one, other| {
            let key =
                |pool: &PoolStats| (pool.server.clone(), pool.host.clone(), pool.port, pool.database.clone());
            key(one).cmp(&key(other)).then_with(|| one.user.cmp(&other.user))
        });
        stats
    }

    /// Closes what is idle for too long, until the token is canceled: the task of the pools.
    pub async fn reap(&self, shutdown: CancellationToken) {
        const TICK: Duration = Duration::from_secs(1);
        while shutdown.run_until_cancelled(sleep(TICK)).await.is_some() {
            self.each_node().iter().for_each(|(_, node)| node.reap());
        }
    }

    /// Lends nothing any more, closes what is idle, and waits until all that is lent has come back.
    /// The caller bounds the time.
    pub async fn drain(&self) {
        self.closed.cancel();
        self.each_node().iter().for_each(|(_, node)| node.shut());
        self.tasks.close();
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if self.each_node().iter().all(|(_, node)| node.open() == 0) {
                break;
            }
            released.await;
        }
        self.tasks.wait().await;
    }

    fn each_node(&self) -> Vec<((String, u16), Arc<Node>)> {
        self.nodes.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect()
    }

    fn node(&self, target: &Target) -> Result<Arc<Node>, CheckoutError> {
        if self.closed.is_cancelled() {
            return Err(CheckoutError::ShuttingDown);
        }
        let key = (target.host.clone(), target.port);
        if let Some(node) = self.nodes.get(&key) {
            return Ok(node.clone());
        }
        let made = || Arc::new(Node::new(self.settings.clone(), self.tasks.clone(), self.released.clone()));
        let node = self.nodes.entry(key).or_insert_with(made).clone();
        if self.closed.is_cancelled() {
            node.shut();
        }
        Ok(node)
    }

    async fn dial(
        &self,
        node: &Arc<Node>,
        target: &Arc<Target>,
        slot: Slot,
        generation: u64,
    ) -> Result<Lent, CheckoutError> {
        let key = PoolKey { database: target.database.clone(), user: target.user.clone() };
        match Connection::dial(target).await {
            Ok(mut connection) => {
                node.note_login(&key, None);
                connection.given_up = node.given_up();
                connection.id = self.next_id.fetch_add(1, Ordering::Relaxed);
                connection.statements.set_limit(self.settings.prepared_statements);
                Ok(Lent::new(connection, slot, generation))
            }
            Err(error) => {
                let error = Arc::new(error);
                if !error.is_crowded() {
                    node.note_login(&key, Some(error.clone()));
                }
                Err(CheckoutError::Dial(error))
            }
        }
    }

    /// False where the server has closed it, or does not answer after a long rest.
    async fn is_well(&self, lent: &mut Lent) -> bool {
        if !lent.still_there() {
            return false;
        }
        if lent.last_used.elapsed() < self.settings.check_delay {
            return true;
        }
        matches!(timeout(self.settings.check_timeout, lent.simple("")).await, Ok(Ok(_))) && lent.is_clean()
    }
}

fn fairness_key(tenant: &TenantKey) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    tenant.hash(&mut hasher);
    hasher.finish()
}
