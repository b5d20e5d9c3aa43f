//! pgherd beside direct connections and PgBouncer, over one server: `cargo bench -p bench --bench fleet`.
//!
//! With `-- --write` the table in `docs/performance.md` is replaced by the one measured.

use std::path::Path;

use anyhow::{Context, Result};
use bench::{Contest, Entry, LOADS, PgBouncer, Pgbench, fill, replace_table, table};
use clap::Parser;
use tests::{APP_USER, Daemon, Fleet};

/// What is to be measured.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds of each load.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each run.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Sessions at once.
    #[arg(long, default_value_t = 8)]
    clients: u32,
    /// Write the table to docs/performance.md.
    #[arg(long)]
    write: bool,
    /// What `cargo bench` passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let fleet = Fleet::builder().servers(1).start().await?;
    fill(fleet.server(0)).await?;
    let daemon = fleet.daemon().start().await?;
    let pgbouncer = PgBouncer::start(&fleet).await?;
    let pgbench = Pgbench::new(fleet.path(), arguments.clients, arguments.seconds)?;
    let mut contests = Vec::new();
    for load in &LOADS {
        eprintln!("{} ...", load.name);
        let entries = entries(&fleet, &daemon, pgbouncer.as_ref().filter(|it| it.speaks(load.protocol)))?;
        contests.push(Contest::run(load, entries, &pgbench, arguments.rounds).await?);
    }
    let text = format!("{}\n{}", conditions(&arguments, &fleet, pgbouncer.as_ref()).await?, table(&contests));
    println!("{text}");
    if arguments.write {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
        let page = std::fs::read_to_string(&path).context("cannot read docs/performance.md")?;
        std::fs::write(&path, replace_table(&page, &text)?)?;
    }
    Ok(())
}

fn entries(fleet: &Fleet, daemon: &Daemon, pgbouncer: Option<&PgBouncer>) -> Result<Vec<Entry>> {
    let direct = Entry { name: "direct", url: fleet.server(0).node(0).url(APP_USER, "app"), process: None };
    let pgherd = Entry {
        name: "pgherd",
        url: daemon.url("app", APP_USER),
        process: Some(daemon.process().context("pgherd does not run")?),
    };
    let pgbouncer = pgbouncer.map(|pgbouncer| Entry {
        name: "PgBouncer",
        url: pgbouncer.url(),
        process: Some(pgbouncer.process()),
    });
    Ok([direct].into_iter().chain(pgbouncer).chain([pgherd]).collect())
}

/// What the figures depend on, in one line.
async fn conditions(arguments: &Arguments, fleet: &Fleet, pgbouncer: Option<&PgBouncer>) -> Result<String> {
    let client = fleet.server(0).connect("app").await?;
    let version: String = client.query_one("SELECT current_setting('server_version')", &[]).await?.get(0);
    let version = version.split(' ').next().unwrap_or_default();
    let processors = std::thread::available_parallelism()?;
    let peer = match pgbouncer {
        Some(pgbouncer) => format!("PgBouncer {} in transaction mode", pgbouncer.version()),
        None => "PgBouncer was not installed".to_owned(),
    };
    let without_prepared = pgbouncer.is_some_and(|it| !LOADS.iter().all(|load| it.speaks(load.protocol)));
    let note =
        if without_prepared { " (which keeps no prepared statements there; 1.21 and later do)" } else { "" };
    Ok(format!(
        "{processors} processors for server, proxies and pgbench together; PostgreSQL {version}; {peer}{note}; {} clients, {} rounds of {} s.\n",
        arguments.clients, arguments.rounds, arguments.seconds
    ))
}
