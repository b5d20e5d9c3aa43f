//! A queue that serves tenants in turn: a tenant with a thousand waiting gets as many turns as one
//! with a single one, or as many times more as it has weight.

use std::collections::{HashMap, VecDeque};

use super::shares::{Claim, TenantHash};

/// Who waits, by tenant. Every tenant with somebody waiting is in `turns` once.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    queues: HashMap<TenantHash, Line<T>>,
    turns: VecDeque<TenantHash>,
    len: usize,
}

/// The waiters of one tenant.
#[derive(Debug)]
struct Line<T> {
    claim: Claim,
    /// How many more are served before it is the next tenant's turn.
    credit: u32,
    items: VecDeque<T>,
}

impl<T> FairQueue<T> {
    /// Nobody waits.
    pub(super) fn new() -> FairQueue<T> {
        FairQueue { queues: HashMap::new(), turns: VecDeque::new(), len: 0 }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many of this tenant wait.
    pub(super) fn len_of(&self, tenant: TenantHash) -> usize {
        self.queues.get(&tenant).map_or(0, |line| line.items.len())
    }

    /// Whoever waits, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.queues.values().flat_map(|line| &line.items)
    }

    /// Lines up behind the others of the same tenant.
    pub(super) fn push(&mut self, claim: Claim, item: T) {
        let new = || Line { claim, credit: claim.weight, items: VecDeque::new() };
        let line = self.queues.entry(claim.tenant).or_insert_with(new);
        line.claim = claim;
        if line.items.is_empty() {
            self.turns.push_back(claim.tenant);
        }
        line.items.push_back(item);
        self.len += 1;
    }

    /// The first of the tenant whose turn it is among those that may be served.
    pub(super) fn pop(&mut self, may: impl Fn(Claim) -> bool) -> Option<(Claim, T)> {
        let queues = &self.queues;
        let eligible = |tenant: &TenantHash| queues.get(tenant).is_some_and(|line| may(line.claim));
        let place = self.turns.iter().position(eligible)?;
        let tenant = *self.turns.get(place)?;
        let line = self.queues.get_mut(&tenant)?;
        let item = line.items.pop_front()?;
        let claim = line.claim;
        line.credit = line.credit.saturating_sub(1);
        if line.items.is_empty() {
            self.queues.remove(&tenant);
            self.turns.remove(place);
        } else if line.credit == 0 {
            line.credit = claim.weight;
            self.turns.remove(place);
            self.turns.push_back(tenant);
        }
        self.len -= 1;
        Some((claim, item))
    }

    /// True where somebody waits who may be served.
    pub(super) fn any(&self, may: impl Fn(Claim) -> bool) -> bool {
        self.queues.values().any(|line| may(line.claim))
    }

    /// Makes room for one more of this tenant: the last in the longest line leaves, if that line
    /// is longer than this tenant's would be.
    pub(super) fn make_room(&mut self, tenant: TenantHash) -> Option<T> {
        let mine = self.len_of(tenant);
        let longest = self.queues.values_mut().max_by_key(|line| line.items.len())?;
        if longest.items.len() <= mine + 1 {
            return None;
        }
        self.len -= 1;
        longest.items.pop_back()
    }

    /// Keeps only those who still wait.
    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        for line in self.queues.values_mut() {
            line.items.retain(&keep);
        }
        self.queues.retain(|_, line| !line.items.is_empty());
        self.turns.retain(|tenant| self.queues.contains_key(tenant));
        self.len = self.queues.values().map(|line| line.items.len()).sum();
    }

    /// Everybody leaves.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.turns.clear();
        self.len = 0;
        std::mem::take(&mut self.queues).into_values().flat_map(|line| line.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(tenant: TenantHash) -> Claim {
        Claim { tenant, weight: 1, most: 0 }
    }

    fn served<T>(queue: &mut FairQueue<T>, many: usize) -> Vec<T> {
        std::iter::from_fn(|| queue.pop(|_| true)).map(|(_, item)| item).take(many).collect()
    }

    #[test]
    fn a_burst_of_one_tenant_does_not_starve_the_rest() {
        let mut queue = FairQueue::new();
        for number in 0..100 {
            queue.push(claim(1), (1, number));
        }
        queue.push(claim(2), (2, 0));
        queue.push(claim(3), (3, 0));
        assert_eq!(served(&mut queue, 4), [(1, 0), (2, 0), (3, 0), (1, 1)]);
        assert_eq!(queue.len(), 98);
    }

    #[test]
    fn a_weight_is_so_many_turns() {
        let mut queue = FairQueue::new();
        for number in 0..6 {
            queue.push(Claim { weight: 3, ..claim(1) }, (1, number));
            queue.push(claim(2), (2, number));
        }
        let tenants: Vec<_> = served(&mut queue, 8).into_iter().map(|(tenant, _)| tenant).collect();
        assert_eq!(tenants, [1, 1, 1, 2, 1, 1, 1, 2]);
    }

    #[test]
    fn who_may_not_is_passed_over_and_keeps_its_turn() {
        let mut queue = FairQueue::new();
        queue.push(claim(1), 10);
        queue.push(claim(2), 20);
        queue.push(claim(2), 21);
        assert_eq!(queue.pop(|claim| claim.tenant == 2).map(|(_, item)| item), Some(20));
        assert_eq!(queue.pop(|_| false), None);
        assert_eq!(served(&mut queue, 9), [10, 21]);
    }

    #[test]
    fn the_longest_line_makes_room_for_a_short_one() {
        let mut queue = FairQueue::new();
        (0..3).for_each(|number| queue.push(claim(1), number));
        assert_eq!(queue.make_room(2), Some(2));
        queue.push(claim(2), 9);
        assert_eq!(queue.make_room(1), None);
        assert_eq!(queue.make_room(2), None);
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn who_left_has_no_turn() {
        let mut queue = FairQueue::new();
        queue.push(claim(1), 10);
        queue.push(claim(2), 20);
        queue.retain(|item| *item != 10);
        assert_eq!(queue.len(), 1);
        assert_eq!(served(&mut queue, 9), [20]);
    }
}
