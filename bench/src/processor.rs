//! What a process uses: CPU time and memory; and what it may use.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

/// What a process and its threads have used until now, in user and kernel mode (`proc(5)`, fields 14 and 15 of `stat`).
pub(crate) fn time_of(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))
        .with_context(|| format!("process {process} is gone"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = field(14).zip(field(15)).context("/proc has no CPU times")?;
    Ok(Duration::from_secs_f64((user + system) / ticks_per_second()?))
}

/// What all processes of the machine have used until now (`proc(5)`, the first line of `stat`: user, nice and system).
pub(crate) fn machine_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks: f64 =
        line.split_whitespace().skip(1).take(3).filter_map(|word| word.parse::<f64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks / ticks_per_second()?))
}

/// The most memory that a process has had since its peak was forgotten, in bytes.
pub(crate) fn peak_of(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 = line.and_then(|line| line.split_whitespace().next()).context("no peak")?.parse()?;
    Ok(kilobytes * 1024)
}

/// Forgets the peak of a process.
pub(crate) fn forget_peak(process: u32) -> Result<()> {
    fs::write(format!("/proc/{process}/clear_refs"), "5")
        .with_context(|| format!("process {process} is gone"))
}

/// What a process holds in memory that no other shares, in bytes.
pub(crate) fn memory_of(process: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kilobytes: u64 =
        line.and_then(|line| line.split_whitespace().next()).context("no memory")?.parse()?;
    Ok(kilobytes * 1024)
}

/// Lets a process run on these processors only, in the spelling of `taskset --cpu-list`.
///
/// # Errors
/// There is no taskset, or no such processor.
pub fn pin(process: u32, processors: &str) -> Result<()> {
    let process = process.to_string();
    let output = Command::new("taskset").args(["-a", "-c", "-p", processors, &process]).output()?;
    anyhow::ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Lets this process, and those that it starts, have as many sockets as the machine allows.
///
/// # Errors
/// There is no prlimit.
pub fn allow_sockets() -> Result<()> {
    let process = std::process::id().to_string();
    let hard = ["--pid", &process, "--nofile", "--output", "HARD", "--noheadings", "--raw"];
    let output = Command::new("prlimit").args(hard).output().context("cannot run prlimit")?;
    let most = String::from_utf8(output.stdout)?;
    let both = format!("--nofile={0}:{0}", most.trim());
    let output = Command::new("prlimit").args(["--pid", &process, &both]).output()?;
    anyhow::ensure!(output.status.success(), "prlimit: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn ticks_per_second() -> Result<f64> {
    let output = Command::new("getconf").arg("CLK_TCK").output().context("cannot run getconf")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_time() {
        let before = time_of(std::process::id()).expect("our own time");
        while time_of(std::process::id()).expect("our own time") == before {
            std::hint::black_box((0..100_000u64).sum::<u64>());
        }
    }
}
