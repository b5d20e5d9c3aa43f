//! One node's connections: who gets one, who may dial, who waits.
//!
//! A pool counts as open what is idle, lent, being dialed or being closed. When something comes
//! back it goes, in this order: to a waiter of another pool that is short while the node is full,
//! to a waiter of its own pool, to the idle ones.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio_util::task::TaskTracker;

use super::fault::CheckoutError;
use super::lent::{Lent, Slot};
use super::queue::FairQueue;
use super::settings::{PoolSettings, settings_fingerprint};
use super::stats::PoolStats;
use crate::server::{Connection, DialError, Target};

/// A pool within its node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    pub(super) database: String,
    pub(super) user: String,
}

/// One node's pools.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) tasks: TaskTracker,
    pub(super) settings: Arc<PoolSettings>,
    pub(super) released: Arc<Notify>,
    state: Mutex<NodeState>,
}

#[derive(Debug, Default)]
struct NodeState {
    pools: HashMap<PoolKey, Pool>,
    open: usize,
    generation: u64,
    /// What the connections of this generation look at while they wait.
    given_up: Arc<AtomicBool>,
    closed: bool,
}

#[derive(Debug)]
struct Pool {
    server: String,
    /// The most recently used is the last.
    idle: Vec<Connection>,
    open: usize,
    waiting: FairQueue<Waiter>,
    failing: Option<(Instant, Arc<DialError>)>,
}

#[derive(Debug)]
struct Waiter {
    sender: oneshot::Sender<Result<Grant, CheckoutError>>,
    since: Instant,
}

/// What a checkout is given.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "boxed, each checkout would allocate")]
pub(super) enum Grant {
    /// A connection.
    Lent(Lent),
    /// The right to make one, as of this generation.
    Dial(Slot, u64),
}

/// What a checkout is told.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "boxed, each checkout would allocate")]
pub(super) enum Answer {
    /// It is served at once.
    Now(Grant),
    /// It is served when its turn comes.
    Wait(oneshot::Receiver<Result<Grant, CheckoutError>>),
}

