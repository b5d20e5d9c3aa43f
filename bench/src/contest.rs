//! The rounds: in each one every way runs the load once, in an order that rotates.

use anyhow::{Context, Result};

use crate::load::Load;
use crate::pgbench::{Pgbench, Run};
use crate::processor::time_of;

/// One way to the server.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What the table calls it.
    pub name: &'static str,
    /// Where pgbench connects.
    pub url: String,
    /// The proxy's process; `None` where there is no proxy.
    pub process: Option<u32>,
}

/// What one way measured in one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lap {
    /// What pgbench measured.
    pub run: Run,
    /// The proxy's CPU time for each transaction, in microseconds.
    pub processor: Option<f64>,
}

/// One load over several ways.
#[derive(Debug)]
pub struct Contest<'a> {
    /// The load.
    pub load: &'a Load,
    /// The ways; the first is what the others are compared with.
    pub entries: Vec<Entry>,
    /// The laps of each entry, one a round.
    pub laps: Vec<Vec<Lap>>,
}

impl<'a> Contest<'a> {
    /// Runs so many rounds.
    ///
    /// # Errors
    /// A run failed; the entry is named.
    pub async fn run(load: &'a Load, entries: Vec<Entry>, pgbench: &Pgbench, rounds: usize) -> Result<Self> {
        let mut laps = vec![Vec::new(); entries.len()];
        for round in 0..rounds {
            for turn in 0..entries.len() {
                let number = (round + turn) % entries.len();
                let entry = &entries[number];
                let lap = lap(load, entry, pgbench).await;
                laps[number].push(lap.with_context(|| format!("{}, {}", load.name, entry.name))?);
            }
        }
        Ok(Contest { load, entries, laps })
    }
}

impl Contest<'_> {
    /// The median over an entry's laps.
    #[must_use]
    pub fn median(&self, entry: usize, of: impl Fn(&Lap) -> f64) -> f64 {
        crate::report::middle(self.laps[entry].iter().map(of).collect())
    }

    /// The median of an entry's ratios to another one, each taken within a round.
    #[must_use]
    pub fn ratio(&self, entry: usize, to: usize, of: impl Fn(&Lap) -> f64) -> f64 {
        let rounds = self.laps[entry].iter().zip(&self.laps[to]);
        crate::report::middle(rounds.map(|(lap, other)| of(lap) / of(other)).collect())
    }
}

async fn lap(load: &Load, entry: &Entry, pgbench: &Pgbench) -> Result<Lap> {
    let time = || entry.process.map(time_of).transpose();
    let before = time()?;
    let run = pgbench.run(load, &entry.url).await?;
    let used = time()?.zip(before).map(|(after, before)| after.saturating_sub(before));
    let processor = used.map(|used| used.as_secs_f64() * 1e6 / run.transactions.max(1) as f64);
    Ok(Lap { run, processor })
}
