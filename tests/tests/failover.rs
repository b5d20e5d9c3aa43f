//! Nodes die, and what is allowed then: an error to the statement in flight, a bounded wait, nothing else.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tests::{Bank, Daemon, Fleet, Weather, until};

async fn stage(relays: bool) -> (Fleet, Daemon, Bank) {
    let builder = Fleet::builder().servers(2).replicas(1);
    let fleet = if relays { builder.relays() } else { builder }.start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let bank = Bank::open(&daemon.connect().await.unwrap(), 20).await.unwrap();
    (fleet, daemon, bank)
}

#[tokio::test]
async fn a_promoted_replica_is_found_and_used() {
    let (fleet, daemon, bank) = stage(false).await;
    let client = daemon.connect().await.unwrap();
    fleet.server(0).caught_up().await.unwrap();
    fleet.server(0).node(0).kill_9().unwrap();
    fleet.server(0).node(1).promote().await.unwrap();
    for tenant in 1..=20 {
        let mut attempt = 0;
        until(&format!("tenant {tenant} can write"), Duration::from_secs(30), async || {
            attempt += 1;
            let written = bank.transfer(&client, tenant, attempt).await.is_ok();
            if !written {
                let _ = client.batch_execute("ROLLBACK").await;
            }
            written
        })
        .await;
    }
    bank.audit(&client).await.unwrap();
}

#[tokio::test]
async fn a_dead_server_hurts_only_the_tenants_on_it() {
    let (fleet, daemon, _bank) = stage(false).await;
    let beta = fleet.server(1).connect("app").await.unwrap();
    let rows = beta.query("SELECT DISTINCT tenant_id FROM accounts", &[]).await.unwrap();
    let on_beta: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    for node in fleet.server(0).nodes() {
        node.kill_9().unwrap();
    }
    let client = daemon.connect().await.unwrap();
    for tenant in on_beta {
        let update = "UPDATE accounts SET balance = balance WHERE tenant_id = $1";
        client.execute(update, &[&tenant]).await.unwrap();
    }
}

#[tokio::test]
async fn a_silent_node_is_waited_for_within_bounds() {
    let (fleet, daemon, _bank) = stage(true).await;
    let client = daemon.connect().await.unwrap();
    fleet.server(0).relay(0).set(Weather::Silent);
    fleet.server(1).relay(0).set(Weather::Silent);
    let update = client.batch_execute("UPDATE accounts SET balance = balance WHERE tenant_id = 1");
    let outcome = tokio::time::timeout(Duration::from_secs(60), update).await;
    assert!(outcome.is_ok_and(|answer| answer.is_err()), "an error within bounds, no hang");
    fleet.server(0).relay(0).set(Weather::Fair);
    fleet.server(1).relay(0).set(Weather::Fair);
    until("the tenant can write again", Duration::from_secs(30), async || {
        let Ok(client) = daemon.connect().await else { return false };
        client.batch_execute("UPDATE accounts SET balance = balance WHERE tenant_id = 1").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_cut_line_costs_the_statement_in_flight_and_no_more() {
    let (fleet, daemon, bank) = stage(true).await;
    let client = daemon.connect().await.unwrap();
    for weather in [Weather::Cut, Weather::HalfClosed] {
        fleet.server(0).relay(0).set(weather);
        fleet.server(1).relay(0).set(weather);
        let _ = client.batch_execute("UPDATE accounts SET balance = balance WHERE tenant_id = 1").await;
        fleet.server(0).relay(0).set(Weather::Fair);
        fleet.server(1).relay(0).set(Weather::Fair);
        until("the same session writes again", Duration::from_secs(30), async || {
            client.batch_execute("UPDATE accounts SET balance = balance WHERE tenant_id = 1").await.is_ok()
        })
        .await;
    }
    bank.audit(&client).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_the_transaction_in_flight_end() {
    let (_fleet, daemon, bank) = stage(false).await;
    let client = daemon.connect().await.unwrap();
    client.batch_execute("BEGIN; UPDATE accounts SET balance = balance WHERE tenant_id = 1").await.unwrap();
    let (committed, status) = tokio::join!(async { client.batch_execute("COMMIT").await }, async {
        tokio::task::block_in_place(|| daemon.terminate())
    });
    committed.unwrap();
    assert!(status.unwrap().success());
    daemon.start().await.unwrap();
    bank.audit(&daemon.connect().await.unwrap()).await.unwrap();
}