impl Node {
    pub(super) fn new(settings: Arc<PoolSettings>, tasks: TaskTracker, released: Arc<Notify>) -> Node {
        Node { tasks, settings, released, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, NodeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a connection: an idle one, the right to dial, or a place in the line.
    pub(super) fn ask(
        self: &Arc<Node>,
        target: &Target,
        tenant: u64,
        prefer: Option<u64>,
    ) -> Result<Answer, CheckoutError> {
        let key = PoolKey { database: target.database.clone(), user: target.user.clone() };
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return Err(CheckoutError::ShuttingDown);
        }
        let pool = state.pools.entry(key.clone()).or_insert_with(|| Pool::new(&target.server));
        if let Some(connection) = pool.take_idle(prefer) {
            let slot = Slot::new(self.clone(), key);
            return Ok(Answer::Now(Grant::Lent(Lent::new(connection, slot, state.generation))));
        }
        if let Some(error) = pool.failing()
            && pool.open == 0
        {
            return Err(CheckoutError::Dial(error));
        }
        let may_dial = pool.may_grow(&self.settings) && pool.waiting.len() == 0;
        let evicted = if may_dial && self.is_full(state) { state.evict_idle() } else { None };
        if may_dial && !self.is_full(state) {
            state.open(&key);
            let generation = state.generation;
            drop(guard);
            if let Some(_evicted) = evicted {
                Connection::close(_evicted)
            }
            return Ok(Answer::Now(Grant::Dial(Slot::new(self.clone(), key), generation)));
        }
        state.line_up(&key, tenant, self.settings.max_waiting).map(Answer::Wait)
    }

    /// A connection, or only its slot, comes back.
    pub(super) fn give_back(self: &Arc<Node>, key: &PoolKey, connection: Option<(Connection, u64)>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let spent = match connection {
            None => {
                state.close_one(key);
                None
            }
            Some((connection, generation)) => {
                let stale = state.closed || generation != state.generation || self.is_old(&connection);
                if stale || (self.is_full(state) && state.another_is_shorter(key, &self.settings)) {
                    state.close_one(key);
                    Some(connection)
                } else {
                    self.pass_on(state, key, connection);
                    None
                }
            }
        };
        self.grow(state);
        drop(guard);
        if let Some(_spent) = spent {
            Connection::close(_spent)
        }
        self.released.notify_waiters();
    }

    /// To who waits for it in its pool, or to the idle ones.
    fn pass_on(self: &Arc<Node>, state: &mut NodeState, key: &PoolKey, connection: Connection) {
        let generation = state.generation;
        let Some(pool) = state.pools.get_mut(key) else { return };
        let mut connection = connection;
        while let Some(waiter) = pool.waiting.pop() {
            let lent = Lent::new(connection, Slot::new(self.clone(), key.clone()), generation);
            match waiter.sender.send(Ok(Grant::Lent(lent))) {
                Ok(()) => return,
                Err(unwanted) => match unwanted.map(Grant::disarm) {
                    Ok(Some(back)) => connection = back,
                    Ok(None) | Err(_) => return,
                },
            }
        }
        pool.idle.push(connection);
    }

    /// Lets waiters dial while the node has room, the shortest pools first.
    fn grow(self: &Arc<Node>, state: &mut NodeState) {
        state.tell_of_failures();
        while !self.is_full(state) {
            let Some(key) = state.shortest_waiting(&self.settings) else { return };
            let generation = state.generation;
            let Some(waiter) = state.pools.get_mut(&key).and_then(|pool| pool.waiting.pop()) else { return };
            let slot = Slot::new(self.clone(), key.clone());
            match waiter.sender.send(Ok(Grant::Dial(slot, generation))) {
                Ok(()) => state.open(&key),
                Err(unwanted) => drop(unwanted.map(Grant::disarm)),
            }
        }
    }

    fn is_full(&self, state: &NodeState) -> bool {
        self.settings.per_node > 0 && state.open >= self.settings.per_node
    }

    /// A tenth of the lifetime is spread over the connections, so that they do not all end at once.
    fn is_old(&self, connection: &Connection) -> bool {
        self.settings.lifetime.is_some_and(|lifetime| {
            let spread = u32::try_from(connection.id % 101).unwrap_or(0);
            connection.created.elapsed() > lifetime.mul_f64(0.9) + lifetime.mul_f64(0.002) * spread
        })
    }

    /// A login failed: its error stands for a while. `None`: a login succeeded.
    pub(super) fn note_login(&self, key: &PoolKey, failed: Option<Arc<DialError>>) {
        let mut state = self.lock();
        if let Some(pool) = state.pools.get_mut(key) {
            pool.failing = failed.map(|error| (Instant::now() + self.settings.login_retry, error));
        }
    }

    /// Closes what lies idle for too long, and forgets pools that nobody uses.
    pub(super) fn reap(self: &Arc<Node>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut spent = Vec::new();
        for pool in state.pools.values_mut() {
            let (gone, kept) = std::mem::take(&mut pool.idle).into_iter().partition(|connection| {
                self.is_old(connection)
                    || self.settings.idle_timeout.is_some_and(|limit| connection.last_used.elapsed() > limit)
            });
            let gone: Vec<Connection> = gone;
            pool.idle = kept;
            pool.open -= gone.len();
            state.open -= gone.len();
            pool.waiting.retain(|waiter| !waiter.sender.is_closed());
            spent.extend(gone);
        }
        state.pools.retain(|_, pool| pool.open > 0 || pool.waiting.len() > 0 || pool.failing().is_some());
        self.grow(state);
        drop(guard);
        spent.into_iter().for_each(Connection::close);
    }

    /// Closes the idle connections now and the lent ones when they come back.
    pub(super) fn renew(self: &Arc<Node>) {
        self.empty(|state| state.generation += 1);
    }

    /// As [`Self::renew`], and who waits for an answer on a lent one is told that it does not come.
    pub(super) fn give_up(self: &Arc<Node>) {
        self.empty(|state| {
            state.generation += 1;
            std::mem::take(&mut state.given_up).store(true, Ordering::Relaxed);
        });
    }

    /// Raised when the node is given up.
    pub(super) fn given_up(&self) -> Arc<AtomicBool> {
        self.lock().given_up.clone()
    }

    /// As [`Self::renew`]; nothing is lent any more, and who waits is told.
    pub(super) fn shut(self: &Arc<Node>) {
        self.empty(|state| {
            state.closed = true;
            for pool in state.pools.values_mut() {
                pool.refuse_all(&CheckoutError::ShuttingDown);
            }
        });
    }

    fn empty(self: &Arc<Node>, first: impl FnOnce(&mut NodeState)) {
        let mut guard = self.lock();
        let state = &mut *guard;
        first(state);
        let mut spent = Vec::new();
        for pool in state.pools.values_mut() {
            pool.open -= pool.idle.len();
            state.open -= pool.idle.len();
            spent.append(&mut pool.idle);
        }
        self.grow(state);
        drop(guard);
        spent.into_iter().for_each(Connection::close);
        self.released.notify_waiters();
    }

    /// How many connections are open or being made.
    pub(super) fn open(&self) -> usize {
        self.lock().open
    }

    pub(super) fn stats(&self, host: &str, port: u16) -> Vec<PoolStats> {
        let state = self.lock();
        let stats = state.pools.iter().map(|(key, pool)| PoolStats {
            server: pool.server.clone(),
            host: host.to_owned(),
            port,
            database: key.database.clone(),
            user: key.user.clone(),
            active: pool.open - pool.idle.len(),
            idle: pool.idle.len(),
            waiting: pool.waiting.iter().filter(|waiter| !waiter.sender.is_closed()).count(),
            longest_wait: pool.longest_wait(),
            failing: pool.failing().map(|error| error.to_string()),
        });
        stats.collect()
    }
}

impl Grant {
    /// Takes back what nobody wanted, within the node's lock: nothing is given back by a drop.
    fn disarm(self) -> Option<Connection> {
        match self {
            Grant::Lent(lent) => lent.into_parts().0,
            Grant::Dial(mut slot, _) => {
                slot.take();
                None
            }
        }
    }
}

impl NodeState {
    fn open(&mut self, key: &PoolKey) {
        self.open += 1;
        if let Some(pool) = self.pools.get_mut(key) {
            pool.open += 1;
        }
    }

