//! All pools of a fleet: checkout, checkin, reaping, draining, and what an operator does to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use router::ids::TenantKey;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fault::CheckoutError;
use super::lent::{Fate, Lent, Slot};
use super::node::{Answer, Grant, Node, Wish};
use super::returns::Returns;
use super::settings::PoolSettings;
use super::state::PoolKey;
use super::stats::PoolStats;
use super::switch::Switches;
use super::throttle::{Admission, Throttle};
use crate::metrics::TrafficBook;
use crate::server::{Applied, Card, Connection, Roster, Target};

/// One pool: a database and user on a node. A session keeps one for each node that it uses, so that a
/// checkout looks nothing up.
#[derive(Debug)]
pub struct PoolHandle {
    node: Arc<Node>,
    target: Arc<Target>,
    number: usize,
    /// A pool is not forgotten while somebody has this.
    _key: Arc<PoolKey>,
}

impl PoolHandle {
    /// Where its connections are dialed to.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Of which pool.
    pub pool: &'a PoolHandle,
    /// For whom, to be fair among tenants; all without a tenant count as one.
    pub tenant: Option<&'a TenantKey>,
    /// The fingerprint of the session settings that it had best have already.
    pub prefer: Option<u64>,
    /// True where the transaction holds connections already: it may have one more in spite of a pause,
    /// or neither would end.
    pub underway: bool,
}

/// All pools of a fleet.
#[derive(Debug)]
pub struct Pools {
    settings: Arc<ArcSwap<PoolSettings>>,
    nodes: DashMap<(String, u16), Arc<Node>>,
    tasks: TaskTracker,
    returns: Arc<Returns>,
    switches: Switches,
    throttle: Throttle,
    throttles: AtomicBool,
    closed: CancellationToken,
    next_id: AtomicU64,
    roster: Roster,
    traffic: TrafficBook,
}

impl Pools {
    /// Empty pools within these bounds, whose connections are counted in this book.
    pub fn new(settings: PoolSettings, traffic: TrafficBook) -> Pools {
        let throttles = AtomicBool::new(settings.limits_statements());
        Pools {
            throttle: Throttle::default(),
            throttles,
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            nodes: DashMap::new(),
            tasks: TaskTracker::new(),
            returns: Arc::default(),
            switches: Switches::default(),
            closed: CancellationToken::new(),
            next_id: AtomicU64::new(1),
            roster: Roster::default(),
            traffic,
        }
    }

    /// The bounds in force.
    pub fn settings(&self) -> Arc<PoolSettings> {
        self.settings.load_full()
    }

    /// Puts other bounds in force.
    pub fn configure(&self, settings: PoolSettings) {
        self.throttles.store(settings.limits_statements(), Ordering::Relaxed);
        self.settings.store(Arc::new(settings));
        self.each_node().iter().for_each(|(_, node)| node.configure());
    }

    /// The pool that a target's connections belong to.
    pub fn pool(&self, target: &Arc<Target>) -> PoolHandle {
        let node = self.node(target);
        let paused = || self.switches.of(&target.database).paused;
        let (number, key, target) = node.pool(target, paused());
        if paused() {
            // Said meanwhile, perhaps before the pool was there.
            node.pause(Some(&target.database));
        }
        PoolHandle { node, target, number, _key: key }
    }

    /// Lends a connection that is clean and answers. Dropping the future gives up the place in the
    /// line.
    pub async fn checkout(&self, request: Request<'_>) -> Result<Lent, CheckoutError> {
        let begun = Instant::now();
        let wish = wish_of(&request);
        let mut answer = request.pool.node.ask(wish)?;
        if let Answer::Now(Grant::Lent(lent)) = &mut answer
            && lent.move_here(wish.home)
            && lent.still_there()
            && lent.last_used.elapsed() < self.settings.load().check_delay
            && let Answer::Now(Grant::Lent(lent)) = answer
        {
            return Ok(lent);
        }
        Box::pin(self.checkout_with(request.pool, wish, answer, begun)).await
    }

    /// Lends a connection at rest that has the preferred settings; `None` where there is none to be had
    /// without waiting, and nothing was done.
    pub fn lend_at_once(&self, request: &Request<'_>, now: Instant) -> Option<Lent> {
        let rested = self.settings.load().check_delay;
        let wish = wish_of(request);
        let mut lent = request.pool.node.lend_at_once(wish, rested, now)?;
        // One that is lost is closed, and who can wait finds another.
        (lent.move_here(wish.home) && lent.still_there()).then_some(lent)
    }

