//! Keeps one tenant's load on a node from making the other tenants' statements slower.
//!
//! What a proxy lends fairly, a server may not: ten connections that compute take all processors of a small
//! server, and whoever else is there waits for them, idle connections or not. So a node is watched. How long
//! the other tenants keep their connections while nobody holds many is what is usual; where
//! they keep them longer while somebody does, the one that holds most is allowed less, until they are well.
//!
//! | the heaviest tenant | what the others' leases since the last verdict are |
//! | --- | --- |
//! | holds no more than the others do, or is allowed no more | usual: they are kept for comparison, and it may try more |
//! | still holds what it is no longer allowed | nothing: they are of before and after |
//! | holds more | compared with the usual: it falls, rises, or more is waited for |
//!
//! Nobody is blamed for what is slow by itself: a report that runs as long without the heavy tenant is usual.
//! Blamed wrongly, a tenant has its connections back as soon as the others turn out to be as slow without it.

use std::time::{Duration, Instant};

use super::heavy::{Excess, SWIFTNESS};
use super::shares::{Shares, TenantHash};
use super::times::Times;

/// The time between two looks; where nothing comes back meanwhile, there is none.
const PERIOD: Duration = Duration::from_millis(50);
/// So many leases can be compared.
const SOME: u32 = 50;
/// So many tell what is usual, and that nothing is wrong at once; fewer do after a while.
const ENOUGH: u32 = 100;
const PLENTY: u32 = 1000;
const WHILE: Duration = Duration::from_secs(1);
/// After so long without enough of them there is nobody to be troubled.
const LONG: Duration = Duration::from_secs(10);
/// So many of the last leases are what is usual.
const MEMORY: u32 = 8192;

/// One node's watch.
#[derive(Debug)]
pub(super) struct Watch {
    /// When to look again.
    due: Instant,
    /// The others' leases since the last verdict, and the time of that.
    times: Times,
    since: Instant,
    /// True where a heavy tenant was there at the last look.
    burdened: bool,
    usual: Times,
    /// How many connections are in use on the average, and a mark for each of the others that were
    /// there lately, and before.
    load: f64,
    seen: u64,
    seen_before: u64,
    seen_since: Instant,
}

/// What a look finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The others are slower than usual.
    Slower,
    /// They are not.
    Well,
    /// More is waited for.
    Open,
}

impl Default for Watch {
    fn default() -> Watch {
        let now = Instant::now();
        let (times, usual) = (Times::default(), Times::default());
        Watch {
            due: now,
            times,
            since: now,
            // Nobody knows who was there before the first look.
            burdened: true,
            usual,
            load: 0.0,
            seen: 0,
            seen_before: 0,
            seen_since: now,
        }
    }
}

impl Watch {
    /// A lease ended of a tenant that is none of the heavy ones.
    pub(super) fn note(&mut self, tenant: TenantHash, took: Duration) {
        self.seen |= 1 << (tenant & 63);
        self.times.note(took);
    }

    /// True where it is time to look.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// Looks at all pools of the node, what is lent of them and the most that one tenant may hold of each; `slowdown` is how long the others'
    /// leases may become, in percent of what is usual.
    pub(super) fn look(&mut self, pools: &mut [(&mut Shares, usize)], slowdown: usize, now: Instant) {
        self.due = now + PERIOD;
        let fair = self.others_share(pools, now);
        pools.iter_mut().for_each(|(shares, most)| shares.look(fair, *most, now));
        let excesses = pools.iter().enumerate().filter_map(|(number, (shares, _))| {
            let (excess, tenant) = shares.heavies.excess(fair, now)?;
            Some((excess, number, tenant))
        });
        match excesses.reduce(|one, other| if one.0.outweighs(other.0) { one } else { other }) {
            None => self.unburdened(pools, now),
            Some((Excess::Shedding, ..)) => {
                self.burdened = true;
                self.begin(now);
            }
            Some((Excess::Spent, ..)) => {
                self.burdened = true;
                rise(pools, now);
                self.begin(now);
            }
            Some((Excess::Taking(_), ..)) if !self.burdened => {
                self.burdened = true;
                self.begin(now);
            }
            Some((Excess::Taking(_), pool, tenant)) => match self.verdict(slowdown, now) {
                Verdict::Slower => {
                    pools[pool].0.heavies.fall(tenant, fair, now);
                    self.begin(now);
                }
                Verdict::Well => {
                    rise(pools, now);
                    self.begin(now);
                }
                Verdict::Open => {}
            },
        }
    }

