//! pgherd beside direct connections and PgBouncer, over one server: `cargo bench -p bench --bench fleet`.
//!
//! With `-- --write` the table in `docs/performance.md` is replaced by the one measured.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use bench::{
    Contest, Entry, LOADS, PgBouncer, Pgbench, Protocol, allow_sockets, bulk, fill, idle, pin,
    replace_tables, table,
};
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
    /// Clients that are connected and say nothing.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
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
    allow_sockets()?;
    let fleet = Fleet::builder().servers(1).start().await?;
    fill(fleet.server(0)).await?;
    let daemon = fleet.daemon().key("proxy", "max_client_connections = 12000").start().await?;
    let pgbouncer = PgBouncer::start(&fleet).await?;
    let pgbench = Pgbench::new(fleet.path(), arguments.clients, arguments.seconds)?;
    let mut contests = Vec::new();
    for load in &LOADS {
        eprintln!("{} ...", load.name);
        let entries = entries(&fleet, &daemon, pgbouncer.as_ref().filter(|it| it.speaks(load.protocol)))?;
        contests.push(Contest::run(load, entries, &pgbench, arguments.rounds).await?);
    }
    let mut text =
        format!("{}\n{}", conditions(&arguments, &fleet, pgbouncer.as_ref()).await?, table(&contests));
    if let Some(pgbouncer) = &pgbouncer {
        let entries = entries(&fleet, &daemon, Some(pgbouncer))?;
        text += &cores(&entries[1..], pgbouncer, &fleet, &arguments).await?;
        text += &large(&entries[1..], arguments.rounds).await?;
        text += &silent(&entries[1..], [pgbouncer.port(), daemon.port()], arguments.idle).await?;
    }
    println!("{text}");
    if arguments.write {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
        let page = std::fs::read_to_string(&path).context("cannot read docs/performance.md")?;
        std::fs::write(&path, replace_tables(&page, "fleet", &text)?)?;
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

/// Throughput of prepared reads with each proxy on one core, and with all of them.
async fn cores(
    proxies: &[Entry],
    pgbouncer: &PgBouncer,
    fleet: &Fleet,
    arguments: &Arguments,
) -> Result<String> {
    let load = LOADS.iter().find(|load| load.protocol == Protocol::Prepared);
    let load = load.filter(|load| pgbouncer.speaks(load.protocol)).unwrap_or(&LOADS[1]);
    let all = format!("0-{}", std::thread::available_parallelism()?.get() - 1);
    let mut text = format!(
        "\n{}, TPS:\n\n| clients | cores of each proxy | PgBouncer | pgherd | pgherd of PgBouncer |\n| ---: | --- | ---: | ---: | ---: |\n",
        load.name
    );
    for clients in [16, 64] {
        for (cores, name) in [("0", "one"), (all.as_str(), "all")] {
            eprintln!("{clients} clients, cores: {name} ...");
            for proxy in proxies {
                pin(proxy.process.context("a proxy has a process")?, cores)?;
            }
            let pgbench = Pgbench::new(fleet.path(), clients, arguments.seconds)?;
            let contest = Contest::run(load, proxies.to_vec(), &pgbench, arguments.rounds).await?;
            let rate = |entry: usize| contest.median(entry, |lap| lap.run.rate);
            let (theirs, ours) = (rate(0), rate(1));
            let ratio = contest.ratio(1, 0, |lap| lap.run.rate);
            let _ = writeln!(text, "| {clients} | {name} | {theirs:.0} | {ours:.0} | {ratio:.2} |");
        }
    }
    Ok(text)
}

async fn large(proxies: &[Entry], rounds: usize) -> Result<String> {
    let mut text =
        "\n| CPU seconds a GB | PgBouncer | pgherd | pgherd of PgBouncer |\n| --- | ---: | ---: | ---: |\n"
            .to_owned();
    eprintln!("large results ...");
    for result in bulk(proxies, rounds).await? {
        let (theirs, ours) = (result.seconds[0], result.seconds[1]);
        let _ = writeln!(text, "| {} | {theirs:.2} | {ours:.2} | {:.2} |", result.answer, ours / theirs);
    }
    Ok(text)
}

async fn silent(proxies: &[Entry], ports: [u16; 2], clients: usize) -> Result<String> {
    let mut text = format!(
        "\n| {clients} clients, without TLS: bytes each | after login | after a statement of each |\n| --- | ---: | ---: |\n"
    );
    for (proxy, port) in proxies.iter().zip(ports) {
        eprintln!("{clients} clients of {} ...", proxy.name);
        let cost = idle(proxy, port, clients).await?;
        let _ = writeln!(text, "| {} | {:.0} | {:.0} |", proxy.name, cost.fresh, cost.used);
    }
    Ok(text)
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