    /// A checkout that is not served at once.
    async fn checkout_with(
        &self,
        pool: &PoolHandle,
        wish: Wish<'_>,
        mut answer: Answer,
        begun: Instant,
    ) -> Result<Lent, CheckoutError> {
        let deadline = begun + self.settings.load().wait_timeout;
        let PoolHandle { node, target, number, .. } = pool;
        loop {
            let grant = match answer {
                Answer::Now(grant) => grant,
                Answer::Wait(turn) => {
                    match timeout_at(deadline.into(), Box::pin(self.served(node, *number, turn))).await {
                        Ok(served) => served?,
                        Err(_) => return Err(node.refusal(wish, begun)),
                    }
                }
            };
            match grant {
                Grant::Lent(mut lent) => {
                    if lent.move_here(wish.home) && self.is_well(&mut lent).await {
                        return Ok(lent);
                    }
                }
                Grant::Dial(slot) => {
                    let dialed =
                        timeout_at(deadline.into(), Box::pin(self.dial(node, *number, target, slot))).await;
                    match dialed {
                        Ok(Ok(lent)) => return Ok(lent),
                        Ok(Err(CheckoutError::Dial(error))) if error.is_crowded() => {
                            // Others hold the node's last places: one may come free, here or there.
                            const AGAIN: Duration = Duration::from_millis(100);
                            if Instant::now() + AGAIN >= deadline {
                                return Err(CheckoutError::Dial(error));
                            }
                            sleep(AGAIN).await;
                        }
                        Ok(Err(error)) => return Err(error),
                        Err(_) => return Err(node.refusal(wish, begun)),
                    }
                }
            }
            answer = node.ask(wish)?;
        }
    }

    /// True where some tenant's statements are counted; else [`Self::admit`] need not be asked.
    pub fn limits_statements(&self) -> bool {
        self.throttles.load(Ordering::Relaxed)
    }

    /// Lets a statement of a tenant begin. `None` where the tenant has no limit.
    pub fn admit(&self, database: &str, tenant: &TenantKey) -> Result<Option<Admission>, CheckoutError> {
        let limits = self.settings.load().tenant(database, tenant);
        if limits.max_in_flight == 0 && limits.max_per_second == 0 {
            return Ok(None);
        }
        let hash = fairness_key(tenant) ^ xxhash_rust::xxh3::xxh3_64(database.as_bytes());
        self.throttle.admit(hash, limits, Instant::now()).map(Some)
    }

    /// Waits for one's turn; one that takes long opens the pool's reserve.
    async fn served(
        &self,
        node: &Arc<Node>,
        pool: usize,
        mut turn: tokio::sync::oneshot::Receiver<Result<Grant, CheckoutError>>,
    ) -> Result<Grant, CheckoutError> {
        let patience = self.settings.load().reserve_timeout;
        loop {
            match timeout(patience, &mut turn).await {
                Ok(Ok(served)) => return served,
                Ok(Err(_)) => return Err(CheckoutError::ShuttingDown),
                Err(_) => node.use_reserve(pool),
            }
        }
    }

    /// Takes a connection back. Kept it is only if it [`Connection::is_clean`] and no cancel
    /// request for it is under way.
    pub fn checkin(&self, lent: Lent, fate: Fate) {
        lent.end(fate);
    }

    /// Takes back a connection that a session kept to its end: it is reset, then others may use it.
    /// Where it cannot be reset, or `reset_query` is empty, it is closed.
    pub async fn checkin_after_session(&self, mut lent: Lent) {
        let settings = self.settings();
        if settings.reset_query.is_empty() {
            return lent.end(Fate::Close);
        }
        let reset = timeout(settings.check_timeout, lent.simple(&settings.reset_query)).await;
        let done = matches!(reset, Ok(Ok(outcome)) if outcome.error.is_none());
        lent.settings = Applied::default();
        lent.statements.clear();
        lent.end(if done { Fate::Keep } else { Fate::Close });
    }

    /// Closes the idle connections to a node, and the lent ones when they come back.
    pub fn close_node(&self, host: &str, port: u16) {
        if let Some(node) = self.known_node(host, port) {
            node.renew(None);
        }
    }

    /// As [`Self::close_node`], and whoever waits for an answer of the node is told that none comes.
    pub fn give_up_node(&self, host: &str, port: u16) {
        if let Some(node) = self.known_node(host, port) {
            node.give_up();
        }
    }

    /// As [`Self::close_node`] for every node.
    pub fn close_all(&self) {
        self.reconnect(None);
    }

