//! One node's connections: who gets one, who may dial, who waits.
//!
//! What comes back goes, in this order: away, where another pool is short and only this place can
//! serve it; to whoever's turn it is in its own pool; to the idle ones. A tenant that holds its share
//! is passed over until it has given something back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use router::ids::TenantKey;
use tokio::runtime::Id;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::census::NodeState;
use super::fault::CheckoutError;
use super::lent::{Lent, Place, Slot, Stage};
use super::returns::Returns;
use super::settings::PoolSettings;
use super::shares::{Claim, TenantHash};
use super::state::{PoolKey, Waiter};
use super::stats::PoolStats;
use crate::server::{Alarm, Connection, DialError, Target};

/// One node's pools.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) tasks: TaskTracker,
    settings: Arc<ArcSwap<PoolSettings>>,
    returns: Arc<Returns>,
    state: Mutex<NodeState>,
    computing: AtomicUsize,
}

/// A statement over rows of several servers that this node computes. Dropped, it is done.
#[derive(Debug)]
pub struct Computing(Arc<Node>);

impl Computing {
    pub(super) fn on(node: Arc<Node>) -> Computing {
        node.computing.fetch_add(1, Ordering::Relaxed);
        Computing(node)
    }
}

impl Drop for Computing {
    fn drop(&mut self) {
        self.0.computing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a checkout asks of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    /// Which pool.
    pub(super) pool: usize,
    /// For whom.
    pub(super) tenant: Option<&'a TenantKey>,
    /// The tenant's hash.
    pub(super) hash: TenantHash,
    /// The settings that the connection had best have.
    pub(super) prefer: Option<u64>,
    /// The runtime that had best wake who waits for it.
    pub(super) home: Id,
    /// Its transaction has begun.
    pub(super) underway: bool,
}

/// What a checkout is given.
#[derive(Debug)]
pub(super) enum Grant {
    /// A connection.
    Lent(Lent),
    /// The right to make one.
    Dial(Slot),
}

/// What a checkout is told.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is served at once.
    Now(Grant),
    /// It is served when its turn comes.
    Wait(oneshot::Receiver<Result<Grant, CheckoutError>>),
}

