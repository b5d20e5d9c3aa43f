//! TPC-H sharded by customer: how long each query takes over two servers and on one PostgreSQL, and how many bytes
//! the servers send for it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::tpch::{Query, Rows, TABLES, queries};
use tests::{APP_USER, Session};

use super::clock::{Turns, median, metric};
use super::stage::Stage;

/// Tables that every server has whole; the others are sharded.
const REFERENCE_TABLES: usize = 5;

/// How long a query may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Every query so many times on both sides, by turns.
///
/// # Errors
/// A query failed.
pub async fn gathered(stage: &Stage, scale: f64, rounds: usize) -> Result<String> {
    let (mut plain, mut ours) = (stage.oracle.session("app").await?, stage.daemon.session("app").await?);
    fill(stage, &mut plain, &mut ours, scale).await?;
    let mut text = format!(
        "\nGather: TPC-H at scale {scale}, sharded by customer over 2 servers (`t`: joins within a customer say so).\n\n\
         | query | one PostgreSQL, ms | pgherd, ms | times | KB moved | CPU s of the proxy | CPU s of all, one / pgherd |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    let (mut totals, mut tied) = ([0.0, 0.0], [0.0, 0.0]);
    for query in queries() {
        eprintln!("query {} ...", query.name);
        let mut turns = Turns::default();
        let mut moved = 0.0;
        for _ in 0..rounds {
            let clock = stage.clock()?;
            run(&mut plain, &query).await?;
            turns.direct.push(clock.stop()?);
            let before = metric(&stage.daemon, "pgherd_gathered_bytes_total").await?;
            let clock = stage.clock()?;
            run(&mut ours, &query).await?;
            turns.pgherd.push(clock.stop()?);
            moved = metric(&stage.daemon, "pgherd_gathered_bytes_total").await? - before;
        }
        let seconds = [&turns.direct, &turns.pgherd].map(|laps| median(laps, |lap| lap.seconds));
        let total = if query.name.ends_with('t') { &mut tied } else { &mut totals };
        total.iter_mut().zip(seconds).for_each(|(total, seconds)| *total += seconds);
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:.2} | {:.0} | {:.3} | {:.2} / {:.2} |",
            query.name,
            seconds[0] * 1000.0,
            seconds[1] * 1000.0,
            turns.ratio(),
            moved / 1000.0,
            median(&turns.pgherd, |lap| lap.proxy),
            median(&turns.direct, |lap| lap.machine),
            median(&turns.pgherd, |lap| lap.machine),
        );
    }
    for (name, [theirs, ours]) in [("the 22 as written", totals), ("those with tenants (`t`)", tied)] {
        let _ = writeln!(
            text,
            "| {name} | {:.0} | {:.0} | **{:.2}** | | | |",
            theirs * 1000.0,
            ours * 1000.0,
            ours / theirs
        );
    }
    Ok(text)
}

async fn run(session: &mut Session, query: &Query) -> Result<()> {
    for sql in &query.statements {
        let answer = tokio::time::timeout(PATIENCE, session.ask(sql)).await;
        let answer = answer.with_context(|| format!("query {}: no answer", query.name))??;
        ensure!(answer.fault.is_none(), "query {}: {:?}", query.name, answer.fault);
    }
    Ok(())
}

async fn fill(stage: &Stage, plain: &mut Session, ours: &mut Session, scale: f64) -> Result<()> {
    let rows = Rows::at_scale(scale);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tpch/schema.sql");
    let schema = std::fs::read_to_string(schema)?;
    for session in [&mut *plain, &mut *ours] {
        for sql in schema.split(";\n").map(str::trim).filter(|sql| !sql.is_empty()) {
            let fault = session.ask(sql).await?.fault;
            ensure!(fault.is_none(), "{sql}: {fault:?}");
        }
    }
    let (reference, sharded) = TABLES.split_at(REFERENCE_TABLES);
    copy(plain, &TABLES, &rows).await?;
    copy(ours, sharded, &rows).await?;
    for server in stage.fleet.servers() {
        let mut session = Session::open(server.node(0).port(), APP_USER, "app", &[]).await?;
        copy(&mut session, reference, &rows).await?;
    }
    // Its guess of how many rows a join by two keys leaves makes one PostgreSQL loop over query 18 for hours.
    plain.ask("SET enable_nestloop = off").await?;
    stage.settle().await
}

async fn copy(session: &mut Session, tables: &[&str], rows: &Rows) -> Result<()> {
    for table in tables {
        let copy = format!("COPY {table} FROM STDIN WITH (DELIMITER '|')");
        let fault = session.copy_in(&copy, rows.of(table).as_bytes()).await?.fault;
        ensure!(fault.is_none(), "{table}: {fault:?}");
    }
    Ok(())
}
