//! What went over the connections to each server: bytes and rows.
//!
//! A connection's counters are written by whoever has it, one at a time, so counting is a plain load and
//! store; who asks for the sums reads those of all that are open and adds what the others left.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

/// What is counted: bytes from the server, bytes to it, rows that it returned or changed.
type Numbers = [u64; 3];

/// The names and helps, in the order of [`Numbers`].
const SHOWN: [(&str, &str); 3] = [
    ("server_received_bytes", "Bytes from a server, on connections for clients"),
    ("server_sent_bytes", "Bytes to a server, on connections for clients"),
    ("server_rows", "Rows that a server returned or changed"),
];

/// The counters of one connection.
#[derive(Debug, Default)]
pub struct Traffic {
    tally: Arc<[AtomicU64; 3]>,
    number: u64,
    book: TrafficBook,
}

impl Traffic {
    /// So many bytes came.
    pub fn received(&self, bytes: usize) {
        self.add(0, bytes as u64);
    }

    /// So many bytes went.
    pub fn sent(&self, bytes: usize) {
        self.add(1, bytes as u64);
    }

    /// So many rows were returned or changed.
    pub fn rows(&self, rows: u64) {
        self.add(2, rows);
    }

    fn add(&self, place: usize, more: u64) {
        let cell = &self.tally[place];
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        let mut pages = self.book.pages();
        if let Some((server, tally)) = pages.open.remove(&self.number) {
            let gone = pages.gone.entry(server).or_default();
            *gone = plus(*gone, &tally);
        }
    }
}

/// The counters of all connections; clones are one book.
#[derive(Clone, Debug, Default)]
pub struct TrafficBook(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    next: u64,
    open: BTreeMap<u64, (Arc<str>, Arc<[AtomicU64; 3]>)>,
    gone: BTreeMap<Arc<str>, Numbers>,
}

impl TrafficBook {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters of a new connection to a server.
    pub fn enter(&self, server: &str) -> Traffic {
        let mut pages = self.pages();
        pages.next += 1;
        let (number, tally) = (pages.next, Arc::default());
        pages.gone.entry(server.into()).or_default();
        pages.open.insert(number, (server.into(), Arc::clone(&tally)));
        Traffic { tally, number, book: self.clone() }
    }

    fn sums(&self) -> BTreeMap<Arc<str>, Numbers> {
        let pages = self.pages();
        let mut sums = pages.gone.clone();
        for (server, tally) in pages.open.values() {
            let sum = sums.entry(Arc::clone(server)).or_default();
            *sum = plus(*sum, tally);
        }
        sums
    }
}

fn plus(mut numbers: Numbers, tally: &[AtomicU64; 3]) -> Numbers {
    numbers.iter_mut().zip(tally).for_each(|(number, cell)| *number += cell.load(Ordering::Relaxed));
    numbers
}

impl Collector for TrafficBook {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sums = self.sums();
        for (place, (name, help)) in SHOWN.into_iter().enumerate() {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (server, numbers) in &sums {
                let labels = [("server", &**server)];
                ConstCounter::new(numbers[place]).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_connection_carried_is_counted_after_it_is_closed() {
        let book = TrafficBook::default();
        let (one, other) = (book.enter("alpha"), book.enter("alpha"));
        one.received(5);
        other.received(7);
        other.rows(2);
        one.sent(1);
        drop(one);
        assert_eq!(book.sums().into_values().collect::<Vec<_>>(), [[12, 1, 2]]);
        drop(other);
        assert_eq!(book.sums().into_values().collect::<Vec<_>>(), [[12, 1, 2]]);
    }
}
