//! Which clients go from one thread to another.
//!
//! Clients sit together while one thread has time for all of them: what comes at once is then served at once,
//! with fewer waits and fewer wake-ups, and the caches know the code. A thread that is busy beyond the limit
//! gives some of those who are at work to the least busy one; threads that have been calm for a while are joined.

/// How busy a thread was during the last look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    /// The part of the time that it had a processor.
    pub(super) busy: f32,
    /// The clients that were heard.
    pub(super) at_work: u32,
}

/// Clients that are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    /// From the thread of this number.
    pub(super) from: usize,
    /// To that of this one.
    pub(super) to: usize,
    /// So many.
    pub(super) clients: u32,
}

/// So many looks must find that one thread has time for the clients of two.
const CALM: u32 = 10;
/// It has, where together they take this part of the limit: joined, they must not be parted again.
const ROOM: f32 = 0.6;

/// What the looks have found.
#[derive(Debug, Default)]
pub(super) struct Balance {
    calm: u32,
}

impl Balance {
    /// Who is to go after this look, where a thread may be busy for this part of the time.
    pub(super) fn next(&mut self, loads: &[Load], limit: f32) -> Option<Shift> {
        let shift = relief(loads, limit).or_else(|| {
            self.calm += 1;
            union(loads, limit).filter(|_| self.calm > CALM)
        });
        if shift.is_some() || union(loads, limit).is_none() {
            self.calm = 0;
        }
        shift
    }
}

/// The busiest thread gives the least busy one so many clients that both have as much.
fn relief(loads: &[Load], limit: f32) -> Option<Shift> {
    let by_load = |one: &(usize, &Load), other: &(usize, &Load)| one.1.busy.total_cmp(&other.1.busy);
    let (from, most) = loads.iter().enumerate().max_by(by_load)?;
    let (to, least) = loads.iter().enumerate().min_by(by_load)?;
    if most.busy < limit {
        return None;
    }
    // Where each takes so much that this is less than one, to go is no relief.
    let part = (most.busy - least.busy) / 2.0 / most.busy;
    let clients = (part * most.at_work as f32) as u32;
    (clients > 0).then_some(Shift { from, to, clients })
}

/// All clients of one thread go to another, which has time for them.
fn union(loads: &[Load], limit: f32) -> Option<Shift> {
    let mut used: Vec<usize> = (0..loads.len()).filter(|number| loads[*number].at_work > 0).collect();
    used.sort_by(|one, other| loads[*one].busy.total_cmp(&loads[*other].busy));
    let [from, to, ..] = used[..] else { return None };
    let together = loads[from].busy + loads[to].busy;
    (together <= limit * ROOM).then_some(Shift { from, to, clients: u32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: f32 = 0.85;

    fn load(busy: f32, at_work: u32) -> Load {
        Load { busy, at_work }
    }

    #[test]
    fn clients_stay_together_while_their_thread_has_time() {
        let mut balance = Balance::default();
        let loads = [load(0.8, 50), load(0.0, 0)];
        assert!((0..100).all(|_| balance.next(&loads, LIMIT).is_none()));
    }

    #[test]
    fn a_busy_thread_gives_half_of_its_surplus_away() {
        let mut balance = Balance::default();
        let shift = balance.next(&[load(0.3, 4), load(0.9, 30), load(0.1, 1)], LIMIT);
        assert_eq!(shift, Some(Shift { from: 1, to: 2, clients: 13 }));
    }

    #[test]
    fn one_client_that_takes_all_of_a_thread_stays() {
        let mut balance = Balance::default();
        assert_eq!(balance.next(&[load(1.0, 1), load(0.2, 9)], LIMIT), None);
        assert_eq!(balance.next(&[load(1.0, 0), load(0.0, 0)], LIMIT), None);
    }

    #[test]
    fn threads_that_stay_calm_are_joined_and_not_parted_by_that() {
        let mut balance = Balance::default();
        let loads = [load(0.2, 5), load(0.3, 6), load(0.0, 0)];
        assert!((0..CALM).all(|_| balance.next(&loads, LIMIT).is_none()));
        assert_eq!(balance.next(&loads, LIMIT), Some(Shift { from: 0, to: 1, clients: u32::MAX }));
        let joined = [load(0.0, 0), load(0.5, 11), load(0.0, 0)];
        assert!((0..100).all(|_| balance.next(&joined, LIMIT).is_none()));
    }

    #[test]
    fn a_moments_calm_joins_nobody() {
        let mut balance = Balance::default();
        for _ in 0..CALM {
            assert_eq!(balance.next(&[load(0.1, 5), load(0.1, 6)], LIMIT), None);
            assert_eq!(balance.next(&[load(0.5, 5), load(0.6, 6)], LIMIT), None);
        }
    }
}