    fn close_one(&mut self, key: &PoolKey) {
        self.open -= 1;
        if let Some(pool) = self.pools.get_mut(key) {
            pool.open -= 1;
        }
    }

    /// Takes the connection of any pool that has been idle for longest.
    fn evict_idle(&mut self) -> Option<Connection> {
        let oldest = |pool: &Pool| pool.idle.first().map(|connection| connection.last_used);
        let pool =
            self.pools.values_mut().filter(|pool| !pool.idle.is_empty()).min_by_key(|pool| oldest(pool))?;
        pool.open -= 1;
        self.open -= 1;
        Some(pool.idle.remove(0))
    }

    /// True where another pool's waiter should have this pool's place: it has fewer connections, or
    /// nobody waits here.
    fn another_is_shorter(&self, key: &PoolKey, settings: &PoolSettings) -> bool {
        let Some(mine) = self.pools.get(key) else { return false };
        let shorter = |pool: &Pool| mine.waiting.len() == 0 || pool.open + 1 < mine.open;
        self.pools
            .iter()
            .any(|(other, pool)| other != key && pool.waits() && pool.may_grow(settings) && shorter(pool))
    }

    fn shortest_waiting(&self, settings: &PoolSettings) -> Option<PoolKey> {
        let waiting = self.pools.iter().filter(|(_, pool)| pool.waits() && pool.may_grow(settings));
        waiting.min_by_key(|(_, pool)| pool.open).map(|(key, _)| key.clone())
    }

    /// Who waits for a pool that has no connection and can make none is told why.
    fn tell_of_failures(&mut self) {
        for pool in self.pools.values_mut().filter(|pool| pool.open == 0) {
            if let Some(error) = pool.failing() {
                pool.refuse_all(&CheckoutError::Dial(error));
            }
        }
    }

    fn line_up(
        &mut self,
        key: &PoolKey,
        tenant: u64,
        limit: usize,
    ) -> Result<oneshot::Receiver<Result<Grant, CheckoutError>>, CheckoutError> {
        let (sender, receiver) = oneshot::channel();
        let Some(pool) = self.pools.get_mut(key) else { return Err(CheckoutError::ShuttingDown) };
        if pool.waiting.len() >= limit {
            pool.waiting.retain(|waiter| !waiter.sender.is_closed());
        }
        if pool.waiting.len() >= limit {
            let last = pool.waiting.make_room(tenant).ok_or(CheckoutError::TooManyWaiting)?;
            // Who has left meanwhile need not be told.
            let _ = last.sender.send(Err(CheckoutError::TooManyWaiting));
        }
        pool.waiting.push(tenant, Waiter { sender, since: Instant::now() });
        Ok(receiver)
    }
}

impl Pool {
    fn new(server: &str) -> Pool {
        Pool {
            server: server.to_owned(),
            idle: Vec::new(),
            open: 0,
            waiting: FairQueue::new(),
            failing: None,
        }
    }

    fn may_grow(&self, settings: &PoolSettings) -> bool {
        self.open < settings.size && self.failing().is_none()
    }

    fn waits(&self) -> bool {
        self.waiting.len() > 0
    }

    /// The error that stands.
    fn failing(&self) -> Option<Arc<DialError>> {
        self.failing.as_ref().filter(|(until, _)| Instant::now() < *until).map(|(_, error)| error.clone())
    }

    /// The most recently used, or one of the last few that has these settings.
    fn take_idle(&mut self, prefer: Option<u64>) -> Option<Connection> {
        const LAST_FEW: usize = 8;
        let from = self.idle.len().saturating_sub(LAST_FEW);
        let fits = |wanted: u64| {
            let few = self.idle.iter().enumerate().skip(from);
            few.rev().find(|(_, idle)| settings_fingerprint(&idle.settings) == wanted).map(|(place, _)| place)
        };
        match prefer.and_then(fits) {
            Some(place) => Some(self.idle.remove(place)),
            None => self.idle.pop(),
        }
    }

    fn refuse_all(&mut self, error: &CheckoutError) {
        while let Some(waiter) = self.waiting.pop() {
            // Who has left meanwhile need not be told.
            let _ = waiter.sender.send(Err(error.clone()));
        }
    }

    fn longest_wait(&self) -> Duration {
        self.waiting
            .iter()
            .filter(|waiter| !waiter.sender.is_closed())
            .map(|waiter| waiter.since.elapsed())
            .max()
            .unwrap_or_default()
    }
}
