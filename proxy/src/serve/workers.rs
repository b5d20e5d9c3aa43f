//! The threads that clients are served on.
//!
//! Each worker is one thread with a reactor of its own: a client and all its I/O stay there, so no
//! statement wakes another thread. Between two statements a client may go to another one; `balance` says
//! who does. What is not a client's (probes, moves, the console, logins, HTTP) runs beside them, on the
//! runtime that the daemon was started on.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

use super::balance::{Balance, Load};
use crate::client::Burden;

/// How often the workers are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// The workers; dropped, they end, and with them what still runs there.
#[derive(Debug)]
pub(super) struct Workers {
    pub(super) crew: Arc<Crew>,
    threads: Vec<JoinHandle<()>>,
    end: CancellationToken,
}

/// The workers, as clients go from one to another.
#[derive(Debug)]
pub(super) struct Crew(Vec<Arc<Worker>>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    clients: AtomicUsize,
    burden: Arc<Burden>,
    /// The part of the time that it was busy during the last look, in percent.
    busy: AtomicU32,
    clock: Arc<Clock>,
}

/// Where the kernel says how long a thread had a processor; empty where it does not.
#[derive(Debug, Default)]
struct Clock(OnceLock<PathBuf>);

/// A client's place on a worker, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<Worker>);

impl Workers {
    /// Starts so many; 0 is one a core.
    pub(super) fn start(count: usize) -> io::Result<Workers> {
        let count = match count {
            0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            count => count,
        };
        let (mut crew, mut threads, end) = (Vec::new(), Vec::new(), CancellationToken::new());
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let worker = Worker::new(runtime.handle().clone());
            let (end, clock) = (end.clone(), Arc::clone(&worker.clock));
            let work = move || {
                clock.is_this_thread();
                runtime.block_on(end.cancelled());
            };
            threads.push(std::thread::Builder::new().name(format!("worker-{number}")).spawn(work)?);
            crew.push(Arc::new(worker));
        }
        Ok(Workers { crew: Arc::new(Crew(crew)), threads, end })
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

impl Crew {
    /// A place on the first worker that is not busy beyond the limit, in percent, else where the fewest
    /// clients are, as always without a limit; `None` where there are no workers.
    pub(super) fn seat(&self, limit: u32) -> Option<Seat> {
        let fewest = || self.0.iter().min_by_key(|worker| worker.clients.load(Ordering::Relaxed));
        let free = |worker: &&Arc<Worker>| worker.is_timed() && worker.busy.load(Ordering::Relaxed) < limit;
        self.0.iter().find(free).or_else(fewest).map(Seat::on)
    }

    /// A place where those go who leave this one.
    pub(super) fn seat_after(&self, seat: &Seat) -> Seat {
        Seat::on(self.0.get(seat.0.burden.to()).unwrap_or(&seat.0))
    }

    /// Looks at the workers until the end, and lets clients go from one to another; a worker may be busy for
    /// this part of the time, in percent.
    pub(super) async fn balance(self: Arc<Self>, limit: impl Fn() -> u32, end: CancellationToken) {
        if self.0.len() < 2 {
            return;
        }
        let (mut balance, mut since) = (Balance::default(), Instant::now());
        let mut spent: Vec<_> = self.0.iter().map(|worker| worker.clock.time()).collect();
        while end.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let took = since.elapsed();
            since = Instant::now();
            let loads: Vec<Load> =
                self.0.iter().zip(&mut spent).map(|(it, spent)| it.load(spent, took)).collect();
            let limit = limit();
            let timed = self.0.iter().all(|worker| worker.is_timed());
            if limit > 0
                && timed
                && let Some(shift) = balance.next(&loads, limit as f32 / 100.0)
            {
                tracing::debug!(?shift, ?loads, "clients go to another thread");
                self.0[shift.from].burden.send(shift.clients, shift.to);
            }
        }
    }
}

impl Worker {
    fn new(runtime: Handle) -> Worker {
        Worker {
            runtime,
            clients: AtomicUsize::new(0),
            burden: Arc::default(),
            busy: AtomicU32::new(0),
            clock: Arc::default(),
        }
    }

    fn is_timed(&self) -> bool {
        self.clock.0.get().is_some()
    }

    /// How busy it was during this time, in which it went on from what it had `spent`.
    fn load(&self, spent: &mut Duration, took: Duration) -> Load {
        let now = self.clock.time();
        let busy = now.saturating_sub(std::mem::replace(spent, now)).as_secs_f32() / took.as_secs_f32();
        self.busy.store((busy * 100.0) as u32, Ordering::Relaxed);
        Load { busy, at_work: self.burden.look() }
    }
}

impl Clock {
    /// The clock is that of the calling thread, where there is one.
    fn is_this_thread(&self) {
        let clock = std::fs::read_link("/proc/thread-self")
            .map(|thread| PathBuf::from("/proc").join(thread).join("schedstat"));
        if let Ok(clock) = clock
            && clock.exists()
        {
            // Nobody else has set it.
            let _ = self.0.set(clock);
        }
    }

    /// How long its thread has had a processor since its start.
    fn time(&self) -> Duration {
        let text = self.0.get().and_then(|clock| std::fs::read_to_string(clock).ok()).unwrap_or_default();
        let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
        Duration::from_nanos(nanoseconds.unwrap_or_default())
    }
}

impl Seat {
    fn on(worker: &Arc<Worker>) -> Seat {
        worker.clients.fetch_add(1, Ordering::Relaxed);
        Seat(Arc::clone(worker))
    }

    /// The runtime of the worker.
    pub(super) fn runtime(&self) -> Handle {
        self.0.runtime.clone()
    }

    /// What the worker and its clients know of each other.
    pub(super) fn burden(&self) -> Arc<Burden> {
        Arc::clone(&self.0.burden)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// True where the kernel says how long a thread had a processor.
    fn times_threads() -> bool {
        std::path::Path::new("/proc/thread-self/schedstat").exists()
    }

    fn of_one_worker(seats: &[Seat]) -> usize {
        seats.iter().filter(|seat| Arc::ptr_eq(&seat.0, &seats[0].0)).count()
    }

    #[test]
    fn without_a_limit_clients_are_spread_over_the_workers() {
        let workers = Workers::start(2).expect("threads");
        let seats: Vec<Seat> = (0..4).filter_map(|_| workers.crew.seat(0)).collect();
        assert_eq!(of_one_worker(&seats), 2);
        drop(seats);
        assert!(workers.crew.0.iter().all(|worker| worker.clients.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn clients_sit_together_until_their_worker_is_busy() {
        let workers = Workers::start(2).expect("threads");
        while times_threads() && !workers.crew.0.iter().all(|worker| worker.is_timed()) {
            std::thread::yield_now();
        }
        let mut seats: Vec<Seat> = (0..4).filter_map(|_| workers.crew.seat(80)).collect();
        if !times_threads() {
            return assert_eq!(of_one_worker(&seats), 2, "spread as without a limit");
        }
        assert_eq!(of_one_worker(&seats), 4);
        seats[0].0.busy.store(90, Ordering::Relaxed);
        seats.extend(workers.crew.seat(80));
        assert_eq!(of_one_worker(&seats), 4);
    }

    #[test]
    fn the_kernel_says_how_long_a_thread_has_worked() {
        let clock = Clock::default();
        clock.is_this_thread();
        let before = clock.time();
        while times_threads() && clock.time() == before {
            std::hint::black_box((0..100_000_u64).sum::<u64>());
        }
    }
}
