//! What several servers do together looks like what one does: a reader sees a transaction whole or not at all.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use tests::{Daemon, Fleet, Load};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// What all accounts hold, always.
const TOTAL: i64 = 2000;

/// Two servers and 20 accounts of 100 each; the daemon tarries between the servers of a commit.
async fn stage(environment: Option<&str>) -> (Fleet, Daemon) {
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let daemon = fleet.daemon().prepare().unwrap();
    if let Some(name) = environment {
        daemon.set_environment("PGHERD_SLOW_AT", name);
    }
    daemon.start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    client
        .batch_execute("CREATE TABLE accounts (tenant_id bigint PRIMARY KEY, n bigint NOT NULL)")
        .await
        .unwrap();
    let rows: Vec<String> = (1..=20).map(|tenant| format!("({tenant}, 100)")).collect();
    client.batch_execute(&format!("INSERT INTO accounts VALUES {}", rows.join(", "))).await.unwrap();
    (fleet, daemon)
}

/// Clients that carry an amount from one tenant to another, which may be on another server.
fn transfers(daemon: &Daemon, workers: u64) -> Load {
    let url = daemon.url("app", tests::APP_USER);
    Load::start(workers, move |worker| {
        let url = url.clone();
        move |round| {
            let url = url.clone();
            async move {
                let (from, to) = (1 + (worker * 7 + round * 3) % 19, 20);
                let client = tests::connect(&url).await?;
                client
                    .batch_execute(&format!(
                        "BEGIN; UPDATE accounts SET n = n - 1 WHERE tenant_id = {from};
                         UPDATE accounts SET n = n + 1 WHERE tenant_id = {to}; COMMIT"
                    ))
                    .await?;
                Ok(())
            }
        }
    })
}

async fn sum(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// In the ways that a read over several servers is done, and in the transactions that it is done in.
async fn reads_for(daemon: &Daemon, time: Duration) -> u32 {
    let client = daemon.connect().await.unwrap();
    let merged = "SELECT sum(n)::bigint FROM accounts";
    let gathered = "SELECT (sum(n) OVER ())::bigint FROM accounts LIMIT 1";
    let mut reads = 0;
    let end = Instant::now() + time;
    while Instant::now() < end {
        for query in [merged, gathered] {
            assert_eq!(sum(&client, query).await, TOTAL, "{query}");
            for begin in ["BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ"] {
                client.batch_execute(begin).await.unwrap();
                assert_eq!(sum(&client, query).await, TOTAL, "{begin}; {query}");
                assert_eq!(sum(&client, query).await, TOTAL, "{begin}; {query} again");
                client.batch_execute("COMMIT").await.unwrap();
            }
            reads += 5;
        }
    }
    reads
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_never_sees_half_of_a_commit_that_takes_long() {
    let (_fleet, daemon) = stage(Some("two_phase.finish")).await;
    let load = transfers(&daemon, 2);
    let reads = reads_for(&daemon, Duration::from_secs(8)).await;
    let tally = load.stop().await;
    assert!(tally.errors.is_empty() && tally.acts > 3 && reads > 9, "{reads} reads, {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_never_sees_half_of_one_of_many_commits() {
    let (_fleet, daemon) = stage(None).await;
    let load = transfers(&daemon, 3);
    let reads = reads_for(&daemon, Duration::from_secs(5)).await;
    let tally = load.stop().await;
    assert!(tally.errors.is_empty() && tally.acts > 20 && reads > 20, "{reads} reads, {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_schema_changes_do_not_wait_for_each_other_for_ever() {
    let (_fleet, daemon) = stage(None).await;
    let url = daemon.url("app", tests::APP_USER);
    let load = Load::start(2, move |_| {
        let url = url.clone();
        move |_| {
            let url = url.clone();
            async move {
                let client = tests::connect(&url).await?;
                let read = client.query("SELECT sum(n)::bigint FROM accounts", &[]).await.map(|_| ());
                Ok(unless_deadlocked(read)?)
            }
        }
    });
    let client = daemon.connect().await.unwrap();
    for number in 0..5 {
        let change = format!("ALTER TABLE accounts ADD COLUMN c{number} int");
        unless_deadlocked(client.batch_execute(&change).await).unwrap();
    }
    let tally = load.stop().await;
    assert!(tally.errors.is_empty() && tally.longest < Duration::from_secs(15), "{tally:?}");
}

/// Readers and schema changes lock the servers' tables in different orders: one of them may have to give way.
fn unless_deadlocked(outcome: Result<(), tokio_postgres::Error>) -> Result<(), tokio_postgres::Error> {
    outcome.or_else(|error| match error.code() {
        Some(&SqlState::T_R_DEADLOCK_DETECTED) => Ok(()),
        _ => Err(error),
    })
}

/// A tenant of each server.
async fn one_of_each(fleet: &Fleet) -> Vec<i64> {
    let mut tenants = Vec::new();
    for server in fleet.servers() {
        let client = server.connect("app").await.unwrap();
        tenants.push(sum(&client, "SELECT min(tenant_id) FROM accounts").await);
    }
    tenants
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_wait_for_each_other_on_two_servers_one_is_told_so() {
    let (fleet, daemon) = stage(None).await;
    let tenants = one_of_each(&fleet).await;
    let update = |tenant: i64| format!("UPDATE accounts SET n = n + 1 WHERE tenant_id = {tenant}");
    for extended in [false, true] {
        let (one, other) = (daemon.connect().await.unwrap(), daemon.connect().await.unwrap());
        one.batch_execute(&format!("BEGIN; {}", update(tenants[0]))).await.unwrap();
        other.batch_execute(&format!("BEGIN; {}", update(tenants[1]))).await.unwrap();
        let run = async |client: &Client, tenant: i64| match extended {
            true => client.execute(&update(tenant), &[]).await.map(|_| ()),
            false => client.batch_execute(&update(tenant)).await,
        };
        let begun = Instant::now();
        let crossed = async {
            tokio::join!(
                async {
                    let outcome = run(&one, tenants[1]).await;
                    one.batch_execute("COMMIT").await.unwrap();
                    outcome
                },
                async {
                    let outcome = run(&other, tenants[0]).await;
                    other.batch_execute("COMMIT").await.unwrap();
                    outcome
                }
            )
        };
        let (first, second) = tokio::time::timeout(Duration::from_secs(20), crossed).await.expect("it ends");
        let took = begun.elapsed();
        assert!(first.is_ok() != second.is_ok(), "one goes on, one does not: {first:?} {second:?}");
        let error = first.err().or(second.err()).unwrap();
        assert_eq!(error.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED), "{error}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    let client = daemon.connect().await.unwrap();
    assert_eq!(
        sum(&client, "SELECT sum(n)::bigint FROM accounts").await,
        TOTAL + 4,
        "the other's writes stand"
    );
}