    /// What came back since the last look is usual, unless a heavy tenant was there then.
    fn unburdened(&mut self, pools: &mut [(&mut Shares, usize)], now: Instant) {
        if !std::mem::take(&mut self.burdened) {
            self.usual.add(&self.times, MEMORY);
            rise(pools, now);
        }
        self.begin(now);
    }

    fn begin(&mut self, now: Instant) {
        self.times = Times::default();
        self.since = now;
    }

    fn verdict(&self, slowdown: usize, now: Instant) -> Verdict {
        let (many, age) = (self.times.total(), now.saturating_duration_since(self.since));
        if self.usual.total() < ENOUGH {
            // How they are without it is not known yet: it gives way for as long as it takes to see.
            return match many >= ENOUGH {
                true => Verdict::Slower,
                false => Verdict::Open,
            };
        }
        if many >= SOME && self.times.are_slower_than(&self.usual, slowdown) {
            Verdict::Slower
        } else if many >= PLENTY || (many >= SOME && age >= WHILE) || age >= LONG {
            Verdict::Well
        } else {
            Verdict::Open
        }
    }

    /// How many connections each of the others has in use, on the average.
    fn others_share(&mut self, pools: &[(&mut Shares, usize)], now: Instant) -> f64 {
        let total: usize = pools.iter().map(|(shares, _)| shares.total()).sum();
        let heavy: f64 = pools.iter().map(|(shares, _)| shares.heavies.level()).sum();
        self.load += (total as f64 - self.load) * SWIFTNESS;
        if now.saturating_duration_since(self.seen_since) >= WHILE {
            self.seen_before = std::mem::take(&mut self.seen);
            self.seen_since = now;
        }
        let others = (self.seen | self.seen_before).count_ones().max(1);
        (self.load - heavy).max(0.0) / f64::from(others)
    }
}

/// Who uses all that it is allowed may have more.
fn rise(pools: &mut [(&mut Shares, usize)], now: Instant) {
    pools.iter_mut().for_each(|(shares, most)| shares.heavies.rise(*most, now));
}

#[cfg(test)]
mod tests {
    use super::super::shares::Claim;
    use super::*;

    const SIZE: usize = 20;
    const FLOOD: TenantHash = 1000;

    /// A node on a clock of its own: a tenant that takes all it may have of a pool, and sixteen others who read.
    struct Node {
        watch: Watch,
        shares: Shares,
        now: Instant,
        read: u64,
        /// What the flood held at each look.
        held: Vec<usize>,
        /// How many reads waited for the flood, of how many.
        slow: u64,
    }

    /// How the others' reads go while the flood holds so many: how long those take that wait, and each how
    /// many-th does; all else is quick.
    type Toll = fn(held: usize) -> (u64, u64);

    /// More than one that computes: each twelfth read waits for a processor.
    const COMPUTING: Toll = |held| if held > 1 { (12, 15_000) } else { (100, 900) };
    /// It waits, and takes nothing from anybody.
    const WAITING: Toll = |_| (100, 900);

    impl Node {
        fn new() -> Node {
            let (watch, shares, now) = (Watch::default(), Shares::default(), Instant::now());
            Node { watch, shares, now, read: 0, held: Vec::new(), slow: 0 }
        }

        /// Lets so much time pass, with a flood that wants `wanted` at once.
        fn pass(&mut self, time: Duration, wanted: usize, toll: Toll) {
            /// How often the others read in a period, all together.
            const READS: u64 = 140;
            let until = self.now + time;
            while self.now < until {
                let claim = Claim { tenant: FLOOD, weight: 1, most: 0 };
                (0..self.shares.held(FLOOD)).for_each(|_| self.shares.take_back(FLOOD));
                while self.shares.held(FLOOD) < wanted && self.shares.permit(claim, SIZE, 50, self.now) {
                    self.shares.lend(FLOOD, self.now);
                }
                let held = self.shares.held(FLOOD);
                let (each, slow) = toll(held);
                for _ in 0..READS {
                    self.read += 1;
                    let tenant = 1 + self.read % 16;
                    self.shares.lend(tenant, self.now);
                    self.shares.take_back(tenant);
                    let waits = self.read.is_multiple_of(each);
                    self.slow += u64::from(waits && slow > 1500);
                    let took = if waits { slow } else { 150 + self.read % 90 };
                    self.watch.note(tenant, Duration::from_micros(took));
                }
                self.held.push(held);
                self.now += PERIOD;
                self.watch.look(&mut [(&mut self.shares, SIZE / 2)], 150, self.now);
            }
        }