    /// Every open connection, the oldest first.
    pub fn connections(&self) -> Vec<Arc<Card>> {
        self.roster.list()
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

    /// Closes what is idle for too long and makes what pools lack of their least, until the token is
    /// canceled: the task of the pools.
    pub async fn reap(&self, shutdown: CancellationToken) {
        const TICK: Duration = Duration::from_secs(1);
        let mut ticks = tokio::time::interval(TICK);
        let mut filling = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(()) = filling.next() => {}
                _ = ticks.tick() => {
                    self.throttle.reap(Instant::now());
                    for (_, node) in self.each_node() {
                        filling.extend(node.reap().into_iter().map(|lack| self.fill(Arc::clone(&node), lack)));
                    }
                }
            }
        }
    }

    /// Makes a connection that a pool lacks. What goes wrong stands at the pool.
    async fn fill(&self, node: Arc<Node>, (pool, slot, target): (usize, Slot, Arc<Target>)) {
        if let Ok(lent) = self.dial(&node, pool, &target, slot).await {
            lent.end(Fate::Keep);
        }
    }

    /// Lends nothing any more, closes what is idle, and waits until all that is lent has come back.
    /// The caller bounds the time.
    pub async fn drain(&self) {
        self.closed.cancel();
        self.each_node().iter().for_each(|(_, node)| node.shut());
        self.tasks.close();
        self.returns.until(|| self.each_node().iter().all(|(_, node)| node.open() == 0)).await;
        self.tasks.wait().await;
    }

    fn each_node(&self) -> Vec<((String, u16), Arc<Node>)> {
        self.nodes.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect()
    }

    fn known_node(&self, host: &str, port: u16) -> Option<Arc<Node>> {
        self.nodes.get(&(host.to_owned(), port)).map(|entry| entry.value().clone())
    }

    fn node(&self, target: &Target) -> Arc<Node> {
        let made =
            || Arc::new(Node::new(self.settings.clone(), self.tasks.clone(), Arc::clone(&self.returns)));
        let node = self.nodes.entry((target.host.clone(), target.port)).or_insert_with(made).clone();
        if self.closed.is_cancelled() {
            node.shut();
        }
        node
    }

    async fn dial(
        &self,
        node: &Arc<Node>,
        pool: usize,
        target: &Arc<Target>,
        mut slot: Slot,
    ) -> Result<Lent, CheckoutError> {
        match Connection::dial(target).await {
            Ok(mut connection) => {
                node.logged_in(pool, &connection.alarm);
                slot.logged_in();
                connection.id = self.next_id.fetch_add(1, Ordering::Relaxed);
                let (process, secure) = (connection.process(), connection.is_secure());
                connection.enrolled = Some(self.roster.enrol(connection.id, target, process, secure));
                connection.traffic = self.traffic.enter(&target.server);
                connection.statements.set_limit(self.settings.load().prepared_statements);
                Ok(Lent::new(Box::new(connection), slot, Instant::now()))
            }
            Err(error) => {
                let error = Arc::new(error);
                match error.is_crowded() {
                    true => node.crowded(pool),
                    false => node.login_failed(pool, error.clone()),
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
        let settings = self.settings.load();
        if lent.last_used.elapsed() < settings.check_delay {
            return true;
        }
        let patience = settings.check_timeout;
        drop(settings);
        matches!(timeout(patience, Box::pin(lent.simple(""))).await, Ok(Ok(_))) && lent.is_clean()
    }
}

/// What an operator does. `None` is every database.
impl Pools {
    /// PAUSE: from now on nothing is lent, and what comes back is closed; who asks waits. True where
    /// it was not paused. [`Self::all_returned`] says when nothing is out any more.
    pub fn pause(&self, database: Option<&str>) -> bool {
        let changed = self.switches.switch(database, |switched| switched.paused = true);
        self.each_node().iter().for_each(|(_, node)| node.pause(database));
        changed
    }

    /// RESUME: what PAUSE and KILL stopped goes on. True where something was paused.
    pub fn resume(&self, database: Option<&str>) -> bool {
        let changed = self.switches.switch(database, |switched| switched.paused = false);
        self.each_node().iter().for_each(|(_, node)| node.resume(database));
        changed
    }

    /// True while nothing of a database is lent.
    pub fn is_paused(&self, database: &str) -> bool {
        self.switches.of(database).paused
    }

    /// Waits until no connection is lent or being made.
    pub async fn all_returned(&self, database: Option<&str>) {
        self.returns.until(|| self.each_node().iter().all(|(_, node)| node.out(database) == 0)).await;
    }

    /// RECONNECT: closes the idle connections now, and the lent ones when they come back.
    pub fn reconnect(&self, database: Option<&str>) {
        self.each_node().iter().for_each(|(_, node)| node.renew(database));
    }

    /// WAIT_CLOSE: waits until the connections that RECONNECT found are closed.
    pub async fn all_renewed(&self, database: Option<&str>) {
        self.returns.until(|| self.each_node().iter().all(|(_, node)| node.stale(database) == 0)).await;
    }

    /// DISABLE: no new client may enter. True where it was enabled. Whoever admits clients asks
    /// [`Self::is_disabled`].
    pub fn disable(&self, database: &str) -> bool {
        self.switches.switch(Some(database), |switched| switched.disabled = true)
    }

    /// ENABLE: clients may enter again. True where it was disabled.
    pub fn enable(&self, database: &str) -> bool {
        self.switches.switch(Some(database), |switched| switched.disabled = false)
    }

    /// True where no new client may enter.
    pub fn is_disabled(&self, database: &str) -> bool {
        self.switches.of(database).disabled
    }
}

fn wish_of<'a>(request: &Request<'a>) -> Wish<'a> {
    Wish {
        pool: request.pool.number,
        tenant: request.tenant,
        hash: request.tenant.map_or(0, fairness_key),
        prefer: request.prefer,
        home: Handle::current().id(),
        underway: request.underway,
    }
}

fn fairness_key(tenant: &TenantKey) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    tenant.hash(&mut hasher);
    hasher.finish().max(1)
}
