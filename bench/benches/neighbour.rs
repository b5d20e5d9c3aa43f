//! The noisy neighbour: what one tenant's flood does to the others' point reads, through pgherd as it is, with
//! what it does against that switched off, and through PgBouncer: `cargo bench -p bench --bench neighbour`.
//!
//! Quiet rounds and rounds with the flood alternate, so that what else the machine does falls on both. It takes
//! four minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use bench::PgBouncer;
use clap::Parser;
use tests::{APP_USER, Fleet, Server, connect};
use tokio::task::JoinHandle;

/// What is to be measured.
#[derive(Debug, Parser)]
struct Arguments {
    /// Pairs of a quiet round and one with the flood.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Clients of the tenant that floods.
    #[arg(long, default_value_t = 200)]
    flood: usize,
    /// Other tenants, with one client each.
    #[arg(long, default_value_t = 16)]
    others: i64,
    /// Only the ways whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// What `cargo bench` passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What the flooding tenant sends.
const FLOODS: [(&str, &str); 2] = [
    ("statements that wait 50 ms", "SELECT pg_sleep(0.05) FROM accounts WHERE tenant_id = 0"),
    (
        "statements that compute",
        "SELECT sum(a.n * b.n) FROM accounts, generate_series(1, 300) a(n), generate_series(1, 300) b(n) WHERE tenant_id = 0",
    ),
];

/// Ways through pgherd: what stands in `[pool]`.
const POOLS: [(&str, &str); 3] = [
    ("pgherd", ""),
    ("pgherd, `tenant_slowdown = 0`", "tenant_slowdown = 0"),
    ("pgherd, `tenant_slowdown = 0`, `tenant_share = 100`", "tenant_slowdown = 0\ntenant_share = 100"),
];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let fleet = Fleet::builder().servers(1).start().await?;
    fill(fleet.server(0), arguments.others).await?;
    println!(
        "{} other tenants read a row each 5 ms; tenant 0 floods with {} clients; pool of 20.\n",
        arguments.others, arguments.flood
    );
    println!("| through | flood | p50 quiet | p50 flooded | p99 quiet | p99 flooded | p99 ratio |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    for (number, (way, pool)) in
        POOLS.iter().enumerate().filter(|(_, (way, _))| way.contains(&arguments.only))
    {
        let section = format!("[pool]\n{pool}\nwait_timeout = \"60s\"");
        let daemon = fleet.daemon().name(&format!("neighbour{number}")).section(&section).start().await?;
        report(&daemon.url("app", APP_USER), way, &arguments).await?;
    }
    if "PgBouncer".contains(&arguments.only)
        && let Some(pgbouncer) = PgBouncer::start(&fleet).await?
    {
        let way = format!("PgBouncer {}", pgbouncer.version());
        report(&pgbouncer.url(), &way, &arguments).await?;
    }
    Ok(())
}

/// A row for each tenant, before any proxy looks at the table.
async fn fill(server: &Server, others: i64) -> Result<()> {
    let table = format!(
        "SET ROLE app;
         CREATE TABLE accounts (tenant_id bigint PRIMARY KEY, balance int);
         INSERT INTO accounts SELECT t, 1 FROM generate_series(0, {others}) t;"
    );
    server.connect("app").await?.batch_execute(&table).await?;
    Ok(())
}

/// Measures each flood by one way.
async fn report(url: &str, way: &str, arguments: &Arguments) -> Result<()> {
    for (flood, sql) in FLOODS {
        let [quiet, flooded] = measure(url, arguments, sql).await?;
        println!(
            "| {way} | {flood} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} |",
            quiet.at(0.5),
            flooded.at(0.5),
            quiet.at(0.99),
            flooded.at(0.99),
            flooded.at(0.99) / quiet.at(0.99),
        );
    }
    Ok(())
}

/// Latencies in milliseconds.
#[derive(Debug, Default)]
struct Latencies(Vec<f64>);

impl Latencies {
    fn at(&self, quantile: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len() as f64 * quantile) as usize;
        sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }
}

/// The other tenants' latencies, without the flood and with it.
async fn measure(url: &str, arguments: &Arguments, sql: &'static str) -> Result<[Latencies; 2]> {
    let mut clients = Vec::new();
    for _ in 0..arguments.flood {
        clients.push(Arc::new(connect(url).await?));
    }
    let mut readers = Vec::new();
    for tenant in 1..=arguments.others {
        readers.push((tenant, Arc::new(connect(url).await?)));
    }
    let mut both = [Latencies::default(), Latencies::default()];
    for _ in 0..arguments.rounds {
        for (flooded, latencies) in both.iter_mut().enumerate() {
            let over = Arc::new(AtomicBool::new(false));
            let mut flood: Vec<JoinHandle<Result<()>>> = Vec::new();
            for client in clients.iter().take(arguments.flood * flooded) {
                let (client, over) = (client.clone(), Arc::clone(&over));
                flood.push(tokio::spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        client.simple_query(sql).await?;
                    }
                    Ok(())
                }));
            }
            let until = Instant::now() + Duration::from_secs(arguments.seconds);
            let reads: Vec<_> = readers
                .iter()
                .map(|(tenant, client)| tokio::spawn(read(*tenant, Arc::clone(client), until)))
                .collect();
            for reader in reads {
                latencies.0.extend(reader.await??);
            }
            over.store(true, Ordering::Relaxed);
            for task in flood {
                task.await??;
            }
        }
    }
    Ok(both)
}

async fn read(tenant: i64, client: Arc<tokio_postgres::Client>, until: Instant) -> Result<Vec<f64>> {
    const BETWEEN: Duration = Duration::from_millis(5);
    let statement = client.prepare("SELECT balance FROM accounts WHERE tenant_id = $1").await?;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        client.query_one(&statement, &[&tenant]).await?;
        latencies.push(begun.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(BETWEEN).await;
    }
    Ok(latencies)
}
