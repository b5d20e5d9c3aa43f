//! How much of one pool each tenant holds, and whether it may take more.
//!
//! While others are active, a tenant may hold a connection more only as long as it holds less than
//! a multiple of what is still free: the dynamic thresholds of Choudhury and Hahne ("Dynamic queue
//! length thresholds for shared-memory packet switches", 1998). With a share of one half, one flooding
//! tenant gets half of the pool, two get a third each, n get `1 / (n + 1)` each, and as much stays free
//! for the tenant that comes next. Who holds nothing may always take what is free.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use super::heavy::Heavies;

/// A tenant by its hash; 0: all that have none.
pub(super) type TenantHash = u64;

/// For how long after its last checkout a tenant counts as active.
const ACTIVE: Duration = Duration::from_secs(10);

/// What a tenant may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Who.
    pub(super) tenant: TenantHash,
    /// How many times another's share.
    pub(super) weight: u32,
    /// The most connections; 0 is no bound.
    pub(super) most: usize,
}

/// What is lent of one pool, by tenant.
#[derive(Debug, Default)]
pub(super) struct Shares {
    lent: HashMap<TenantHash, usize, BuildHasherDefault<Hashed>>,
    total: usize,
    /// The tenants that hold several.
    pub(super) heavies: Heavies,
    /// The last tenant that took something.
    latest: Option<(TenantHash, Instant)>,
    /// The last one before it that is another.
    before: Option<(TenantHash, Instant)>,
}

impl Shares {
    /// How much a tenant holds.
    pub(super) fn held(&self, tenant: TenantHash) -> usize {
        self.lent.get(&tenant).copied().unwrap_or(0)
    }

    /// Something is lent to a tenant.
    pub(super) fn lend(&mut self, tenant: TenantHash, now: Instant) {
        *self.lent.entry(tenant).or_default() += 1;
        self.total += 1;
        if tenant == 0 {
            return;
        }
        match &mut self.latest {
            Some((latest, when)) if *latest == tenant => *when = now,
            latest => self.before = latest.replace((tenant, now)),
        }
    }

    /// What was lent to a tenant comes back.
    pub(super) fn take_back(&mut self, tenant: TenantHash) {
        self.total = self.total.saturating_sub(1);
        if let Some(held) = self.lent.get_mut(&tenant) {
            *held -= 1;
            if *held == 0 {
                self.lent.remove(&tenant);
            }
        }
    }

    /// True where the tenant may hold one more of a pool of this size, of which one tenant may have
    /// this share in percent.
    pub(super) fn permit(&self, claim: Claim, size: usize, share: usize, now: Instant) -> bool {
        let held = self.held(claim.tenant);
        if held == 0 {
            return true;
        }
        if claim.most > 0 && held >= claim.most {
            return false;
        }
        let limit = self.heavies.limit(claim.tenant);
        if (share >= 100 && limit.is_none()) || !self.others_are_active(claim.tenant, now) {
            return true;
        }
        // A transaction that goes on is held up by no allowance either.
        if limit.is_some_and(|limit| held >= limit) && claim.weight != u32::MAX {
            return false;
        }
        if share >= 100 {
            return true;
        }
        let free = size.saturating_sub(self.total);
        held * (100 - share) < claim.weight as usize * share * free
    }

    /// Looks who holds several, where the others have so many each, and none may hold more than `most`.
    pub(super) fn look(&mut self, fair: f64, most: usize, now: Instant) {
        let lent = &self.lent;
        // Those without a tenant are many, and none of them can be told from another.
        let several = lent.iter().filter(|(tenant, held)| **tenant != 0 && **held > 1);
        several.for_each(|(tenant, _)| self.heavies.enter(*tenant, now));
        self.heavies.look(|tenant| lent.get(&tenant).copied().unwrap_or(0), fair, most, now);
    }

    /// How many are lent.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Statements without a tenant make no other tenant active: a session's start is one.
    fn others_are_active(&self, tenant: TenantHash, now: Instant) -> bool {
        let active = |seen: Option<(TenantHash, Instant)>| {
            seen.is_some_and(|(other, when)| other != tenant && now.saturating_duration_since(when) < ACTIVE)
        };
        active(self.latest) || active(self.before) || self.another_holds(tenant)
    }

    fn another_holds(&self, tenant: TenantHash) -> bool {
        self.lent.keys().any(|other| *other != tenant && *other != 0)
    }
}

/// Takes the hash of a key that is one already.
#[derive(Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64(bytes);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 20;

    fn claim(tenant: TenantHash) -> Claim {
        Claim { tenant, weight: 1, most: 0 }
    }

    /// Each of these takes in turn as much as it may; what each holds then.
    fn flood(shares: &mut Shares, claims: &[Claim], now: Instant) -> Vec<usize> {
        loop {
            let before = shares.total;
            for claim in claims {
                if shares.total < SIZE && shares.permit(*claim, SIZE, 50, now) {
                    shares.lend(claim.tenant, now);
                }
            }
            if shares.total == before {
                let held = claims.iter().map(|claim| shares.held(claim.tenant));
                return held.collect();
            }
        }
    }

    #[test]
    fn a_tenant_alone_has_the_whole_pool() {
        let (mut shares, now) = (Shares::default(), Instant::now());
        assert_eq!(flood(&mut shares, &[claim(1)], now), [SIZE]);
    }

    #[test]
    fn a_flood_gets_half_while_another_tenant_is_active() {
        let (mut shares, now) = (Shares::default(), Instant::now());
        shares.lend(2, now);
        shares.take_back(2);
        assert_eq!(flood(&mut shares, &[claim(1)], now), [SIZE / 2]);
        assert!(shares.permit(claim(2), SIZE, 50, now), "the other finds room");
        let later = now + ACTIVE;
        shares.lend(1, later);
        assert!(shares.permit(claim(1), SIZE, 50, later), "alone again");
    }

    #[test]
    fn several_floods_leave_room_for_the_next_tenant() {
        for tenants in 2..=9 {
            let (mut shares, now) = (Shares::default(), Instant::now());
            let claims: Vec<Claim> = (1..=tenants).map(claim).collect();
            let held = flood(&mut shares, &claims, now);
            assert!(shares.total < SIZE, "{tenants} tenants: {held:?}");
            assert!(held.iter().max().unwrap() - held.iter().min().unwrap() <= 1, "{held:?}");
        }
    }

    #[test]
    fn a_weight_is_a_larger_share_and_a_cap_is_a_cap() {
        let (mut shares, now) = (Shares::default(), Instant::now());
        let heavy = Claim { weight: 3, ..claim(1) };
        let capped = Claim { most: 2, ..claim(2) };
        let held = flood(&mut shares, &[capped, heavy, claim(3)], now);
        assert_eq!(held[0], 2);
        assert!(held[1] > held[2], "{held:?}");
        let mut alone = Shares::default();
        assert_eq!(flood(&mut alone, &[capped], now), [2]);
    }

    #[test]
    fn statements_without_a_tenant_take_no_share_from_one() {
        let (mut shares, now) = (Shares::default(), Instant::now());
        shares.lend(0, now);
        assert_eq!(flood(&mut shares, &[claim(1)], now), [SIZE - 1]);
        let (mut shares, now) = (Shares::default(), Instant::now());
        shares.lend(1, now);
        shares.take_back(1);
        assert_eq!(flood(&mut shares, &[claim(0)], now), [SIZE / 2]);
    }
}
