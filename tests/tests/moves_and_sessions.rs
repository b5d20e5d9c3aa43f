//! What sessions do while rows move under them: settings, prepared statements, long transactions,
//! snapshots, COPY, replicas. None of them notices.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::SinkExt;
use tests::{Bank, Daemon, Fleet, Load, TENANT_TOTAL, until};
use tokio_postgres::{Client, Statement};

const TENANTS: i64 = 40;
/// Numbers for transfers; none is used twice.
static NUMBERS: AtomicI64 = AtomicI64::new(1);

fn number() -> i64 {
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

async fn stage(replicas: usize) -> (Fleet, Daemon, Arc<Bank>) {
    let fleet = Fleet::builder().servers(2).replicas(replicas).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let bank = Bank::open(&daemon.connect().await.unwrap(), TENANTS).await.unwrap();
    (fleet, daemon, Arc::new(bank))
}

async fn phases(daemon: &Daemon) -> Vec<String> {
    let Ok(text) = daemon.asked(&["moves", "--json"]).await else { return Vec::new() };
    let moves: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    moves.iter().map(|one| one["phase"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Moves the half of the shards that is alpha's at first, and waits for the end.
async fn move_shards(daemon: &Daemon, to: &str) {
    daemon.asked(&["move", "start", "--shards", "0-2047", "--to", to, "--confirm", "--wait"]).await.unwrap();
    assert!(phases(daemon).await.iter().all(|phase| phase == "done"));
}

/// A tenant session counts its own rows without naming itself.
async fn of_one_tenant(client: &Client, tenant: i64) -> Result<()> {
    client.batch_execute(&format!("SET app.tenant = '{tenant}'")).await?;
    let row = client.query_one("SELECT sum(balance)::bigint, count(*) FROM accounts", &[]).await?;
    let (sum, count): (Option<i64>, i64) = (row.get(0), row.get(1));
    ensure!(sum == Some(TENANT_TOTAL) && count == 10, "tenant {tenant} sees {count} accounts with {sum:?}");
    client.execute("UPDATE accounts SET balance = balance WHERE account_id = 1", &[]).await?;
    Ok(())
}

/// A transaction that stays open for a while, with a savepoint that it goes back to.
async fn with_savepoints(client: &Client, update: &Statement, tenant: i64) -> Result<()> {
    client.batch_execute("BEGIN").await?;
    ensure!(client.execute(update, &[&1_i64, &tenant, &3_i64]).await? == 1, "an account is gone");
    client.batch_execute("SAVEPOINT s").await?;
    client.execute(update, &[&100_i64, &tenant, &4_i64]).await?;
    tokio::time::sleep(Duration::from_millis(10)).await;
    client.batch_execute("ROLLBACK TO SAVEPOINT s").await?;
    tokio::time::sleep(Duration::from_millis(10)).await;
    client.batch_execute("RELEASE SAVEPOINT s").await?;
    ensure!(client.execute(update, &[&-1_i64, &tenant, &4_i64]).await? == 1, "an account is gone");
    client.execute("INSERT INTO ledger VALUES ($1, $2)", &[&tenant, &number()]).await?;
    client.batch_execute("COMMIT").await?;
    Ok(())
}

/// A transaction that takes everything it needs after the first statement from a savepoint on.
async fn first_in_a_savepoint(client: &Client, tenant: i64) -> Result<()> {
    let sum = "SELECT sum(balance)::bigint FROM accounts WHERE tenant_id = $1";
    client.batch_execute("BEGIN; SAVEPOINT s").await?;
    let before: Option<i64> = client.query_one(sum, &[&tenant]).await?.get(0);
    client.batch_execute("ROLLBACK TO SAVEPOINT s").await?;
    tokio::time::sleep(Duration::from_millis(15)).await;
    let after: Option<i64> = client.query_one(sum, &[&tenant]).await?.get(0);
    client.execute("INSERT INTO ledger VALUES ($1, $2)", &[&tenant, &number()]).await?;
    client.batch_execute("COMMIT").await?;
    ensure!(
        before == Some(TENANT_TOTAL) && after == before,
        "tenant {tenant} has {before:?}, then {after:?}"
    );
    Ok(())
}

/// Rows of all tenants in one COPY; each is there afterwards, once.
async fn copies(client: &Client) -> Result<()> {
    let first = NUMBERS.fetch_add(TENANTS, Ordering::Relaxed);
    let rows: Vec<String> = (0..TENANTS).map(|index| format!("{}\t{}\n", index + 1, first + index)).collect();
    let sink = client.copy_in("COPY ledger (tenant_id, transfer_id) FROM STDIN").await?;
    futures_util::pin_mut!(sink);
    for row in rows {
        sink.send(bytes::Bytes::from(row)).await?;
    }
    let copied = sink.finish().await?;
    ensure!(copied == TENANTS.unsigned_abs(), "COPY took {copied} rows");
    let count = "SELECT count(*) FROM ledger WHERE transfer_id >= $1 AND transfer_id < $2";
    let found: i64 = client.query_one(count, &[&first, &(first + TENANTS)]).await?.get(0);
    ensure!(found == TENANTS, "{found} of the copied rows are there");
    Ok(())
}

/// A snapshot sees the same before and after; it may be told to begin again.
async fn snapshot(client: &Client, tenant: i64, begin: &str) -> Result<()> {
    let outcome = within_snapshot(client, tenant, begin).await;
    let Err(error) = outcome else { return Ok(()) };
    let code = error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.code());
    client.batch_execute("ROLLBACK").await?;
    match code.map(|code| code.code()) {
        Some("40001") => Ok(()),
        _ => Err(error),
    }
}

async fn within_snapshot(client: &Client, tenant: i64, begin: &str) -> Result<()> {
    client.batch_execute(begin).await?;
    for _ in 0..3 {
        let of_tenant = "SELECT sum(balance)::bigint FROM accounts WHERE tenant_id = $1";
        let sum: Option<i64> = client.query_one(of_tenant, &[&tenant]).await?.get(0);
        ensure!(sum == Some(TENANT_TOTAL), "tenant {tenant} has {sum:?}");
        tokio::time::sleep(Duration::from_millis(60)).await;
        let count: i64 = client.query_one("SELECT count(*) FROM accounts", &[]).await?.get(0);
        ensure!(count == TENANTS * 10, "{count} accounts in one snapshot");
    }
    client.batch_execute("COMMIT").await?;
    Ok(())
}

/// One session of each kind.
async fn start_load(daemon: &Daemon, bank: &Arc<Bank>) -> Load {
    let mut sessions = Vec::new();
    for _ in 0..9 {
        let client = daemon.connect().await.unwrap();
        let update = "UPDATE accounts SET balance = balance + $1 WHERE tenant_id = $2 AND account_id = $3";
        let update = client.prepare(update).await.unwrap();
        sessions.push(Arc::new((client, update)));
    }
    Load::start(9, |worker| {
        let (session, bank) = (sessions[usize::try_from(worker).unwrap()].clone(), bank.clone());
        move |round| {
            let (session, bank) = (session.clone(), bank.clone());
            async move {
                let (client, update) = (&session.0, &session.1);
                let tenant = bank.tenant(worker, round);
                match worker {
                    0 => of_one_tenant(client, tenant).await,
                    1 | 2 => with_savepoints(client, update, tenant).await,
                    3 => first_in_a_savepoint(client, tenant).await,
                    4 => copies(client).await,
                    5 => snapshot(client, tenant, "BEGIN ISOLATION LEVEL REPEATABLE READ").await,
                    6 => snapshot(client, tenant, "BEGIN READ ONLY").await,
                    7 => bank.transfer(client, tenant, number()).await,
                    _ => bank.balances(client, tenant).await,
                }
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_every_kind_do_not_notice_a_move() {
    let (_fleet, daemon, bank) = stage(0).await;
    let load = start_load(&daemon, &bank).await;
    for to in ["beta", "alpha", "beta"] {
        move_shards(&daemon, to).await;
    }
    let tally = load.stop().await;
    assert_eq!(tally.errors, Vec::<String>::new());
    bank.audit(&daemon.connect().await.unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_on_replicas_are_exact_at_every_moment_of_a_move() {
    let (_fleet, daemon, bank) = stage(1).await;
    let load = start_load(&daemon, &bank).await;
    for to in ["beta", "alpha"] {
        move_shards(&daemon, to).await;
    }
    let tally = load.stop().await;
    assert_eq!(tally.errors, Vec::<String>::new());
    bank.audit(&daemon.connect().await.unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_move_is_not_noticed_either() {
    let (_fleet, daemon, bank) = stage(1).await;
    let load = start_load(&daemon, &bank).await;
    for id in ["1", "2", "3"] {
        daemon.asked(&["move", "start", "--shards", "0-2047", "--to", "beta", "--confirm"]).await.unwrap();
        until("the rows are copied", Duration::from_secs(60), async || {
            !matches!(phases(&daemon).await.last().map(String::as_str), Some("planned" | "prepared") | None)
        })
        .await;
        // It may be over already.
        let _ = daemon.herdctl(&["move", "abort", id]).await.unwrap();
        until("the move is over", Duration::from_secs(60), async || {
            phases(&daemon).await.iter().all(|phase| phase == "aborted" || phase == "done")
        })
        .await;
        if phases(&daemon).await.last().is_some_and(|phase| phase == "done") {
            break;
        }
    }
    let tally = load.stop().await;
    assert_eq!(tally.errors, Vec::<String>::new());
    bank.audit(&daemon.connect().await.unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_a_move_survives_the_daemons_restart() {
    let (_fleet, daemon, bank) = stage(0).await;
    daemon.kill_9().unwrap();
    daemon.set_environment("PGHERD_FAIL_AT", "verify");
    daemon.start().await.unwrap();
    let arguments = ["move", "start", "--shards", "0-999", "--to", "beta", "--confirm", "--wait"];
    let (said, ()) = tokio::join!(daemon.asked(&arguments), async {
        until("the daemon died", Duration::from_secs(60), async || !daemon.is_running()).await;
        daemon.clear_environment();
        daemon.start().await.unwrap();
    });
    let said = said.unwrap();
    assert!(said.contains("done") && said.contains("paused"), "{said}");
    bank.audit(&daemon.connect().await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn the_schema_does_not_change_during_a_move() {
    let (_fleet, daemon, _bank) = stage(0).await;
    let (slow, client) = (daemon.connect().await.unwrap(), daemon.connect().await.unwrap());
    let start = ["move", "start", "--shards", "0-999", "--to", "beta", "--confirm"];
    slow.batch_execute("BEGIN; ALTER TABLE ledger ADD COLUMN note text DEFAULT 'n'").await.unwrap();
    let refused = daemon.asked(&start).await.unwrap_err().to_string();
    assert!(refused.contains("lock timeout"), "{refused}");
    slow.batch_execute("ROLLBACK; BEGIN; CREATE TABLE late (tenant_id bigint PRIMARY KEY)").await.unwrap();
    daemon.asked(&start).await.unwrap();
    let refused = client.batch_execute("CREATE TABLE another (tenant_id bigint)").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "55006");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(phases(&daemon).await, ["planned"], "the move waits for the change that began before it");
    slow.batch_execute("COMMIT").await.unwrap();
    until("the move is done", Duration::from_secs(60), async || phases(&daemon).await == ["done"]).await;
    client.batch_execute("CREATE TABLE another (tenant_id bigint)").await.unwrap();
}
