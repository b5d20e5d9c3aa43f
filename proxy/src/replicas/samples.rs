//! Numbered positions of the primary's log, so that "has this replica seen that write" is a
//! comparison of two integers and no write pays a round trip.
//!
//! Each probe gets a number *before* it is sent. A write that has ended when the last number given
//! was `n` is covered by every sample numbered above `n`, for such a sample was asked for after
//! the write. A replica has *passed* sample `n` when it has replayed what the sample says.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use router::ids::Lsn;

/// The number of a probe; 0 is before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleNumber(pub u64);

/// The latest samples of one primary, oldest first.
#[derive(Debug, Default)]
pub(super) struct Samples {
    ring: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    number: SampleNumber,
    lsn: Lsn,
    /// When the position was first seen; an idle primary repeats it.
    since: Instant,
}

/// More than a minute and a half at ten probes a second; a replica farther behind has passed none.
const KEPT: usize = 1024;

impl Samples {
    /// Forgets everything: another primary has another log. Numbers go on, so that a pin of the
    /// old primary's time asks for a sample of the new one.
    pub(super) fn reset(&mut self) {
        self.ring.clear();
    }

    /// Notes a sample. A position below the last is a primary that lost unflushed log in a crash:
    /// what was sampled before says nothing any more.
    pub(super) fn note(&mut self, number: SampleNumber, lsn: Lsn, taken: Instant) {
        if let Some(last) = self.ring.back_mut() {
            if number <= last.number {
                return;
            }
            if lsn < last.lsn {
                self.ring.clear();
            } else if lsn == last.lsn {
                // The later number covers more writes with the same position.
                last.number = number;
                return;
            }
        }
        if self.ring.len() == KEPT {
            self.ring.pop_front();
        }
        self.ring.push_back(Sample { number, lsn, since: taken });
    }

    /// The highest sample that a replica at `replayed` has passed.
    pub(super) fn passed(&self, replayed: Lsn) -> SampleNumber {
        let count = self.ring.partition_point(|sample| sample.lsn <= replayed);
        count
            .checked_sub(1)
            .and_then(|index| self.ring.get(index))
            .map_or_else(SampleNumber::default, |s| s.number)
    }

    /// How old the oldest position is that a replica at `replayed` lacks; zero where it lacks none.
    pub(super) fn behind(&self, replayed: Lsn, now: Instant) -> Duration {
        let index = self.ring.partition_point(|sample| sample.lsn <= replayed);
        self.ring.get(index).map_or(Duration::ZERO, |sample| now.saturating_duration_since(sample.since))
    }

    /// The latest sample.
    pub(super) fn latest(&self) -> Option<(SampleNumber, Lsn)> {
        self.ring.back().map(|sample| (sample.number, sample.lsn))
    }

    /// The position of the first sample kept that covers a pin.
    pub(super) fn covering(&self, pin: SampleNumber) -> Option<Lsn> {
        let index = self.ring.partition_point(|sample| sample.number < pin);
        self.ring.get(index).map(|sample| sample.lsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(noted: &[(u64, u64)]) -> Samples {
        let mut samples = Samples::default();
        for (number, lsn) in noted {
            samples.note(SampleNumber(*number), Lsn(*lsn), Instant::now());
        }
        samples
    }

    #[test]
    fn a_replica_has_passed_what_it_has_replayed_and_no_more() {
        let samples = samples(&[(1, 100), (2, 200), (5, 300)]);
        for (replayed, passed) in
            [(0, 0), (99, 0), (100, 1), (199, 1), (200, 2), (299, 2), (300, 5), (999, 5)]
        {
            assert_eq!(samples.passed(Lsn(replayed)), SampleNumber(passed), "replayed {replayed}");
        }
    }

    #[test]
    fn an_idle_primary_lets_its_replicas_pass_new_samples() {
        let samples = samples(&[(1, 100), (2, 100), (9, 100)]);
        assert_eq!(samples.passed(Lsn(100)), SampleNumber(9));
        assert_eq!(samples.ring.len(), 1);
    }

    #[test]
    fn a_pin_is_covered_by_the_first_sample_asked_for_after_it() {
        let samples = samples(&[(3, 100), (7, 200)]);
        assert_eq!(samples.covering(SampleNumber(2)), Some(Lsn(100)));
        assert_eq!(samples.covering(SampleNumber(3)), Some(Lsn(100)));
        assert_eq!(samples.covering(SampleNumber(4)), Some(Lsn(200)));
        assert_eq!(samples.covering(SampleNumber(8)), None);
    }

    #[test]
    fn after_a_reset_nothing_old_is_passed() {
        let mut samples = samples(&[(1, 100), (2, 200)]);
        samples.reset();
        assert_eq!(samples.passed(Lsn(u64::MAX)), SampleNumber(0));
        samples.note(SampleNumber(3), Lsn(150), Instant::now());
        assert_eq!(samples.passed(Lsn(150)), SampleNumber(3));
    }

    #[test]
    fn the_ring_forgets_the_oldest_and_stays_cautious() {
        let noted: Vec<_> = (1..=2000).map(|n| (n, n * 10)).collect();
        let samples = samples(&noted);
        assert_eq!(samples.ring.len(), KEPT);
        assert_eq!(samples.passed(Lsn(50)), SampleNumber(0));
        assert_eq!(samples.passed(Lsn(20_000)), SampleNumber(2000));
    }

    #[test]
    fn a_position_that_goes_back_begins_anew() {
        let samples = samples(&[(1, 200), (2, 100)]);
        assert_eq!(samples.latest(), Some((SampleNumber(2), Lsn(100))));
        assert_eq!(samples.passed(Lsn(99)), SampleNumber(0));
        assert_eq!(samples.passed(Lsn(200)), SampleNumber(2));
    }
}
