//! Numbers that many threads write: each thread has its own, so that none waits for a line of memory that
//! another has just written; who asks for the sum adds them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// So many threads have stripes of their own; with more, some share one.
pub const STRIPES: usize = 16;

/// The calling thread's stripe, below [`STRIPES`].
pub fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    MINE.with(|mine| *mine)
}

/// Something on lines of memory of its own; processors fetch two at once.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Apart<T>(pub T);

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A counter that many threads count with; clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter(Arc<[Apart<AtomicU64>; STRIPES]>);

impl Counter {
    /// One more.
    pub(super) fn inc(&self) {
        self.0[stripe()].0.fetch_add(1, Ordering::Relaxed);
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|Apart(cell)| cell.load(Ordering::Relaxed)).sum()
    }
}

impl EncodeMetric for Counter {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.encode_counter::<NoLabelSet, _, u64>(&self.sum(), None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Counter {
    const TYPE: MetricType = MetricType::Counter;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_threads_count_is_one_sum() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..STRIPES + 1 {
                scope.spawn(|| (0..100).for_each(|_| counter.inc()));
            }
        });
        assert_eq!(counter.sum(), 100 * (STRIPES as u64 + 1));
    }
}
