//! Writers that go on while something happens, and what they noticed.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

/// What the workers of a load counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// Acts that were answered.
    pub acts: u64,
    /// The longest that one act took.
    pub longest: Duration,
    /// Errors, as text.
    pub errors: Vec<String>,
}

/// Workers that repeat an act until they are told to stop.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    acts: Arc<AtomicU64>,
    workers: JoinSet<Tally>,
}

impl Load {
    /// Starts `workers` workers; `worker(number)` makes one's act, called again and again with the round's number.
    pub fn start<A, F>(workers: u64, worker: impl Fn(u64) -> A) -> Load
    where
        A: FnMut(u64) -> F + Send + 'static,
        F: Future<Output = Result<()>> + Send,
    {
        let mut load = Load { stop: Arc::default(), acts: Arc::default(), workers: JoinSet::new() };
        for number in 0..workers {
            let (stop, acts) = (load.stop.clone(), load.acts.clone());
            let mut act = worker(number);
            load.workers.spawn(async move {
                let mut tally = Tally::default();
                while !stop.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    if let Err(error) = act(tally.acts).await {
                        tally.errors.push(format!("worker {number}: {error:#}"));
                        return tally;
                    }
                    tally.longest = tally.longest.max(started.elapsed());
                    tally.acts += 1;
                    acts.fetch_add(1, Ordering::Relaxed);
                }
                tally
            });
        }
        load
    }

    /// How many acts were answered until now.
    #[must_use]
    pub fn acts(&self) -> u64 {
        self.acts.load(Ordering::Relaxed)
    }

    /// Tells the workers to stop after their present act, and sums up what they noticed.
    pub async fn stop(mut self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut total = Tally::default();
        while let Some(worker) = self.workers.join_next().await {
            let tally = worker.expect("a worker does not panic");
            total.acts += tally.acts;
            total.longest = total.longest.max(tally.longest);
            total.errors.extend(tally.errors);
        }
        total
    }
}
