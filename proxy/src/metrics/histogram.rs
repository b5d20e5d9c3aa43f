//! A latency histogram without a lock: an observation is two additions, to what is its thread's own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

use super::stripe::{Apart, STRIPES, stripe};

/// The first bucket ends here; each next one is twice as wide, up to 26 seconds.
const FIRST_NANOSECONDS: u64 = 50_000;
/// How many buckets have an end.
const BUCKETS: usize = 20;

/// How long something took, by powers of two; clones are one.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<[Apart<Cells>; STRIPES]>);

#[derive(Debug, Default)]
struct Cells {
    /// The last is for what is longer than all buckets.
    counts: [AtomicU64; BUCKETS + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Notes one.
    pub fn observe(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let Apart(cells) = &self.0[stripe()];
        cells.counts[bucket(nanoseconds)].fetch_add(1, Ordering::Relaxed);
        cells.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

/// The bucket whose end is the first that is not before this.
fn bucket(nanoseconds: u64) -> usize {
    let whole = nanoseconds.saturating_sub(1) / FIRST_NANOSECONDS;
    let doublings = (u64::BITS - whole.leading_zeros()) as usize;
    doublings.min(BUCKETS)
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let mut counts = [0; BUCKETS + 1];
        for Apart(cells) in self.0.iter() {
            let more = cells.counts.iter().map(|count| count.load(Ordering::Relaxed));
            counts.iter_mut().zip(more).for_each(|(count, more): (&mut u64, u64)| *count += more);
        }
        let end = |bucket: usize| match bucket {
            BUCKETS => f64::MAX,
            _ => (FIRST_NANOSECONDS << bucket) as f64 / 1e9,
        };
        let buckets: Vec<(f64, u64)> =
            counts.iter().enumerate().map(|(bucket, count)| (end(bucket), *count)).collect();
        let nanoseconds = self.0.iter().map(|Apart(cells)| cells.nanoseconds.load(Ordering::Relaxed));
        let seconds = nanoseconds.fold(0, u64::wrapping_add) as f64 / 1e9;
        encoder.encode_histogram::<NoLabelSet>(seconds, counts.iter().sum(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_not_longer_than_its_end() {
        let ends: [(u64, usize); 7] = [
            (0, 0),
            (50_000, 0),
            (50_001, 1),
            (100_000, 1),
            (100_001, 2),
            (u64::MAX, BUCKETS),
            (26_214_400_001, BUCKETS),
        ];
        for (nanoseconds, expected) in ends {
            assert_eq!(bucket(nanoseconds), expected, "{nanoseconds}");
        }
    }
}
