//! Clients that go from one worker thread to another.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use futures_util::future::join_all;
use tests::{Daemon, Fleet, until};
use tokio_postgres::{Client, Statement};

/// So many clients must have gone before what they saw is believed.
const ENOUGH: u64 = 4;

/// Works as a client with settings, prepared statements and transactions of its own, of which one keeps its
/// connection, does.
async fn work(number: i32, client: &Client, prepared: &Statement) {
    let row = client.query_one(prepared, &[&100]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), number + 100);
    let seen = client
        .simple_query("BEGIN; SET LOCAL app.number = -1; SELECT current_setting('app.number'); ROLLBACK")
        .await
        .unwrap();
    assert!(format!("{seen:?}").contains("-1"), "{seen:?}");
    if number == 0 {
        client.execute("INSERT INTO pg_temp.mine VALUES ($1)", &[&number]).await.unwrap();
    }
}

async fn changes(daemon: &Daemon) -> u64 {
    let (_, metrics) = daemon.page("/metrics").await.unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("pgherd_thread_changes_total "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_client_that_goes_to_another_thread_notices_nothing() {
    let fleet = Fleet::builder().servers(1).start().await.unwrap();
    let daemon = fleet.daemon().key("proxy", "worker_threads = 3").key("proxy", "worker_load = 1");
    let daemon = daemon.start().await.unwrap();
    let mut clients = Vec::new();
    for number in 0..8 {
        let client = daemon.connect().await.unwrap();
        client.batch_execute(&format!("SET app.number = {number}")).await.unwrap();
        let prepared = client.prepare("SELECT current_setting('app.number')::int + $1").await.unwrap();
        clients.push((number, client, prepared));
    }
    clients[0].1.batch_execute("CREATE TEMPORARY TABLE mine (number int)").await.unwrap();
    let mut rounds = 0;
    until("clients have gone to other threads", Duration::from_secs(60), async || {
        for _ in 0..20 {
            join_all(clients.iter().map(|(number, client, prepared)| work(*number, client, prepared))).await;
            rounds += 1;
        }
        changes(&daemon).await >= ENOUGH
    })
    .await;
    let counted = clients[0].1.query_one("SELECT count(*) FROM mine", &[]).await.unwrap();
    assert_eq!(counted.get::<_, i64>(0), rounds);
}
