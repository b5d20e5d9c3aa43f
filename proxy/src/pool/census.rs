//! The pools of one node and what they have together: the counting, within the node's lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fault::CheckoutError;
use super::lent::{Place, Stage};
use super::settings::PoolSettings;
use super::shares::Claim;
use super::state::{Pool, PoolKey, Waiter};
use super::stats::PoolStats;
use super::watch::Watch;
use crate::server::{Alarms, Connection, Target};

/// The pools of one node.
#[derive(Debug, Default)]
pub(super) struct NodeState {
    /// By number; the number of a pool that was forgotten is used again.
    pools: Vec<Option<Pool>>,
    numbers: HashMap<Arc<PoolKey>, usize>,
    /// What is open or being made in all pools.
    pub(super) open: usize,
    /// At least as many as wait in all pools; 0 only where nobody does.
    pub(super) waiters: usize,
    /// Of the connections made since the node was last given up.
    pub(super) alarms: Alarms,
    /// Who makes the others slower.
    watch: Watch,
    pub(super) closed: bool,
}

/// Whose bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    User,
    Database,
    Node,
}

impl NodeState {
    /// The pool of a database and user, made if there is none.
    pub(super) fn pool_of(
        &mut self,
        target: &Arc<Target>,
        settings: &PoolSettings,
        paused: bool,
    ) -> (usize, Arc<PoolKey>, Arc<Target>) {
        let key = PoolKey { database: target.database.clone(), user: target.user.clone() };
        if let Some((key, number)) = self.numbers.get_key_value(&key) {
            let (number, key) = (*number, Arc::clone(key));
            let pool = self.pool(number);
            // Handles that lead to one place share what says so.
            if !pool.target.is_same(target) {
                pool.target = Arc::clone(target);
            }
            return (number, key, Arc::clone(&pool.target));
        }
        let (key, bounds) = (Arc::new(key), settings.bounds(&target.database, &target.user));
        let pool = Pool::new(Arc::clone(&key), Arc::clone(target), bounds, paused);
        let number = self.pools.iter().position(Option::is_none).unwrap_or(self.pools.len());
        match self.pools.get_mut(number) {
            Some(free) => *free = Some(pool),
            None => self.pools.push(Some(pool)),
        }
        self.numbers.insert(Arc::clone(&key), number);
        (number, key, Arc::clone(target))
    }

    /// The pool of a number.
    pub(super) fn pool(&mut self, number: usize) -> &mut Pool {
        self.pools[number].as_mut().expect("a pool with a handle or an open connection is not forgotten")
    }

    fn peek(&self, number: usize) -> &Pool {
        self.pools[number].as_ref().expect("a pool with a handle or an open connection is not forgotten")
    }

