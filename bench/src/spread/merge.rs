//! Rows a second through ORDER BY and GROUP BY, and the proxy's memory as results grow.

use std::fmt::Write as _;
use std::process::Stdio;

use anyhow::{Result, ensure};
use tests::APP_USER;
use tokio::process::Command;

use super::clock::{Lap, Turns, median};
use super::drain::Drain;
use super::stage::Stage;
use crate::processor::{forget_peak, peak_of};

/// What is asked for, and how it is called.
const STATEMENTS: [(&str, &str); 5] = [
    ("ORDER BY a bigint with an index", "SELECT * FROM readings ORDER BY id"),
    ("ORDER BY a text, sorted", "SELECT * FROM readings ORDER BY name"),
    ("no order", "SELECT * FROM readings"),
    (
        "GROUP BY an int, 100,000 groups",
        "SELECT sensor, count(*), sum(amount), min(at), max(name) FROM readings GROUP BY sensor",
    ),
    (
        "GROUP BY an expression, 100 groups",
        "SELECT sensor % 100, count(*), avg(amount) FROM readings GROUP BY sensor % 100 ORDER BY 1",
    ),
];

/// Who reads the answer.
#[derive(Debug, Clone, Copy)]
enum Reader {
    /// psql, which prints the rows.
    Psql,
    /// A client that counts them.
    Counter,
}

/// Each statement so many times on both sides, by turns.
///
/// # Errors
/// A statement failed.
pub async fn merged(stage: &Stage, rounds: usize) -> Result<String> {
    let mut text = format!(
        "\nMerge: {} rows in one table, sharded over 2 servers; rows read a second.\n\n\
         | statement | client | one PostgreSQL | pgherd | pgherd of it | CPU s of the proxy | CPU s of all, one / pgherd |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
        stage.rows
    );
    for (name, sql) in STATEMENTS {
        for (reader, client) in [(Reader::Psql, "psql"), (Reader::Counter, "counting")] {
            eprintln!("{name}, {client} ...");
            let turns = turns(stage, sql, reader, rounds).await?;
            let rate = |laps: &[Lap]| stage.rows as f64 / median(laps, |lap| lap.seconds);
            let _ = writeln!(
                text,
                "| {} | {client} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} / {:.2} |",
                if matches!(reader, Reader::Psql) { name } else { "" },
                rate(&turns.direct),
                rate(&turns.pgherd),
                1.0 / turns.ratio(),
                median(&turns.pgherd, |lap| lap.proxy),
                median(&turns.direct, |lap| lap.machine),
                median(&turns.pgherd, |lap| lap.machine),
            );
        }
    }
    Ok(text)
}

async fn turns(stage: &Stage, sql: &str, reader: Reader, rounds: usize) -> Result<Turns> {
    let mut turns = Turns::default();
    let urls = [stage.oracle.url(APP_USER, "app"), stage.daemon.url("app", APP_USER)];
    let sessions = [stage.oracle.session("app").await?, stage.daemon.session("app").await?];
    let mut drains = sessions.map(Drain::over);
    for _ in 0..rounds {
        let mut counted = Vec::new();
        for (side, laps) in [&mut turns.direct, &mut turns.pgherd].into_iter().enumerate() {
            let clock = stage.clock()?;
            match reader {
                Reader::Psql => print(&urls[side], sql).await?,
                Reader::Counter => counted.push(drains[side].count(sql).await?),
            }
            laps.push(clock.stop()?);
        }
        ensure!(counted.windows(2).all(|pair| pair[0] == pair[1]), "{sql}: {counted:?} rows");
    }
    Ok(turns)
}

async fn print(url: &str, sql: &str) -> Result<()> {
    let psql = ::tests::postgres_binaries()?.join("psql");
    let arguments = ["-q", "-A", "-t", "-c", sql, url];
    let status = Command::new(psql).args(arguments).stdout(Stdio::null()).status().await?;
    ensure!(status.success(), "psql failed with {status}");
    Ok(())
}

/// The most memory that the proxy takes while results of ten thousand rows and more go through it.
///
/// # Errors
/// A statement failed.
pub async fn memory(stage: &Stage, largest: u64) -> Result<String> {
    let mut text = "\n| rows merged in order | proxy's peak memory, MB |\n| ---: | ---: |\n".to_owned();
    let mut drain = Drain::over(stage.daemon.session("app").await?);
    let mut count = 10_000;
    while count <= largest {
        let copies = count.div_ceil(stage.rows);
        let rows = count / copies;
        eprintln!("{count} rows ...");
        let sql = format!(
            "SELECT readings.* FROM readings CROSS JOIN generate_series(1, {copies}) WHERE id <= {rows} ORDER BY id"
        );
        forget_peak(stage.process()?)?;
        let given = drain.count(&sql).await?;
        ensure!(given == rows * copies, "{given} rows: {sql}");
        let _ = writeln!(text, "| {count} | {:.1} |", peak_of(stage.process()?)? as f64 / 1e6);
        count *= 10;
    }
    Ok(text)
}
