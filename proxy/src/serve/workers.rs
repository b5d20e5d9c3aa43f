//! The threads that clients are served on.
//!
//! Each worker is one thread with a reactor of its own: a client and all its I/O stay there, so no
//! statement wakes another thread. What is not a client's (probes, moves, the console, logins, HTTP)
//! runs beside them, on the runtime that the daemon was started on.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// The workers; dropped, they end, and with them what still runs there.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
    threads: Vec<JoinHandle<()>>,
    end: CancellationToken,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    clients: Arc<AtomicUsize>,
}

/// A client's place on a worker, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    runtime: Handle,
    clients: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts so many; 0 is one a core.
    pub(super) fn start(count: usize) -> io::Result<Workers> {
        let count = match count {
            0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            count => count,
        };
        let mut started = Workers { workers: Vec::new(), threads: Vec::new(), end: CancellationToken::new() };
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let end = started.end.clone();
            started.workers.push(Worker { runtime: runtime.handle().clone(), clients: Arc::default() });
            let work = move || runtime.block_on(end.cancelled());
            started.threads.push(std::thread::Builder::new().name(format!("worker-{number}")).spawn(work)?);
        }
        Ok(started)
    }

    /// A place where the fewest clients are; `None` where there are no workers.
    pub(super) fn seat(&self) -> Option<Seat> {
        let least = self.workers.iter().min_by_key(|worker| worker.clients.load(Ordering::Relaxed))?;
        least.clients.fetch_add(1, Ordering::Relaxed);
        Some(Seat { runtime: least.runtime.clone(), clients: Arc::clone(&least.clients) })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.end.cancel();
        for thread in self.threads.drain(..) {
            // A worker that broke has said so in the log.
            let _ = thread.join();
        }
    }
}

impl Seat {
    /// The runtime of the worker.
    pub(super) fn runtime(&self) -> Handle {
        self.runtime.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_spread_over_the_workers() {
        let workers = Workers::start(2).expect("threads");
        let seats: Vec<Seat> = (0..4).filter_map(|_| workers.seat()).collect();
        let first = seats[0].runtime.id();
        assert_eq!(seats.iter().filter(|seat| seat.runtime.id() == first).count(), 2);
        drop(seats);
        assert!(workers.workers.iter().all(|worker| worker.clients.load(Ordering::Relaxed) == 0));
    }
}
