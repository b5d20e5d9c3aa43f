//! The tenants that hold more of one pool than their share, and what they are allowed.

use std::time::{Duration, Instant};

use router::ids::TenantKey;

use super::allowance::Allowance;
use super::shares::{Claim, TenantHash};

/// How much of what a look finds counts at once; the rest is what the looks before it found.
pub(super) const SWIFTNESS: f64 = 0.3;
/// Who holds less than this on the average holds one at a time.
const FEW: f64 = 1.5;
/// What was begun before a fall is expected to end within this time.
const SHED: Duration = Duration::from_secs(1);
/// An allowance that was not used up for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// A tenant that holds several connections.
#[derive(Debug)]
pub(super) struct Heavy {
    tenant: TenantHash,
    /// As the pool knows it since one of its statements had to wait.
    name: Option<TenantKey>,
    weight: usize,
    /// How many it held at the last look, and lately on the average.
    held: usize,
    level: f64,
    /// True where that is more than the others have.
    above: bool,
    allowance: Option<Allowance>,
    /// When it was last allowed less.
    fell: Instant,
    /// When it last held all that it is allowed.
    pressed: Instant,
}

/// The tenants of one pool that hold several connections; mostly none.
#[derive(Debug, Default)]
pub(super) struct Heavies(Vec<Heavy>);

/// How a tenant stands that holds more than its share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Excess {
    /// It holds more than it is allowed: statements that began before.
    Shedding,
    /// It holds what could be taken from it, so many on the average.
    Taking(f64),
    /// It still holds more than it is allowed, and goes on.
    Spent,
}

impl Heavies {
    /// The most that a tenant may hold at present.
    pub(super) fn limit(&self, tenant: TenantHash) -> Option<usize> {
        self.of(tenant)?.allowance.map(|allowance| allowance.limit())
    }

    /// True for a tenant that others' well-being is not measured by.
    pub(super) fn contains(&self, tenant: TenantHash) -> bool {
        self.of(tenant).is_some_and(Heavy::counts)
    }

    /// How many connections they hold on the average, all together.
    pub(super) fn level(&self) -> f64 {
        self.0.iter().filter(|heavy| heavy.counts()).map(|heavy| heavy.level).sum()
    }

    /// Those that may hold fewer than `most` and whose statements had to wait: who, the key, and how many they
    /// may hold.
    pub(super) fn held_back(&self, most: usize) -> impl Iterator<Item = (TenantHash, &TenantKey, usize)> {
        let named = self.0.iter().filter_map(|heavy| Some((heavy, heavy.name.as_ref()?)));
        let limited = named.filter_map(|(heavy, name)| Some((heavy.tenant, name, heavy.allowance?.limit())));
        limited.filter(move |(_, _, limit)| *limit < most)
    }

    /// A statement of a tenant has to wait.
    pub(super) fn waits(&mut self, claim: Claim, tenant: Option<&TenantKey>) {
        if let Some(heavy) = self.0.iter_mut().find(|heavy| heavy.tenant == claim.tenant) {
            heavy.weight = claim.weight.max(1) as usize;
            if heavy.name.is_none() {
                heavy.name = tenant.cloned();
            }
        }
    }

    /// Looks at what is held, where the others have so many each, and may hold no more than `most`.
    pub(super) fn look(&mut self, held: impl Fn(TenantHash) -> usize, fair: f64, most: usize, now: Instant) {
        for heavy in &mut self.0 {
            heavy.held = held(heavy.tenant);
            heavy.level += (heavy.held as f64 - heavy.level) * SWIFTNESS;
            heavy.above = heavy.level >= FEW && heavy.level >= FEW * fair * heavy.weight as f64;
            let pressed = |allowance: Allowance| heavy.held >= allowance.limit() && allowance.limit() < most;
            if heavy.allowance.is_some_and(pressed) {
                heavy.pressed = now;
            } else if now.saturating_duration_since(heavy.pressed) > FORGOTTEN {
                heavy.allowance = None;
            }
        }
        self.0.retain(|heavy| heavy.allowance.is_some() || heavy.level >= 0.5);
    }

    /// A tenant is seen to hold several connections.
    pub(super) fn enter(&mut self, tenant: TenantHash, now: Instant) {
        if self.of(tenant).is_none() {
            let heavy = Heavy {
                tenant,
                name: None,
                weight: 1,
                held: 0,
                level: 0.0,
                above: false,
                allowance: None,
                fell: now,
                pressed: now,
            };
            self.0.push(heavy);
        }
    }

    /// The greatest excess of them, and whose it is.
    pub(super) fn excess(&self, fair: f64, now: Instant) -> Option<(Excess, TenantHash)> {
        let excesses = self.0.iter().filter_map(|heavy| Some((heavy.excess(fair, now)?, heavy.tenant)));
        excesses.reduce(|one, other| if one.0.outweighs(other.0) { one } else { other })
    }

    /// The others are slower: this one is allowed less.
    pub(super) fn fall(&mut self, tenant: TenantHash, fair: f64, now: Instant) {
        if let Some(heavy) = self.0.iter_mut().find(|heavy| heavy.tenant == tenant) {
            let least = heavy.least(fair);
            match &mut heavy.allowance {
                Some(allowance) => allowance.fall(heavy.held, least, now),
                none => *none = Some(Allowance::of_half(heavy.held, least, now)),
            }
            (heavy.fell, heavy.pressed) = (now, now);
            let (name, limit) = (&heavy.name, heavy.allowance.map(|allowance| allowance.limit()));
            tracing::debug!(tenant = ?name, held = heavy.held, limit, "other tenants are slower: a tenant is held back");
        }
    }

    /// The others are well: who uses all that it is allowed may have more.
    pub(super) fn rise(&mut self, most: usize, now: Instant) {
        for heavy in self.0.iter_mut().filter(|heavy| heavy.pressed == now) {
            if let Some(allowance) = &mut heavy.allowance {
                allowance.rise(heavy.held, most, now);
            }
        }
    }

    fn of(&self, tenant: TenantHash) -> Option<&Heavy> {
        self.0.iter().find(|heavy| heavy.tenant == tenant)
    }
}

impl Heavy {
    fn counts(&self) -> bool {
        self.above || self.allowance.is_some()
    }

    /// What nobody takes from it: as much as the others have, and one.
    fn least(&self, fair: f64) -> usize {
        (fair.max(1.0) * self.weight as f64) as usize
    }

    fn excess(&self, fair: f64, now: Instant) -> Option<Excess> {
        let limit = self.allowance.map_or(usize::MAX, |allowance| allowance.limit());
        if self.held > limit {
            let fresh = now.saturating_duration_since(self.fell) < SHED;
            return Some(if fresh { Excess::Shedding } else { Excess::Spent });
        }
        let least = self.least(fair);
        (self.counts() && self.held > least && limit > least).then_some(Excess::Taking(self.level))
    }
}

impl Excess {
    /// What is being shed is waited for first, but not for ever.
    pub(super) fn outweighs(self, other: Excess) -> bool {
        match (self, other) {
            (Excess::Shedding, _) | (_, Excess::Spent) => true,
            (_, Excess::Shedding) | (Excess::Spent, _) => false,
            (Excess::Taking(one), Excess::Taking(other)) => one >= other,
        }
    }
}
