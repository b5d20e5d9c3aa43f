//! A queue that serves tenants in turn: a tenant with a thousand waiting gets as many turns as one
//! with a single one.

use std::collections::{HashMap, VecDeque};

/// Who waits, by tenant. Every tenant with somebody waiting is in `turns` once.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    queues: HashMap<u64, VecDeque<T>>,
    turns: VecDeque<u64>,
    len: usize,
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

    /// Whoever waits, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.queues.values().flatten()
    }

    /// Lines up behind the others of the same tenant.
    pub(super) fn push(&mut self, tenant: u64, item: T) {
        let queue = self.queues.entry(tenant).or_default();
        if queue.is_empty() {
            self.turns.push_back(tenant);
        }
        queue.push_back(item);
        self.len += 1;
    }

    /// The first of the tenant whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let tenant = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&tenant)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        self.len -= usize::from(item.is_some());
        item
    }

    /// Makes room for one more of this tenant: the last in the longest line leaves, if that line
    /// is longer than this tenant's would be.
    pub(super) fn make_room(&mut self, tenant: u64) -> Option<T> {
        let mine = self.queues.get(&tenant).map_or(0, VecDeque::len);
        let longest = self.queues.values_mut().max_by_key(|queue| queue.len())?;
        if longest.len() <= mine + 1 {
            return None;
        }
        self.len -= 1;
        longest.pop_back()
    }

    /// Keeps only those who still wait.
    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        for queue in self.queues.values_mut() {
            queue.retain(&keep);
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        self.turns.retain(|tenant| self.queues.contains_key(tenant));
        self.len = self.queues.values().map(VecDeque::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_one_tenant_does_not_starve_the_rest() {
        let mut queue = FairQueue::new();
        for number in 0..100 {
            queue.push(1, (1, number));
        }
        queue.push(2, (2, 0));
        queue.push(3, (3, 0));
        let served: Vec<_> = std::iter::from_fn(|| queue.pop()).take(4).collect();
        assert_eq!(served, [(1, 0), (2, 0), (3, 0), (1, 1)]);
        assert_eq!(queue.len(), 98);
    }

    #[test]
    fn the_longest_line_makes_room_for_a_short_one() {
        let mut queue = FairQueue::new();
        (0..3).for_each(|number| queue.push(1, number));
        assert_eq!(queue.make_room(2), Some(2));
        queue.push(2, 9);
        assert_eq!(queue.make_room(1), None);
        assert_eq!(queue.make_room(2), None);
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn who_left_has_no_turn() {
        let mut queue = FairQueue::new();
        queue.push(1, 10);
        queue.push(2, 20);
        queue.retain(|item| *item != 10);
        assert_eq!((queue.len(), queue.pop(), queue.pop()), (1, Some(20), None));
    }
}