        fn limit(&self) -> Option<usize> {
            self.shares.heavies.limit(FLOOD)
        }
    }

    #[test]
    fn a_flood_that_computes_is_held_back_to_one_and_the_others_hardly_notice() {
        let mut node = Node::new();
        node.pass(Duration::from_secs(5), 0, COMPUTING);
        node.pass(Duration::from_secs(1), 200, COMPUTING);
        assert_eq!(node.held.last(), Some(&1), "{:?}", node.held);
        node.pass(Duration::from_secs(60), 200, COMPUTING);
        assert!(node.slow * 1000 < node.read * 5, "{} of {} reads waited", node.slow, node.read);
    }

    #[test]
    fn a_flood_that_is_there_first_is_held_back_too() {
        let mut node = Node::new();
        node.pass(Duration::from_secs(8), 200, COMPUTING);
        assert_eq!(node.held.last(), Some(&1), "{:?}", node.held);
    }

    #[test]
    fn a_flood_that_troubles_nobody_has_its_share() {
        let mut node = Node::new();
        node.pass(Duration::from_secs(5), 0, WAITING);
        node.pass(Duration::from_secs(30), 200, WAITING);
        assert!(node.limit().is_none_or(|limit| limit == SIZE / 2), "{:?}", node.limit());
        assert!(node.held.iter().skip(100).all(|held| *held == SIZE / 2), "{:?}", node.held);
    }

    #[test]
    fn it_has_its_share_again_when_it_troubles_nobody_any_more() {
        let mut node = Node::new();
        node.pass(Duration::from_secs(5), 0, COMPUTING);
        node.pass(Duration::from_secs(60), 200, COMPUTING);
        node.pass(Duration::from_secs(20), 200, WAITING);
        assert_eq!(node.held.last(), Some(&(SIZE / 2)), "{:?}", node.held);
    }

    #[test]
    fn what_is_slow_without_it_too_is_not_laid_at_its_door_for_long() {
        let slow_anyway: Toll = |_| (20, 60_000);
        let mut node = Node::new();
        node.pass(Duration::from_secs(5), 0, WAITING);
        node.pass(Duration::from_secs(30), 200, slow_anyway);
        assert_eq!(node.held.last(), Some(&(SIZE / 2)), "{:?}", node.held);
    }

    #[test]
    fn a_tenant_alone_is_not_limited() {
        let mut node = Node::new();
        node.pass(Duration::from_secs(5), 0, COMPUTING);
        node.pass(Duration::from_secs(10), 200, COMPUTING);
        assert_eq!(node.limit(), Some(1));
        node.now += Duration::from_secs(11);
        let claim = Claim { tenant: FLOOD, weight: 1, most: 0 };
        while node.shares.held(FLOOD) < SIZE {
            assert!(node.shares.permit(claim, SIZE, 50, node.now));
            node.shares.lend(FLOOD, node.now);
        }
    }

    #[test]
    fn statements_that_it_began_before_are_waited_for_and_blame_nobody() {
        let mut node = Node::new();
        node.pass(Duration::from_secs(5), 0, COMPUTING);
        node.pass(Duration::from_secs(5), 200, COMPUTING);
        let before = node.limit();
        // Ten that go on, whatever it is allowed.
        (0..10).for_each(|_| node.shares.lend(FLOOD, node.now));
        for _ in 0..100 {
            node.now += PERIOD;
            (0..140).for_each(|read| node.watch.note(1 + read % 16, Duration::from_millis(15)));
            node.watch.look(&mut [(&mut node.shares, SIZE / 2)], 150, node.now);
        }
        assert_eq!(node.limit(), before);
        assert!(!node.watch.usual.are_slower_than(&Node::calm(), 150), "they are not taken for usual");
    }

    impl Node {
        /// What is usual where nobody floods.
        fn calm() -> Times {
            let mut node = Node::new();
            node.pass(Duration::from_secs(5), 0, WAITING);
            node.watch.usual
        }
    }
}