    /// The pools of a database, or all.
    pub(super) fn pools_of<'a>(
        &'a mut self,
        database: Option<&'a str>,
    ) -> impl Iterator<Item = &'a mut Pool> {
        let all = self.pools.iter_mut().flatten();
        all.filter(move |pool| database.is_none_or(|name| name == pool.key.database))
    }

    /// Does something to the pools of a database, or to all; answers the connections that are to be
    /// closed.
    pub(super) fn each_pool_of(
        &mut self,
        database: Option<&str>,
        how: impl Fn(&mut Pool) -> Vec<Box<Connection>>,
    ) -> Vec<Box<Connection>> {
        let spent: Vec<Box<Connection>> = self.pools_of(database).flat_map(how).collect();
        self.open -= spent.len();
        spent
    }

    /// Takes a place: of a connection that was idle, or of one that is to be made.
    pub(super) fn lend(&mut self, number: usize, claim: Claim, stage: Stage, now: Instant) -> Place {
        let pool = self.pool(number);
        pool.shares.lend(claim.tenant, now);
        let place = Place { pool: number, tenant: claim.tenant, generation: pool.generation, stage };
        if stage == Stage::Login {
            pool.login += 1;
            pool.open += 1;
            self.open += 1;
        }
        place
    }

    /// Takes back a place that nobody wanted, and its connection.
    pub(super) fn undo(&mut self, place: Place, connection: Option<Box<Connection>>) {
        let pool = self.pool(place.pool);
        pool.shares.take_back(place.tenant);
        match connection {
            Some(connection) => pool.idle.push(connection),
            None => {
                pool.login -= 1;
                pool.open -= 1;
                self.open -= 1;
            }
        }
    }

    /// Takes back a place, and its connection if it has one. Answers the connection where it is to be
    /// closed.
    pub(super) fn take_back(
        &mut self,
        place: Place,
        connection: Option<Box<Connection>>,
        settings: &PoolSettings,
    ) -> Option<Box<Connection>> {
        let needed = self.waiters > 0 && self.another_is_shorter(place.pool, settings.per_node);
        let closed = self.closed;
        if let Some(connection) = &connection
            && settings.tenant_slowdown > 0
        {
            self.note_lease(place, connection.lent_at, connection.last_used, settings.tenant_slowdown);
        }
        let pool = self.pool(place.pool);
        pool.shares.take_back(place.tenant);
        if place.stage == Stage::Login {
            pool.login = pool.login.saturating_sub(1);
        }
        let stale = place.generation != pool.generation;
        pool.stale = pool.stale.saturating_sub(usize::from(stale));
        let too_many = pool.open > pool.bounds.size + pool.bounds.reserve;
        let unfit = closed || stale || pool.paused || needed || too_many;
        match connection {
            Some(connection) if !unfit && !is_old(&connection, settings.lifetime, connection.last_used) => {
                pool.idle.push(connection);
                None
            }
            spent => {
                pool.open -= 1;
                self.open -= 1;
                spent
            }
        }
    }

    /// A lease has ended well.
    fn note_lease(&mut self, place: Place, lent_at: Instant, now: Instant, slowdown: usize) {
        if place.tenant != 0 && !self.pool(place.pool).shares.heavies.contains(place.tenant) {
            self.watch.note(place.tenant, now.saturating_duration_since(lent_at));
        }
        if self.watch.is_due(now) {
            self.look(slowdown, now);
        }
    }

    /// Looks whether somebody makes the others slower.
    #[cold]
    fn look(&mut self, slowdown: usize, now: Instant) {
        let pools = self.pools.iter_mut().flatten();
        let mut pools: Vec<_> = pools.map(Pool::shares_and_most).collect();
        self.watch.look(&mut pools, slowdown, now);
    }

    /// Whose bound keeps this pool from making one more.
    pub(super) fn obstacle(&self, number: usize, per_node: usize) -> Option<Bound> {
        let pool = self.peek(number);
        let open_with = |same: &dyn Fn(&PoolKey) -> bool| {
            self.pools
                .iter()
                .flatten()
                .filter(|other| same(&other.key))
                .map(|other| other.open)
                .sum::<usize>()
        };
        let key = &pool.key;
        if pool.bounds.user > 0 && open_with(&|other| other.user == key.user) >= pool.bounds.user {
            Some(Bound::User)
        } else if pool.bounds.database > 0
            && open_with(&|other| other.database == key.database) >= pool.bounds.database
        {
            Some(Bound::Database)
        } else if per_node > 0 && self.open >= per_node {
            Some(Bound::Node)
        } else {
            None
        }
    }

    /// Takes idle connections of other pools until this one may make one more; false where it may not.
    pub(super) fn make_room(
        &mut self,
        number: usize,
        per_node: usize,
        evicted: &mut Vec<Box<Connection>>,
    ) -> bool {
        while let Some(bound) = self.obstacle(number, per_node) {
            let Some(connection) = self.evict_idle(number, bound) else { return false };
            evicted.push(connection);
        }
        true
    }

    /// The connection that has been idle for longest among the pools that this bound counts together.
    fn evict_idle(&mut self, number: usize, bound: Bound) -> Option<Box<Connection>> {
        let key = Arc::clone(&self.peek(number).key);
        let oldest = |pool: &Pool| pool.idle.first().map(|connection| connection.last_used);
        let counted = self.pools.iter_mut().flatten();
        let counted = counted.filter(|pool| !pool.idle.is_empty() && bound.counts(&pool.key, &key));
        let pool = counted.min_by_key(|pool| oldest(pool))?;
        pool.open -= 1;
        self.open -= 1;
        Some(pool.idle.remove(0))
    }

    /// True where another pool's waiter should have this pool's place: only that can serve it, and it has
    /// fewer connections, or nobody waits here.
    fn another_is_shorter(&self, number: usize, per_node: usize) -> bool {
        let mine = self.peek(number);
        let shorter = |pool: &Pool| mine.waiting.len() == 0 || pool.open + 1 < mine.open;
        let mut others =
            self.pools.iter().enumerate().filter_map(|(other, pool)| Some((other, pool.as_ref()?)));
        others.any(|(other, pool)| {
            let blocked = || self.obstacle(other, per_node);
            other != number
                && pool.is_short()
                && shorter(pool)
                && blocked().is_some_and(|bound| bound.counts(&mine.key, &pool.key))
        })
    }

    /// Adds somebody to a pool's line.
    pub(super) fn line_up(
        &mut self,
        number: usize,
        claim: Claim,
        waiter: Waiter,
        limit: usize,
    ) -> Result<(), CheckoutError> {
        let pool = self.pool(number);
        if pool.waiting.len() >= limit {
            pool.waiting.retain(|waiter| !waiter.sender.is_closed());
        }
        if pool.waiting.len() >= limit {
            let last = pool.waiting.make_room(claim.tenant).ok_or(CheckoutError::TooManyWaiting)?;
            // Who has left meanwhile need not be told.
            let _ = last.sender.send(Err(CheckoutError::TooManyWaiting));
        }
        pool.waiting.push(claim, waiter);
        self.waiters += 1;
        Ok(())
    }

    /// The pools in which somebody waits and something is idle.
    pub(super) fn waiting_pools(&self) -> Vec<usize> {
        let waits = |pool: &Option<Pool>| {
            pool.as_ref().is_some_and(|pool| pool.waiting.len() > 0 && !pool.idle.is_empty())
        };
        (0..self.pools.len()).filter(|number| waits(&self.pools[*number])).collect()
    }

    /// An idle connection of a pool in which somebody may be served.
    pub(super) fn next_idle(&mut self, number: usize, now: Instant) -> Option<Box<Connection>> {
        let pool = self.pool(number);
        if pool.paused || !pool.has_eligible_waiter(now) { None } else { pool.idle.pop() }
    }

    /// The pool with the fewest connections in which somebody may be served by one more.
    pub(super) fn shortest_waiting(&self, per_node: usize, now: Instant) -> Option<usize> {
        let pools = self.pools.iter().enumerate().filter_map(|(number, pool)| Some((number, pool.as_ref()?)));
        let short = pools.filter(|(number, pool)| {
            pool.is_short() && pool.has_eligible_waiter(now) && self.obstacle(*number, per_node).is_none()
        });
        short.min_by_key(|(_, pool)| pool.open).map(|(number, _)| number)
    }

    /// Who waits for a pool that has no connection and can make none is told why.
    pub(super) fn tell_of_failures(&mut self) {
        for pool in self.pools.iter_mut().flatten().filter(|pool| pool.open == 0 && !pool.paused) {
            if let Some(error) = pool.failing() {
                pool.refuse_all(&CheckoutError::Failing(error));
            }
        }
    }

    /// Counts again how many wait.
    pub(super) fn count_waiters(&mut self) {
        self.waiters = self.pools.iter().flatten().map(|pool| pool.waiting.len()).sum();
    }

    /// What is lent or waited for.
    pub(super) fn held(&self) -> usize {
        let idle: usize = self.pools.iter().flatten().map(|pool| pool.idle.len()).sum();
        self.open.saturating_sub(idle) + self.waiters
    }

    /// Takes out what lies idle for too long, and forgets pools that nobody uses.
    pub(super) fn reap(&mut self, settings: &PoolSettings) -> Vec<Box<Connection>> {
        let (mut spent, now) = (Vec::new(), Instant::now());
        for pool in self.pools.iter_mut().flatten() {
            let mut spare = pool.open.saturating_sub(pool.bounds.min_size);
            // After a reload that made the pool smaller.
            let mut surplus = pool.open.saturating_sub(pool.bounds.size + pool.bounds.reserve);
            let (gone, kept): (Vec<_>, Vec<_>) =
                std::mem::take(&mut pool.idle).into_iter().partition(|idle| {
                    let unused = settings.idle_timeout.is_some_and(|limit| idle.last_used.elapsed() > limit);
                    let goes = is_old(idle, settings.lifetime, now) || (unused && spare > 0) || surplus > 0;
                    spare = spare.saturating_sub(usize::from(goes));
                    surplus = surplus.saturating_sub(usize::from(goes));
                    goes
                });
            pool.idle = kept;
            pool.open -= gone.len();
            self.open -= gone.len();
            pool.waiting.retain(|waiter| !waiter.sender.is_closed());
            spent.extend(gone);
        }
        for place in &mut self.pools {
            if let Some(pool) = place.take_if(|pool| pool.is_deserted()) {
                self.numbers.remove(&pool.key);
            }
        }
        spent
    }

    /// Takes places for the connections that pools are short of their least.
    pub(super) fn fill(&mut self, per_node: usize, now: Instant) -> Vec<(Place, Arc<Target>)> {
        let mut wanted = Vec::new();
        for number in 0..self.pools.len() {
            while let Some(pool) = &self.pools[number]
                && pool.open < pool.bounds.min_size
                && pool.may_grow()
                && self.obstacle(number, per_node).is_none()
            {
                let target = Arc::clone(&pool.target);
                let nobody = Claim { tenant: 0, weight: 1, most: 0 };
                wanted.push((self.lend(number, nobody, Stage::Login, now), target));
            }
        }
        wanted
    }

    /// Every pool at this moment.
    pub(super) fn stats(&self, host: &str, port: u16, check_delay: Duration) -> Vec<PoolStats> {
        let stats = self.pools.iter().flatten().map(|pool| {
            let used = pool.idle.iter().filter(|idle| idle.last_used.elapsed() >= check_delay).count();
            let (waiting, longest_wait) = pool.wait();
            PoolStats {
                server: pool.target.server.clone(),
                host: host.to_owned(),
                port,
                database: pool.key.database.clone(),
                user: pool.key.user.clone(),
                active: (pool.open - pool.idle.len()).saturating_sub(pool.login),
                idle: pool.idle.len() - used,
                used,
                login: pool.login,
                waiting,
                longest_wait,
                failing: pool.failing().map(|error| error.to_string()),
                mode: pool.bounds.mode,
                size: pool.bounds.size,
                paused: pool.paused,
                held_back: pool.held_back(),
            }
        });
        stats.collect()
    }
}

impl Bound {
    /// True where the bound counts these two pools together.
    fn counts(self, one: &PoolKey, other: &PoolKey) -> bool {
        match self {
            Bound::User => one.user == other.user,
            Bound::Database => one.database == other.database,
            Bound::Node => true,
        }
    }
}

/// A tenth of the lifetime is spread over the connections, so that they do not all end at once.
fn is_old(connection: &Connection, lifetime: Option<Duration>, now: Instant) -> bool {
    lifetime.is_some_and(|lifetime| {
        let age = now.saturating_duration_since(connection.created);
        // Most are young, and a glance says so.
        if age + age < lifetime {
            return false;
        }
        let spread = u32::try_from(connection.id % 101).unwrap_or(0);
        age > lifetime.mul_f64(0.9) + lifetime.mul_f64(0.002) * spread
    })
}
