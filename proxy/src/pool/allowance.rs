//! How many connections a tenant may hold at once, while others would be slower by more.
//!
//! It falls to half where the others are slower, never below the least that is its by right; it rises again
//! by half where they are well. A rise that made them slower is taken back, and the next one is tried after
//! twice the time; so a flood that goes on for long troubles nobody but for a moment each ten seconds.

use std::time::{Duration, Instant};

/// How long after a fall the first rise is tried.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest time between two tries.
const MOST_PATIENCE: Duration = Duration::from_secs(10);

/// What a tenant is allowed at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    limit: usize,
    /// What it was before a rise that nobody has judged yet.
    before: Option<usize>,
    patience: Duration,
    /// No rise before.
    next: Instant,
}

impl Allowance {
    /// Of a tenant that held so many when the others were slower.
    pub(super) fn of_half(held: usize, least: usize, now: Instant) -> Allowance {
        Allowance { limit: (held / 2).max(least), before: None, patience: PATIENCE, next: now + PATIENCE }
    }

    /// How many.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The others are slower, while it holds so many.
    pub(super) fn fall(&mut self, held: usize, least: usize, now: Instant) {
        self.limit = match self.before.take() {
            Some(before) => {
                self.patience = (self.patience * 2).min(MOST_PATIENCE);
                before
            }
            None => self.limit.min(held) / 2,
        };
        self.limit = self.limit.max(least);
        self.next = now + self.patience;
    }

    /// The others are well, while it holds so many: it rises, if it is time, and to no more than `most`. Where more
    /// is held, by what goes on for long, it rises to one more than that: nobody waits for ever behind his own
    /// tenant's report.
    pub(super) fn rise(&mut self, held: usize, most: usize, now: Instant) {
        if self.before.take().is_some() {
            self.patience = (self.patience / 2).max(PATIENCE);
        }
        if now >= self.next && self.limit.max(held) < most {
            self.before = Some(self.limit);
            self.limit = match held > self.limit {
                true => most.min(held + 1),
                false => most.min(self.limit + (self.limit / 2).max(1)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    /// What each tick allowed, where more than `harmless` make the others slower.
    fn ticks(allowance: &mut Allowance, harmless: usize, from: Instant, many: u32) -> Vec<usize> {
        let step = |tick: u32| {
            let (allowed, now) = (allowance.limit(), from + TICK * tick);
            match allowed > harmless {
                true => allowance.fall(allowed, 1, now),
                false => allowance.rise(allowed, 80, now),
            }
            allowed
        };
        (1..=many).map(step).collect()
    }

    #[test]
    fn a_flood_is_tried_with_more_only_each_ten_seconds() {
        let now = Instant::now();
        let mut allowance = Allowance::of_half(10, 1, now);
        ticks(&mut allowance, 1, now, 600);
        let later = ticks(&mut allowance, 1, now + TICK * 600, 600);
        assert!(later.iter().all(|allowed| *allowed <= 2), "{later:?}");
        let more = later.iter().filter(|allowed| **allowed == 2).count();
        assert!((4..=7).contains(&more), "{more} of 600 ticks");
    }

    #[test]
    fn what_goes_on_for_long_leaves_room_for_one_more() {
        let now = Instant::now();
        let mut allowance = Allowance::of_half(4, 1, now);
        allowance.fall(4, 1, now);
        allowance.rise(4, 10, now);
        assert_eq!(allowance.limit(), 1);
        allowance.rise(4, 10, now + PATIENCE);
        assert_eq!(allowance.limit(), 5);
        allowance.fall(5, 1, now + PATIENCE);
        assert_eq!(allowance.limit(), 1);
    }

    #[test]
    fn it_rises_as_soon_as_the_others_are_well() {
        let now = Instant::now();
        let mut allowance = Allowance::of_half(20, 1, now);
        ticks(&mut allowance, 1, now, 600);
        let later = ticks(&mut allowance, 100, now + TICK * 600, 130);
        assert!(later.last() > Some(&20), "{later:?}");
    }

    proptest! {
        #[test]
        fn it_settles_at_what_is_harmless(harmless in 1_usize..40, held in 2_usize..80) {
            let now = Instant::now();
            let mut allowance = Allowance::of_half(held, 1, now);
            ticks(&mut allowance, harmless, now, 1200);
            let later = ticks(&mut allowance, harmless, now + TICK * 1200, 300);
            let too_many = later.iter().filter(|allowed| **allowed > harmless).count();
            prop_assert!(too_many <= 6, "{later:?}");
            prop_assert!(later.iter().all(|allowed| allowed * 3 >= harmless), "{later:?}");
            prop_assert!(later.iter().all(|allowed| *allowed >= 1));
        }
    }
}
