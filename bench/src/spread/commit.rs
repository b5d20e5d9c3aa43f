//! COMMIT of a transaction that wrote on one server, and of one that wrote on two, with fsync; and what writes over
//! both servers cost.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tests::Session;
use tokio::process::Command;

use super::clock::{Turns, median};
use super::stage::Stage;

/// What is written over both servers, and how it is called.
const WRITES: [(&str, &str); 3] = [
    ("UPDATE of 20,000 rows", "UPDATE readings SET amount = amount + 1 WHERE id <= 20000"),
    (
        "INSERT of 20,000 rows by a SELECT",
        "INSERT INTO readings SELECT n % 200, -n, 0, 'x', 1, now(), '' FROM generate_series(1, 20000) n",
    ),
    ("DELETE of 20,000 rows", "DELETE FROM readings WHERE id < 0"),
];

/// Transactions of one kind before the next kind's turn.
const IN_A_ROW: usize = 20;

/// The latency of COMMIT, and of its transaction: on one server, through pgherd on one, through pgherd on two; by turns.
///
/// # Errors
/// A transaction failed.
pub async fn commits(stage: &Stage, count: usize) -> Result<String> {
    eprintln!("commits ...");
    durable(stage, "on").await?;
    // What was written without fsync would have to reach the disk before the first logs do.
    ensure!(Command::new("sync").status().await?.success(), "cannot sync the disks");
    let mut ours = stage.daemon.session("app").await?;
    let mut plain = stage.oracle.session("app").await?;
    let [here, there] = apart(stage).await?;
    let mut took = [const { Laps::new() }; 3];
    for round in 0..count.div_ceil(IN_A_ROW) {
        for turn in 0..took.len() {
            let way = (round + turn) % took.len();
            let (session, tenants) = match way {
                0 => (&mut plain, [here, here]),
                1 => (&mut ours, [here, here]),
                _ => (&mut ours, [here, there]),
            };
            // The first one waits for what the way before has left to the disk.
            commit(session, tenants).await?;
            for _ in 0..IN_A_ROW {
                took[way].add(commit(session, tenants).await?);
            }
        }
    }
    durable(stage, "off").await?;
    for laps in &mut took {
        laps.sort();
    }
    let mut text = "\nTransactions of two writes, with fsync; microseconds.\n\n\
                    | transaction | COMMIT, p50 | p90 | of pgherd's on one server | all of it, p50 | of pgherd's on one server |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    let names = ["one PostgreSQL", "pgherd, wrote on one server", "pgherd, wrote on two servers"];
    let one = (took[1].commit(50), took[1].whole(50));
    for (laps, name) in took.iter().zip(names) {
        let (commit, whole) = (laps.commit(50), laps.whole(50));
        let _ = writeln!(
            text,
            "| {name} | {commit:.0} | {:.0} | {:.2} | {whole:.0} | {:.2} |",
            laps.commit(90),
            commit / one.0,
            whole / one.1
        );
    }
    Ok(text)
}

/// How long transactions of one kind took, in seconds.
struct Laps {
    commits: Vec<f64>,
    wholes: Vec<f64>,
}

impl Laps {
    const fn new() -> Self {
        Self { commits: Vec::new(), wholes: Vec::new() }
    }

    fn add(&mut self, [commit, whole]: [f64; 2]) {
        self.commits.push(commit);
        self.wholes.push(whole);
    }

    fn sort(&mut self) {
        self.commits.sort_unstable_by(f64::total_cmp);
        self.wholes.sort_unstable_by(f64::total_cmp);
    }

    /// Microseconds within which `part` percent of the COMMITs ended.
    fn commit(&self, part: usize) -> f64 {
        self.commits[self.commits.len() * part / 100] * 1e6
    }

    /// Microseconds within which `part` percent of the transactions ended.
    fn whole(&self, part: usize) -> f64 {
        self.wholes[self.wholes.len() * part / 100] * 1e6
    }
}

/// Two tenants of different servers.
async fn apart(stage: &Stage) -> Result<[u64; 2]> {
    let mut of_servers = Vec::new();
    for server in stage.fleet.servers() {
        let client = server.connect("app").await?;
        let row = client.query_one("SELECT min(tenant_id) FROM counters", &[]).await?;
        of_servers.push(u64::try_from(row.get::<_, i64>(0))?);
    }
    of_servers.try_into().ok().context("there are two servers")
}

async fn durable(stage: &Stage, fsync: &str) -> Result<()> {
    let mut clients = vec![stage.oracle.connect("app").await?];
    for server in stage.fleet.servers() {
        clients.push(server.connect("app").await?);
    }
    for client in clients {
        client.batch_execute(&format!("ALTER SYSTEM SET fsync = {fsync}")).await?;
        client.batch_execute("SELECT pg_reload_conf()").await?;
    }
    Ok(())
}

/// Writes for these tenants; how long COMMIT took and how long all of it, in seconds.
async fn commit(session: &mut Session, tenants: [u64; 2]) -> Result<[f64; 2]> {
    let begun = Instant::now();
    say(session, "BEGIN").await?;
    for tenant in tenants {
        say(session, &format!("UPDATE counters SET n = n + 1 WHERE tenant_id = {tenant}")).await?;
    }
    let written = Instant::now();
    say(session, "COMMIT").await?;
    Ok([written.elapsed().as_secs_f64(), begun.elapsed().as_secs_f64()])
}

async fn say(session: &mut Session, sql: &str) -> Result<()> {
    let fault = session.ask(sql).await?.fault;
    ensure!(fault.is_none(), "{sql}: {fault:?}");
    Ok(())
}

/// Writes over both servers beside the same on one PostgreSQL, without fsync.
///
/// # Errors
/// A statement failed.
pub async fn writes(stage: &Stage, rounds: usize) -> Result<String> {
    let (mut plain, mut ours) = (stage.oracle.session("app").await?, stage.daemon.session("app").await?);
    let mut text = "\n| write over both servers | one PostgreSQL, ms | pgherd, ms | times |\n| --- | ---: | ---: | ---: |\n".to_owned();
    let mut turns: Vec<Turns> = WRITES.iter().map(|_| Turns::default()).collect();
    for _ in 0..rounds {
        for ((name, sql), turns) in WRITES.iter().zip(&mut turns) {
            eprintln!("{name} ...");
            for (session, laps) in [(&mut plain, &mut turns.direct), (&mut ours, &mut turns.pgherd)] {
                let clock = stage.clock()?;
                say(session, sql).await?;
                laps.push(clock.stop()?);
            }
        }
    }
    for ((name, _), turns) in WRITES.iter().zip(&turns) {
        let [theirs, ours] = [&turns.direct, &turns.pgherd].map(|laps| median(laps, |lap| lap.seconds * 1e3));
        let _ = writeln!(text, "| {name} | {theirs:.0} | {ours:.0} | {:.2} |", turns.ratio());
    }
    Ok(text)
}
