//! How long something took, and what of the machine's processors it used meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::processor::{machine_time, time_of};

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lap {
    /// By the clock.
    pub(super) seconds: f64,
    /// CPU time of the proxy.
    pub(super) proxy: f64,
    /// CPU time of the whole machine: servers, proxy, client, and who else works there.
    pub(super) machine: f64,
}

/// A lap that is under way.
pub(super) struct Clock {
    process: u32,
    begun: Instant,
    proxy: Duration,
    machine: Duration,
}

impl Clock {
    pub(super) fn start(process: u32) -> Result<Clock> {
        let (proxy, machine) = (time_of(process)?, machine_time()?);
        Ok(Clock { process, proxy, machine, begun: Instant::now() })
    }

    pub(super) fn stop(self) -> Result<Lap> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let since = |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64();
        Ok(Lap {
            seconds,
            proxy: since(time_of(self.process)?, self.proxy),
            machine: since(machine_time()?, self.machine),
        })
    }
}

/// The laps of the one PostgreSQL and of pgherd, by turns.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) direct: Vec<Lap>,
    pub(super) pgherd: Vec<Lap>,
}

impl Turns {
    /// The median of how many times as long pgherd took, each ratio taken within a round.
    pub(super) fn ratio(&self) -> f64 {
        let rounds = self.pgherd.iter().zip(&self.direct);
        crate::report::middle(rounds.map(|(ours, theirs)| ours.seconds / theirs.seconds).collect())
    }
}

/// The median of some laps.
pub(super) fn median(laps: &[Lap], of: impl Fn(&Lap) -> f64) -> f64 {
    crate::report::middle(laps.iter().map(of).collect())
}

/// The word of a daemon's metric.
pub(super) async fn metric(daemon: &::tests::Daemon, name: &str) -> Result<f64> {
    let (_, page) = daemon.page("/metrics").await?;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).with_context(|| format!("no metric {name}"))
}
