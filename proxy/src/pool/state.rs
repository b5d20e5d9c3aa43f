//! One pool of a node: its connections, who waits for them, and what each tenant holds. Lives within
//! the node's lock; does nothing by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Id;
use tokio::sync::oneshot;

use super::fault::CheckoutError;
use super::node::Grant;
use super::queue::FairQueue;
use super::settings::Bounds;
use super::shares::{Claim, Shares};
use super::stats::HeldBack;
use crate::server::{Connection, DialError, Target};

/// A pool within its node.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    pub(super) database: String,
    pub(super) user: String,
}

/// One pool.
#[derive(Debug)]
pub(super) struct Pool {
    /// Shared with every handle: a pool that somebody has a handle of is not forgotten.
    pub(super) key: Arc<PoolKey>,
    /// How the newest handle dials.
    pub(super) target: Arc<Target>,
    pub(super) bounds: Bounds,
    /// The most recently used is the last.
    pub(super) idle: Vec<Box<Connection>>,
    /// What is idle, lent, or being made.
    pub(super) open: usize,
    /// How many of them are being made.
    pub(super) login: usize,
    /// Who holds what is lent or being made.
    pub(super) shares: Shares,
    pub(super) waiting: FairQueue<Waiter>,
    pub(super) failing: Option<(Instant, Arc<DialError>)>,
    /// Until when no connection is asked of a node that had none left.
    pub(super) crowded: Option<Instant>,
    /// Connections of an older generation are closed when they come back.
    pub(super) generation: u64,
    /// How many of those are still out.
    pub(super) stale: usize,
    pub(super) paused: bool,
}

/// Who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) sender: oneshot::Sender<Result<Grant, CheckoutError>>,
    pub(super) since: Instant,
}

impl Pool {
    pub(super) fn new(key: Arc<PoolKey>, target: Arc<Target>, bounds: Bounds, paused: bool) -> Pool {
        Pool {
            key,
            target,
            bounds,
            idle: Vec::new(),
            open: 0,
            login: 0,
            shares: Shares::default(),
            waiting: FairQueue::new(),
            failing: None,
            crowded: None,
            generation: 0,
            stale: 0,
            paused,
        }
    }

    /// True where this tenant may hold one connection more.
    pub(super) fn permits(&self, claim: Claim, now: Instant) -> bool {
        !self.paused && self.shares.permit(claim, self.bounds.size, self.bounds.tenant_share, now)
    }

    /// What its tenants hold, and the most that one of them may hold while others are there.
    pub(super) fn shares_and_most(&mut self) -> (&mut Shares, usize) {
        let most = self.most();
        (&mut self.shares, most)
    }

    fn most(&self) -> usize {
        self.bounds.size * self.bounds.tenant_share / 100
    }

    /// True where one connection more may be made.
    pub(super) fn may_grow(&self) -> bool {
        !self.paused && self.has_room()
    }

    /// The same, paused or not.
    pub(super) fn has_room(&self) -> bool {
        self.open < self.bounds.size && self.may_dial()
    }

    /// As [`Self::may_grow`], into the reserve.
    pub(super) fn may_grow_into_reserve(&self) -> bool {
        !self.paused && self.open < self.bounds.size + self.bounds.reserve && self.may_dial()
    }

    fn may_dial(&self) -> bool {
        self.failing().is_none() && self.crowded.is_none_or(|until| until <= Instant::now())
    }

    /// True where somebody waits whom a connection more would serve.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.len() > 0 && self.may_grow()
    }

    /// The error that stands.
    pub(super) fn failing(&self) -> Option<Arc<DialError>> {
        self.failing.as_ref().filter(|(until, _)| Instant::now() < *until).map(|(_, error)| error.clone())
    }

    /// The next waiter that may hold a connection more.
    pub(super) fn next_waiter(&mut self, now: Instant) -> Option<(Claim, Waiter)> {
        let (shares, bounds) = (&self.shares, &self.bounds);
        self.waiting.pop(|claim| shares.permit(claim, bounds.size, bounds.tenant_share, now))
    }

    /// True where somebody waits that may hold a connection more.
    pub(super) fn has_eligible_waiter(&self, now: Instant) -> bool {
        let (shares, bounds) = (&self.shares, &self.bounds);
        self.waiting.any(|claim| shares.permit(claim, bounds.size, bounds.tenant_share, now))
    }

    /// The most recently used of those that this runtime wakes, or one of the last few of them that has
    /// these settings; one of another runtime only where there is none.
    pub(super) fn take_idle(&mut self, prefer: Option<u64>, home: Id) -> Option<Box<Connection>> {
        const LAST_FEW: usize = 8;
        let near = || self.idle.iter().enumerate().rev().filter(|(_, idle)| idle.home() == home);
        let fits = |wanted: u64| {
            let mut few = near().take(LAST_FEW);
            few.find(|(_, idle)| idle.settings.fingerprint() == wanted).map(|(place, _)| place)
        };
        let place = prefer.and_then(fits).or_else(|| near().next().map(|(place, _)| place));
        match place {
            Some(place) => Some(self.idle.remove(place)),
            None => self.idle.pop(),
        }
    }

    /// The most recently used of the last few that have these settings, are woken by this runtime and `fit`.
    pub(super) fn take_fitting(
        &mut self,
        settings: u64,
        home: Id,
        fit: impl Fn(&Connection) -> bool,
    ) -> Option<Box<Connection>> {
        const LAST_FEW: usize = 8;
        let near = self.idle.iter().enumerate().rev().filter(|(_, idle)| idle.home() == home);
        let mut few = near.take(LAST_FEW);
        let fitting = |idle: &Connection| idle.settings.fingerprint() == settings && fit(idle);
        let (place, _) = few.find(|(_, idle)| fitting(idle))?;
        Some(self.idle.remove(place))
    }

    /// From now on, what is open is of an older generation. Answers the idle ones, to be closed.
    pub(super) fn renew(&mut self) -> Vec<Box<Connection>> {
        self.generation += 1;
        self.open -= self.idle.len();
        self.stale = self.open;
        std::mem::take(&mut self.idle)
    }

    /// Everybody who waits is told.
    pub(super) fn refuse_all(&mut self, error: &CheckoutError) {
        for waiter in self.waiting.drain() {
            // Who has left meanwhile need not be told.
            let _ = waiter.sender.send(Err(error.clone()));
        }
    }

    /// How many wait, and for how long the first has.
    pub(super) fn wait(&self) -> (usize, Duration) {
        let still = || self.waiting.iter().filter(|waiter| !waiter.sender.is_closed());
        (still().count(), still().map(|waiter| waiter.since.elapsed()).max().unwrap_or_default())
    }

    /// The tenants that may hold fewer than the pool would give them.
    pub(super) fn held_back(&self) -> Vec<HeldBack> {
        let told = self.shares.heavies.held_back(self.most()).map(|(hash, tenant, allowed)| HeldBack {
            tenant: tenant.clone(),
            held: self.shares.held(hash),
            allowed,
            waiting: self.waiting.len_of(hash),
        });
        told.collect()
    }

    /// True where the pool can be forgotten: nothing is open, nobody waits or can come.
    pub(super) fn is_deserted(&self) -> bool {
        // The node's own map and the pool have one each.
        const OWN: usize = 2;
        self.open == 0
            && self.waiting.len() == 0
            && self.failing().is_none()
            && Arc::strong_count(&self.key) <= OWN
    }
}
