//! How many instructions of its own the daemon needs for a transaction, and how often it asks for memory,
//! counted by callgrind, so that the numbers are the same on a busy machine: `cargo bench -p bench --bench instructions`.
//!
//! Each load runs twice, longer the second time; what the difference cost is divided by the transactions
//! between. System calls count as one instruction each. With `-- --keep DIR` the profiles stay, to be read
//! with `callgrind_annotate`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bench::{LOADS, Load, fill};
use clap::Parser;
use tests::{APP_USER, Daemon, Fleet, until};

/// What is to be measured.
#[derive(Debug, Parser)]
struct Arguments {
    /// Transactions of the shorter run.
    #[arg(long, default_value_t = 500)]
    short: u64,
    /// Transactions of the longer run.
    #[arg(long, default_value_t = 3000)]
    long: u64,
    /// Only the loads whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// Where the profiles are kept.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// What `cargo bench` passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let fleet = Fleet::builder().servers(1).start().await?;
    fill(fleet.server(0)).await?;
    // Probes and other work of the clock would be counted among the transactions.
    let daemon = fleet.daemon().key("proxy", "worker_threads = 1");
    let daemon = daemon.section("[replicas]\nprobe_interval = \"60s\"").prepare()?;
    let directory = arguments.keep.clone().unwrap_or_else(|| fleet.path().join("callgrind"));
    fs::create_dir_all(&directory)?;
    println!("| load | instructions a transaction | allocations |\n| --- | ---: | ---: |");
    for (number, load) in LOADS.iter().enumerate().filter(|(_, load)| load.name.contains(&arguments.only)) {
        let profile = directory.join(format!("load-{number}"));
        let cost = cost(&daemon, load, &arguments, &profile).await?;
        println!("| {} | {:.0} | {:.1} |", load.name, cost.instructions, cost.allocations);
    }
    Ok(())
}

/// What was counted.
#[derive(Clone, Copy, Debug)]
struct Cost {
    instructions: f64,
    allocations: f64,
}

/// What one transaction of the load costs.
async fn cost(daemon: &Daemon, load: &Load, arguments: &Arguments, profile: &Path) -> Result<Cost> {
    let watched = Watched::start(daemon, profile)?;
    let url = daemon.url("app", APP_USER);
    let ready = async || tests::connect(&url).await.is_ok();
    until("pgherd answers under valgrind", Duration::from_secs(120), ready).await;
    let scripts = profile.with_extension("scripts");
    fs::create_dir_all(&scripts)?;
    run(load, &url, 200, &scripts)?;
    watched.control("--zero")?;
    run(load, &url, arguments.short, &scripts)?;
    watched.control("--dump")?;
    run(load, &url, arguments.long, &scripts)?;
    watched.control("--dump")?;
    let (short, long) = (total(profile, 1)?, total(profile, 2)?);
    let transactions = arguments.long.saturating_sub(arguments.short).max(1) as f64;
    Ok(Cost {
        instructions: (long.instructions - short.instructions) / transactions,
        allocations: (long.allocations - short.allocations) / transactions,
    })
}

/// The daemon under valgrind; killed with this.
struct Watched(Child);

impl Watched {
    fn start(daemon: &Daemon, profile: &Path) -> Result<Watched> {
        let mut command = Command::new("valgrind");
        command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", profile.display()));
        command.arg(tests::pgherd()?).arg("serve").arg("--config").arg(daemon.configuration());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Watched(command.spawn().context("cannot start valgrind; is it installed?")?))
    }

    fn control(&self, order: &str) -> Result<()> {
        let process = self.0.id().to_string();
        let output = Command::new("callgrind_control").args([order, &process]).output()?;
        ensure!(output.status.success(), "callgrind_control: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(load: &Load, url: &str, transactions: u64, directory: &Path) -> Result<()> {
    let mut command = Command::new(tests::postgres_binaries()?.join("pgbench"));
    command.args(["--no-vacuum", "--client", "1", "--protocol", load.protocol.word()]);
    command.args(["--transactions", &transactions.to_string()]);
    for (number, (script, weight)) in load.scripts.iter().enumerate() {
        let path = directory.join(format!("script-{number}.sql"));
        fs::write(&path, script)?;
        command.arg("--file").arg(format!("{}@{weight}", path.display()));
    }
    let output = command.arg(url).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// What a dump counted in all.
fn total(profile: &Path, dump: u32) -> Result<Cost> {
    let path = format!("{}.{dump}", profile.display());
    let text = fs::read(&path).with_context(|| format!("callgrind wrote no {path}"))?;
    let text = String::from_utf8_lossy(&text);
    let counted =
        text.lines().find_map(|line| line.strip_prefix("summary:").or(line.strip_prefix("totals:")));
    let instructions = counted.with_context(|| format!("{path} has no sum"))?.trim().parse()?;
    Ok(Cost { instructions, allocations: allocations(&text) as f64 })
}

/// How often a function that asks for memory was called. A name stands in full where it comes first; from
/// then on a number stands for it (the manual of callgrind, "Name compression").
fn allocations(profile: &str) -> u64 {
    const ALLOCATES: [&str; 3] = ["__rust_alloc", "__rust_alloc_zeroed", "__rust_realloc"];
    let (mut numbers, mut allocates, mut sum) = (HashSet::new(), false, 0);
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("cfn=").or(line.strip_prefix("fn=")) {
            let (number, name) = name.split_once(' ').unwrap_or((name, ""));
            if ALLOCATES.iter().any(|known| name == *known || name.ends_with(&format!("::{known}"))) {
                numbers.insert(number);
            }
            allocates = line.starts_with("cfn=") && numbers.contains(number);
        } else if let Some(calls) = line.strip_prefix("calls=").filter(|_| allocates) {
            let count = calls.split(' ').next().and_then(|count| count.parse::<u64>().ok());
            sum += count.unwrap_or_default();
        }
    }
    sum
}
