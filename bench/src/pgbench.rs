//! One run of pgbench, and what it measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::load::Load;

/// The part of the transactions whose latency is written down.
const SAMPLING_RATE: &str = "0.25";

/// How pgbench runs.
#[derive(Debug)]
pub struct Pgbench {
    program: PathBuf,
    directory: PathBuf,
    /// Sessions at once.
    pub clients: u32,
    /// How long a run takes, in seconds.
    pub seconds: u32,
}

/// What one run measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Transactions.
    pub transactions: u64,
    /// Transactions a second, without the time to connect.
    pub rate: f64,
    /// Half of the transactions took no longer, in microseconds.
    pub median: u64,
    /// 99 of 100 transactions took no longer, in microseconds.
    pub p99: u64,
}

impl Pgbench {
    /// A pgbench that keeps its scripts and logs in a directory.
    ///
    /// # Errors
    /// There is no pgbench beside PostgreSQL's server binaries.
    pub fn new(directory: &Path, clients: u32, seconds: u32) -> Result<Pgbench> {
        let program = ::tests::postgres_binaries()?.join("pgbench");
        ensure!(program.exists(), "{} is not there; it comes with postgresql-contrib", program.display());
        Ok(Pgbench { program, directory: directory.to_owned(), clients, seconds })
    }

    /// Runs a load against a URL.
    ///
    /// # Errors
    /// pgbench failed, or a transaction did.
    pub async fn run(&self, load: &Load, url: &str) -> Result<Run> {
        let logs = self.directory.join("latencies");
        fs::create_dir_all(&logs)?;
        let mut command = Command::new(&self.program);
        command.args(["--no-vacuum", "--log", "--sampling-rate", SAMPLING_RATE]);
        command.args(["--protocol", load.protocol.word()]).arg("--log-prefix").arg(logs.join("log"));
        command.args(["--client", &self.clients.to_string(), "--time", &self.seconds.to_string()]);
        for (number, (script, weight)) in load.scripts.iter().enumerate() {
            let path = self.directory.join(format!("script-{number}.sql"));
            fs::write(&path, script)?;
            command.arg("--file").arg(format!("{}@{weight}", path.display()));
        }
        let output = command.arg(url).stdin(Stdio::null()).kill_on_drop(true).output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("pgbench failed with {}: {}", output.status, said.trim());
        }
        let (transactions, rate) = summary(&String::from_utf8_lossy(&output.stdout))?;
        let mut latencies = latencies(&logs)?;
        fs::remove_dir_all(&logs)?;
        latencies.sort_unstable();
        let percentile = |part: usize| latencies.get(latencies.len() * part / 100).copied();
        let (median, p99) = percentile(50).zip(percentile(99)).context("pgbench logged no transaction")?;
        Ok(Run { transactions, rate, median, p99 })
    }
}

/// Transactions and their rate, from what pgbench prints.
fn summary(text: &str) -> Result<(u64, f64)> {
    let after = |start: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(start));
        let word = line.and_then(|rest| rest.split([' ', '/']).find(|word| !word.is_empty()));
        word.with_context(|| format!("pgbench does not say \"{start}\": {text}"))
    };
    let transactions = after("number of transactions actually processed:")?.parse()?;
    Ok((transactions, after("tps =")?.parse()?))
}

/// The third word of each line of the logs: the transaction's time in microseconds.
fn latencies(logs: &Path) -> Result<Vec<u64>> {
    let mut latencies = Vec::new();
    for entry in fs::read_dir(logs)? {
        for line in fs::read_to_string(entry?.path())?.lines() {
            let word = line.split(' ').nth(2).with_context(|| format!("pgbench logged {line:?}"))?;
            latencies.push(word.parse().with_context(|| format!("pgbench logged {line:?}"))?);
        }
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read_as_pgbench_prints_it() {
        let text = "transaction type: <builtin: select only>\n\
                    number of transactions actually processed: 29453\n\
                    number of failed transactions: 0 (0.000%)\n\
                    latency average = 0.135 ms\n\
                    tps = 7402.119374 (without initial connection time)\n";
        let (transactions, rate) = summary(text).expect("a summary");
        assert_eq!((transactions, rate.round()), (29453, 7402.0));
    }
}