impl Node {
    pub(super) fn new(
        settings: Arc<ArcSwap<PoolSettings>>,
        tasks: TaskTracker,
        returns: Arc<Returns>,
    ) -> Node {
        Node { tasks, settings, returns, state: Mutex::default(), computing: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, NodeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pool of a database and user: its number, and what keeps it from being forgotten.
    pub(super) fn pool(&self, target: &Arc<Target>, paused: bool) -> (usize, Arc<PoolKey>, Arc<Target>) {
        let settings = self.settings.load();
        self.lock().pool_of(target, &settings, paused)
    }

    /// How many connections are lent, how many wait for one, and how many statements over rows of several servers are
    /// computed here.
    pub(super) fn load(&self) -> usize {
        let held = self.lock().held();
        held + self.computing.load(Ordering::Relaxed)
    }

    /// Asks for a connection: an idle one, the right to dial, or a place in the line.
    pub(super) fn ask(self: &Arc<Node>, wish: Wish<'_>) -> Result<Answer, CheckoutError> {
        let now = Instant::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return Err(CheckoutError::ShuttingDown);
        }
        let pool = state.pool(wish.pool);
        let limits = pool.bounds.tenants.of(wish.tenant);
        let claim = Claim { tenant: wish.hash, weight: limits.weight, most: limits.max_connections };
        if pool.paused && wish.underway && pool.has_room() {
            let per_node = self.settings.load().per_node;
            if state.obstacle(wish.pool, per_node).is_none() {
                let place = state.lend(wish.pool, claim, Stage::Login, now);
                return Ok(Answer::Now(Grant::Dial(Slot::new(self.clone(), place))));
            }
        }
        // A transaction that holds connections elsewhere is not held up for its tenant's share.
        let asked = if wish.underway { Claim { weight: u32::MAX, ..claim } } else { claim };
        let pool = state.pool(wish.pool);
        if pool.permits(asked, now) {
            if let Some(connection) = pool.take_idle(wish.prefer, wish.home) {
                let place = state.lend(wish.pool, claim, Stage::Lent, now);
                return Ok(Answer::Now(Grant::Lent(Lent::new(
                    connection,
                    Slot::new(self.clone(), place),
                    now,
                ))));
            }
            if let Some(error) = pool.failing()
                && pool.open == 0
            {
                return Err(CheckoutError::Failing(error));
            }
            if pool.may_grow() {
                let mut evicted = Vec::new();
                let room = state.make_room(wish.pool, self.settings.load().per_node, &mut evicted);
                let place = room.then(|| state.lend(wish.pool, claim, Stage::Login, now));
                if place.is_some() || !evicted.is_empty() {
                    let answer = match place {
                        Some(place) => Ok(Answer::Now(Grant::Dial(Slot::new(self.clone(), place)))),
                        None => self.line_up(state, &wish, claim),
                    };
                    drop(guard);
                    evicted.into_iter().for_each(|connection| connection.close());
                    return answer;
                }
            }
        }
        self.line_up(state, &wish, claim)
    }

    /// Lends an idle connection that has the settings asked for and has not rested for long; `None` where
    /// there is none for this wish.
    pub(super) fn lend_at_once(
        self: &Arc<Node>,
        wish: Wish<'_>,
        rested: Duration,
        now: Instant,
    ) -> Option<Lent> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return None;
        }
        let pool = state.pool(wish.pool);
        let limits = pool.bounds.tenants.of(wish.tenant);
        let claim = Claim { tenant: wish.hash, weight: limits.weight, most: limits.max_connections };
        let asked = if wish.underway { Claim { weight: u32::MAX, ..claim } } else { claim };
        if !pool.permits(asked, now) {
            return None;
        }
        let fit = |idle: &Connection| now.saturating_duration_since(idle.last_used) < rested;
        let connection = pool.take_fitting(wish.prefer?, wish.home, fit)?;
        let place = state.lend(wish.pool, claim, Stage::Lent, now);
        Some(Lent::new(connection, Slot::new(self.clone(), place), now))
    }

    fn line_up(&self, state: &mut NodeState, wish: &Wish<'_>, claim: Claim) -> Result<Answer, CheckoutError> {
        let (sender, receiver) = oneshot::channel();
        let limit = self.settings.load().max_waiting;
        state.pool(wish.pool).shares.heavies.waits(claim, wish.tenant);
        state.line_up(wish.pool, claim, Waiter { sender, since: Instant::now() }, limit)?;
        Ok(Answer::Wait(receiver))
    }

    /// Somebody has waited for long: one connection of the reserve may be made, for the next in turn.
    pub(super) fn use_reserve(self: &Arc<Node>, pool: usize) {
        let now = Instant::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let per_node = self.settings.load().per_node;
        if state.pool(pool).may_grow_into_reserve() && state.obstacle(pool, per_node).is_none() {
            self.let_dial(state, pool, now);
        }
    }

    /// A connection, or only its place, comes back.
    pub(super) fn give_back(self: &Arc<Node>, place: Place, connection: Option<Box<Connection>>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let spent = state.take_back(place, connection, &self.settings.load());
        if state.waiters > 0 {
            self.serve(state);
        }
        drop(guard);
        if let Some(spent) = spent {
            spent.close();
        }
        self.returns.tell();
    }

    /// Serves who can be served: with idle connections, then with the right to dial, the shortest pools
    /// first.
    fn serve(self: &Arc<Node>, state: &mut NodeState) {
        let now = Instant::now();
        state.tell_of_failures();
        for pool in state.waiting_pools() {
            while let Some(connection) = state.next_idle(pool, now) {
                if !self.hand_over(state, pool, connection, now) {
                    break;
                }
            }
        }
        let per_node = self.settings.load().per_node;
        while let Some(pool) = state.shortest_waiting(per_node, now) {
            if !self.let_dial(state, pool, now) {
                break;
            }
        }
        state.count_waiters();
    }

    /// Gives an idle connection to the next in turn; false where there is none.
    fn hand_over(
        self: &Arc<Node>,
        state: &mut NodeState,
        pool: usize,
        connection: Box<Connection>,
        now: Instant,
    ) -> bool {
        let Some((claim, waiter)) = state.pool(pool).next_waiter(now) else {
            state.pool(pool).idle.push(connection);
            return false;
        };
        let place = state.lend(pool, claim, Stage::Lent, now);
        let lent = Lent::new(connection, Slot::new(self.clone(), place), now);
        if let Err(Ok(unwanted)) = waiter.sender.send(Ok(Grant::Lent(lent))) {
            state.undo(place, unwanted.disarm());
        }
        true
    }

    /// Gives the right to dial to the next in turn; false where there is none.
    fn let_dial(self: &Arc<Node>, state: &mut NodeState, pool: usize, now: Instant) -> bool {
        let Some((claim, waiter)) = state.pool(pool).next_waiter(now) else { return false };
        let place = state.lend(pool, claim, Stage::Login, now);
        let slot = Slot::new(self.clone(), place);
        if let Err(Ok(unwanted)) = waiter.sender.send(Ok(Grant::Dial(slot))) {
            state.undo(place, unwanted.disarm());
        }
        true
    }

    /// A login succeeded.
    pub(super) fn logged_in(&self, pool: usize, alarm: &Arc<Alarm>) {
        let mut state = self.lock();
        let pool = state.pool(pool);
        pool.failing = None;
        pool.login = pool.login.saturating_sub(1);
        state.alarms.add(alarm);
    }

    /// A login failed: its error stands for a while.
    pub(super) fn login_failed(&self, pool: usize, error: Arc<DialError>) {
        let until = Instant::now() + self.settings.load().login_retry;
        self.lock().pool(pool).failing = Some((until, error));
    }

    /// The node has no connection left for us: for a moment none is asked of it.
    pub(super) fn crowded(&self, pool: usize) {
        const MOMENT: Duration = Duration::from_millis(90);
        self.lock().pool(pool).crowded = Some(Instant::now() + MOMENT);
    }

    /// Why a checkout that waited got nothing.
    pub(super) fn refusal(&self, wish: Wish<'_>, begun: Instant) -> CheckoutError {
        let mut state = self.lock();
        let pool = state.pool(wish.pool);
        let most = pool.bounds.tenants.of(wish.tenant).max_connections;
        if pool.paused {
            CheckoutError::Paused
        } else if most > 0 && pool.shares.held(wish.hash) >= most {
            CheckoutError::TenantFull { most }
        } else {
            CheckoutError::TimedOut { waited: begun.elapsed() }
        }
    }

    /// Closes what lies idle for too long, and forgets pools that nobody uses. Answers the right to make
    /// the connections that pools are short of their least.
    pub(super) fn reap(self: &Arc<Node>) -> Vec<(usize, Slot, Arc<Target>)> {
        let settings = self.settings.load();
        let mut guard = self.lock();
        let state = &mut *guard;
        let spent = state.reap(&settings);
        let wanted = state.fill(settings.per_node, Instant::now());
        self.serve(state);
        drop(guard);
        spent.into_iter().for_each(|connection| connection.close());
        let slot =
            |(place, target): (Place, Arc<Target>)| (place.pool, Slot::new(self.clone(), place), target);
        wanted.into_iter().map(slot).collect()
    }

    /// Other bounds are in force.
    pub(super) fn configure(self: &Arc<Node>) {
        let settings = self.settings.load();
        self.change(|state| {
            for pool in state.pools_of(None) {
                pool.bounds = settings.bounds(&pool.key.database, &pool.key.user);
            }
            Vec::new()
        });
    }

    /// Nothing of a database (or of any) is lent any more; what comes back is closed.
    pub(super) fn pause(self: &Arc<Node>, database: Option<&str>) {
        self.change(|state| {
            let pause = |pool: &mut super::state::Pool| {
                pool.paused = true;
                pool.renew()
            };
            state.each_pool_of(database, pause)
        });
    }

    /// What was paused is lent again.
    pub(super) fn resume(self: &Arc<Node>, database: Option<&str>) {
        self.change(|state| {
            state.pools_of(database).for_each(|pool| pool.paused = false);
            Vec::new()
        });
    }

    /// Closes the idle connections now and the lent ones when they come back.
    pub(super) fn renew(self: &Arc<Node>, database: Option<&str>) {
        self.change(|state| state.each_pool_of(database, super::state::Pool::renew));
    }

    /// As [`Self::renew`], and who waits for an answer on a lent one is told that it does not come.
    pub(super) fn give_up(self: &Arc<Node>) {
        self.change(|state| {
            state.alarms.raise();
            state.each_pool_of(None, super::state::Pool::renew)
        });
    }

    /// As [`Self::renew`]; nothing is lent any more, and who waits is told.
    pub(super) fn shut(self: &Arc<Node>) {
        self.change(|state| {
            state.closed = true;
            state.pools_of(None).for_each(|pool| pool.refuse_all(&CheckoutError::ShuttingDown));
            state.each_pool_of(None, super::state::Pool::renew)
        });
    }

    fn change(self: &Arc<Node>, how: impl FnOnce(&mut NodeState) -> Vec<Box<Connection>>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let spent = how(state);
        self.serve(state);
        drop(guard);
        spent.into_iter().for_each(|connection| connection.close());
        self.returns.tell();
    }

    /// How many connections are open or being made.
    pub(super) fn open(&self) -> usize {
        self.lock().open
    }

    /// How many connections of a database are lent or being made.
    pub(super) fn out(&self, database: Option<&str>) -> usize {
        self.lock().pools_of(database).map(|pool| pool.open - pool.idle.len()).sum()
    }

    /// How many lent connections of a database are closed when they come back.
    pub(super) fn stale(&self, database: Option<&str>) -> usize {
        self.lock().pools_of(database).map(|pool| pool.stale).sum()
    }

    pub(super) fn stats(&self, host: &str, port: u16) -> Vec<PoolStats> {
        let check_delay = self.settings.load().check_delay;
        self.lock().stats(host, port, check_delay)
    }
}

impl Grant {
    /// Takes back what nobody wanted, within the node's lock: nothing is given back by a drop.
    fn disarm(self) -> Option<Box<Connection>> {
        match self {
            Grant::Lent(lent) => lent.into_connection(),
            Grant::Dial(mut slot) => {
                slot.take();
                None
            }
        }
    }
}
