//! How long leases took, by eighths of a doubling, and whether some took longer than others.
//!
//! Compared is not one number but the whole distribution, at a few of its quantiles: a node that computes for
//! a flood answers most short statements as fast as ever and keeps a few of them waiting for long.

use std::time::Duration;

/// Buckets of one doubling.
const PARTS: u32 = 8;
/// 24 doublings of a microsecond or so: from there to half a minute.
const BUCKETS: usize = 24 * PARTS as usize;
/// Where distributions are compared: the part that lies above, of a thousand.
const ABOVE: [u64; 6] = [500, 200, 100, 50, 20, 10];

/// So many leases took so long.
#[derive(Clone, Debug)]
pub(super) struct Times {
    counts: [u32; BUCKETS],
    total: u32,
}

impl Default for Times {
    fn default() -> Times {
        Times { counts: [0; BUCKETS], total: 0 }
    }
}

impl Times {
    /// One more.
    pub(super) fn note(&mut self, took: Duration) {
        self.counts[bucket(took)] += 1;
        self.total += 1;
    }

    /// How many.
    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// All of these too. Beyond `most` in all, each counts for half of what it did.
    pub(super) fn add(&mut self, others: &Times, most: u32) {
        self.counts.iter_mut().zip(&others.counts).for_each(|(count, more)| *count += more);
        self.total += others.total;
        if self.total > most {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
    }

    /// True where these took longer than `usual` ones, by more than this factor in percent, at one of the
    /// quantiles and by more than chance would have it (three standard deviations).
    pub(super) fn are_slower_than(&self, usual: &Times, percent: usize) -> bool {
        let shift = (f64::from(PARTS) * (percent as f64 / 100.0).log2()).round().max(1.0) as usize;
        ABOVE.iter().any(|above| {
            let limit = usual.quantile(*above) + shift;
            let beyond: u32 = self.counts.iter().skip(limit).sum();
            let expected = f64::from(self.total) * *above as f64 / 1000.0;
            f64::from(beyond) > expected + 3.0 * expected.sqrt() + 2.0
        })
    }

    /// The bucket above which this part of a thousand lies.
    fn quantile(&self, above: u64) -> usize {
        let mut left = u64::from(self.total) * above / 1000;
        let more = |(bucket, count): (usize, &u32)| match left.checked_sub(u64::from(*count)) {
            Some(rest) => {
                left = rest;
                None
            }
            None => Some(bucket),
        };
        self.counts.iter().enumerate().rev().find_map(more).unwrap_or(0)
    }
}

/// The bucket of a time. Two to the power of ten nanoseconds are the unit: a shift instead of a division.
fn bucket(took: Duration) -> usize {
    let units = took.as_secs() << 20 | u64::from(took.subsec_nanos() >> 10);
    let doublings = (units | u64::from(PARTS)).ilog2() - PARTS.ilog2();
    let bucket = u64::from(doublings * PARTS) + (units >> doublings);
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times(micros: impl IntoIterator<Item = u64>) -> Times {
        let mut times = Times::default();
        micros.into_iter().for_each(|micros| times.note(Duration::from_micros(micros)));
        times
    }

    /// Most are quick, and each hundredth takes this long.
    fn with_a_tail(many: u64, tail: u64) -> Times {
        times((0..many).map(|number| if number % 100 == 7 { tail } else { 200 + number % 50 }))
    }

    #[test]
    fn equal_ones_are_not_slower() {
        let usual = with_a_tail(5000, 3000);
        assert!(!with_a_tail(1000, 3000).are_slower_than(&usual, 150));
        assert!(!with_a_tail(60, 3000).are_slower_than(&usual, 150));
    }

    #[test]
    fn a_few_that_wait_make_them_slower_though_most_are_as_quick() {
        let usual = with_a_tail(5000, 900);
        let waiting = times((0..400).map(|number| if number % 20 == 0 { 15_000 } else { 200 + number % 50 }));
        assert!(waiting.are_slower_than(&usual, 150));
        assert!(!times([15_000, 15_000, 200, 200]).are_slower_than(&usual, 150), "that may be chance");
    }

    #[test]
    fn long_statements_that_are_usual_are_no_suffering() {
        let mixed =
            |short: u64| times((0..3000).map(move |number| if number % 5 == 0 { 80_000 } else { short }));
        assert!(!mixed(200).are_slower_than(&mixed(200), 150));
        assert!(
            mixed(400).are_slower_than(&mixed(200), 150),
            "the short ones beside them took twice as long"
        );
    }

    #[test]
    fn what_is_old_counts_less() {
        let mut usual = times(std::iter::repeat_n(200, 1000));
        for _ in 0..20 {
            usual.add(&times(std::iter::repeat_n(2000, 200)), 1000);
        }
        assert!(usual.total() <= 1000);
        assert!(!times(std::iter::repeat_n(2000, 200)).are_slower_than(&usual, 150));
    }

    proptest! {
        #[test]
        fn buckets_rise_with_time_by_an_eighth_of_a_doubling(nanos in 20_000_u64..20_000_000_000) {
            let of = |nanos: u64| bucket(Duration::from_nanos(nanos));
            prop_assert!(of(nanos) <= of(nanos + 1));
            prop_assert!(of(nanos) < of(nanos + nanos / 5) );
            prop_assert!(of(nanos) + PARTS as usize + 1 >= of(nanos * 2));
        }
    }
}
