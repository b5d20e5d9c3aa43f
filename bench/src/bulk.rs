//! The CPU time of a large result: rows of 1 KB, and COPY of small rows.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::contest::Entry;
use crate::processor::time_of;

/// What is asked for, and how it is called.
const ANSWERS: [(&str, &str, f64); 2] = [
    ("SELECT, rows of 1 KB", "SELECT repeat('y', 1000) FROM generate_series(1, 500000)", 0.5),
    (
        "COPY OUT, rows of 100 bytes",
        "COPY (SELECT repeat('y', 90) FROM generate_series(1, 5000000)) TO STDOUT",
        0.5,
    ),
];

/// What one way used.
#[derive(Debug)]
pub struct Bulk {
    /// What was asked for.
    pub answer: &'static str,
    /// Seconds of CPU time a GB, a proxy each, in the order of the entries.
    pub seconds: Vec<f64>,
}

/// Takes each answer so many times over each way in turns; the median of each.
///
/// # Errors
/// psql failed, or a process is gone.
pub async fn bulk(entries: &[Entry], rounds: usize) -> Result<Vec<Bulk>> {
    let mut results = Vec::new();
    for (answer, sql, gigabytes) in ANSWERS {
        let mut laps = vec![Vec::new(); entries.len()];
        for _ in 0..rounds {
            for (entry, laps) in entries.iter().zip(&mut laps) {
                let process = entry.process.context("only proxies are measured")?;
                let before = time_of(process)?;
                fetch(&entry.url, sql).await?;
                laps.push((time_of(process)? - before).as_secs_f64() / gigabytes);
            }
        }
        let seconds = laps.into_iter().map(crate::report::middle).collect();
        results.push(Bulk { answer, seconds });
    }
    Ok(results)
}

async fn fetch(url: &str, sql: &str) -> Result<()> {
    let psql = ::tests::postgres_binaries()?.join("psql");
    let arguments = ["-q", "-A", "-t", "-c", sql, url];
    let status = Command::new(psql).args(arguments).stdout(Stdio::null()).status().await?;
    ensure!(status.success(), "psql failed with {status}");
    Ok(())
}
