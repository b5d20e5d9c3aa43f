//! What clients cost that are connected and say nothing: `cargo bench -p bench --bench silent`.
//!
//! So many log in, then each of them asks once and must be answered; what the process holds of each is read
//! after the logins and after the statements.

use anyhow::{Context, Result};
use bench::{Entry, PgBouncer, allow_sockets, fill, idle};
use clap::Parser;
use tests::{APP_USER, Fleet};

/// What is to be measured.
#[derive(Debug, Parser)]
struct Arguments {
    /// Clients that are connected and say nothing.
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// Only pgherd.
    #[arg(long)]
    alone: bool,
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
    println!(
        "| {} clients, without TLS: bytes each | after login | after a statement of each | answered |\n\
         | --- | ---: | ---: | ---: |",
        arguments.clients
    );
    let pgbouncer = if arguments.alone { None } else { PgBouncer::start(&fleet).await? };
    if let Some(pgbouncer) = pgbouncer {
        let process = Some(pgbouncer.process());
        let entry = Entry { name: "PgBouncer", url: pgbouncer.url(), process };
        measure(&entry, pgbouncer.port(), arguments.clients).await?;
    }
    let daemon = fleet.daemon().key("proxy", "max_client_connections = 12000").start().await?;
    let process = Some(daemon.process().context("pgherd does not run")?);
    let entry = Entry { name: "pgherd", url: daemon.url("app", APP_USER), process };
    measure(&entry, daemon.port(), arguments.clients).await
}

async fn measure(entry: &Entry, port: u16, clients: usize) -> Result<()> {
    let cost = idle(entry, port, clients).await?;
    println!("| {} | {:.0} | {:.0} | {} |", entry.name, cost.fresh, cost.used, cost.answered);
    Ok(())
}
