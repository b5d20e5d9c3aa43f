//! Statements over two servers beside one PostgreSQL with all the rows: `cargo bench -p bench --bench spread`.
//!
//! With `-- --write` the tables in `docs/performance.md` are replaced by those measured.

use std::path::Path;

use anyhow::{Context, Result};
use bench::{replace_tables, spread};
use clap::{Parser, ValueEnum};

/// What is to be measured.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds of each statement.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Rows of the table that is merged.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Rows of the largest result whose memory is looked at.
    #[arg(long, default_value_t = 10_000_000)]
    largest: u64,
    /// The scale of TPC-H.
    #[arg(long, default_value_t = 0.05)]
    scale: f64,
    /// Transactions of each kind.
    #[arg(long, default_value_t = 500)]
    commits: usize,
    /// Only this.
    #[arg(long)]
    only: Option<Part>,
    /// Write the tables to docs/performance.md.
    #[arg(long)]
    write: bool,
    /// What `cargo bench` passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Merge,
    Gather,
    Commit,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    let stage = spread::Stage::start(arguments.rows).await?;
    let mut text = format!(
        "{} processors for three servers, proxy and client together; medians of {} rounds.\n",
        std::thread::available_parallelism()?,
        arguments.rounds
    );
    if wanted(Part::Merge) || wanted(Part::Commit) {
        eprintln!("{} rows ...", arguments.rows);
        stage.fill().await?;
    }
    if wanted(Part::Merge) {
        text += &spread::merged(&stage, arguments.rounds).await?;
        text += &spread::memory(&stage, arguments.largest).await?;
    }
    if wanted(Part::Commit) {
        text += &spread::commits(&stage, arguments.commits).await?;
        text += &spread::writes(&stage, arguments.rounds).await?;
    }
    if wanted(Part::Gather) {
        text += &spread::gathered(&stage, arguments.scale, arguments.rounds).await?;
    }
    println!("{text}");
    if arguments.write {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
        let page = std::fs::read_to_string(&path).context("cannot read docs/performance.md")?;
        std::fs::write(&path, replace_tables(&page, "spread", &text)?)?;
    }
    Ok(())
}
