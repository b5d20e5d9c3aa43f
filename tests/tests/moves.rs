//! Tenants and shards move between servers while writers go on, and nobody notices.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tests::{Bank, Daemon, Fleet, Load, connect, until};
use tokio_postgres::Client;

/// The steps of a move at which the daemon is killed.
const STEPS: [&str; 9] = ["prepare", "copy", "stream", "verify", "arm", "freeze", "drain", "swap", "clean"];
const TENANTS: i64 = 60;
/// Transfers so far: no number is used twice, also where a test loads a bank several times.
static TRANSFERS: AtomicI64 = AtomicI64::new(1);

async fn stage() -> (Fleet, Daemon, Arc<Bank>) {
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let bank = Bank::open(&daemon.connect().await.unwrap(), TENANTS).await.unwrap();
    (fleet, daemon, Arc::new(bank))
}

/// The tenants with accounts on a server.
async fn tenants_on(fleet: &Fleet, server: &str) -> Vec<i64> {
    let client = fleet.named(server).connect("app").await.unwrap();
    let rows = client.query("SELECT DISTINCT tenant_id FROM accounts ORDER BY 1", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Writers and one auditor; their connections break only where `breaks` says that the daemon will die.
async fn start_load(daemon: &Daemon, bank: &Arc<Bank>, breaks: bool) -> Load {
    let url = daemon.url("app", "app");
    let mut clients = Vec::new();
    for _ in 0..7 {
        clients.push(Arc::new(tokio::sync::Mutex::new(connect(&url).await.unwrap())));
    }
    Load::start(7, |worker| {
        let (client, bank, url) =
            (clients[usize::try_from(worker).unwrap()].clone(), bank.clone(), url.clone());
        move |round| {
            let (client, bank, url) = (client.clone(), bank.clone(), url.clone());
            async move {
                let mut client = client.lock().await;
                let tenant = bank.tenant(worker, round);
                let transfer = TRANSFERS.fetch_add(1, Ordering::Relaxed);
                let outcome = match worker {
                    0 => bank.balances(&client, tenant).await,
                    _ => bank.transfer(&client, tenant, transfer).await,
                };
                let lost_connection = client.is_closed();
                if outcome.is_err() && breaks && lost_connection {
                    *client = reconnect(&url).await?;
                    return Ok(());
                }
                outcome
            }
        }
    })
}

/// A new connection, as soon as the daemon is back.
async fn reconnect(url: &str) -> anyhow::Result<Client> {
    let started = Instant::now();
    loop {
        match connect(url).await {
            Ok(client) => return Ok(client),
            Err(error) if started.elapsed() > Duration::from_secs(60) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn moves(daemon: &Daemon) -> Vec<serde_json::Value> {
    let Ok(text) = daemon.asked(&["moves", "--json"]).await else { return Vec::new() };
    serde_json::from_str(&text).unwrap()
}

async fn wait_for_moves(daemon: &Daemon) -> Vec<serde_json::Value> {
    let mut last = Vec::new();
    until("every move is done", Duration::from_secs(180), async || {
        last = moves(daemon).await;
        !last.is_empty() && last.iter().all(|one| one["phase"] == "done" || one["phase"] == "aborted")
    })
    .await;
    assert!(last.iter().all(|one| one["phase"] == "done"), "{last:?}");
    last
}

async fn start_move(daemon: &Daemon, tenants: &[i64], to: &str) {
    let keys: Vec<String> = tenants.iter().map(ToString::to_string).collect();
    daemon.asked(&["move", "start", "--tenants", &keys.join(","), "--to", to, "--confirm"]).await.unwrap();
}

async fn nothing_is_left(fleet: &Fleet) {
    for server in fleet.servers() {
        let client = server.connect("app").await.unwrap();
        let question = "SELECT (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical') + (SELECT count(*) FROM pg_publication)
            + (SELECT count(*) FROM pg_prepared_xacts) + (SELECT count(*) FROM pg_replication_origin)";
        until(
            &format!("{} keeps no slot, publication, origin or branch", server.name()),
            Duration::from_secs(30),
            async || client.query_one(question, &[]).await.is_ok_and(|row| row.get::<_, i64>(0) == 0),
        )
        .await;
    }
}

async fn nobody_stands_twice(fleet: &Fleet) {
    let mut homes: BTreeMap<i64, &str> = BTreeMap::new();
    for server in ["alpha", "beta"] {
        for tenant in tenants_on(fleet, server).await {
            assert_eq!(homes.insert(tenant, server), None, "tenant {tenant} has rows on both servers");
        }
    }
    assert_eq!(homes.len(), usize::try_from(TENANTS).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_tenants_move_under_load_and_nobody_notices() {
    let (fleet, daemon, bank) = stage().await;
    let moving: Vec<i64> = tenants_on(&fleet, "alpha").await.into_iter().take(20).collect();
    let load = start_load(&daemon, &bank, false).await;
    start_move(&daemon, &moving, "beta").await;
    wait_for_moves(&daemon).await;
    let acts = load.acts();
    until("the load went on after the move", Duration::from_secs(10), async || load.acts() > acts + 200)
        .await;
    let tally = load.stop().await;
    assert_eq!(tally.errors, Vec::<String>::new());
    assert!(tally.longest < Duration::from_secs(1), "the longest stall was {:?}", tally.longest);
    bank.audit(&daemon.connect().await.unwrap()).await.unwrap();
    let on_beta = tenants_on(&fleet, "beta").await;
    assert!(moving.iter().all(|tenant| on_beta.contains(tenant)));
    nobody_stands_twice(&fleet).await;
    nothing_is_left(&fleet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_shards_move_under_load_and_nobody_notices() {
    let (fleet, daemon, bank) = stage().await;
    let load = start_load(&daemon, &bank, false).await;
    daemon.asked(&["move", "start", "--shards", "0-999", "--to", "beta", "--confirm"]).await.unwrap();
    wait_for_moves(&daemon).await;
    daemon.asked(&["move", "start", "--shards", "0-999", "--to", "alpha", "--confirm"]).await.unwrap();
    wait_for_moves(&daemon).await;
    let tally = load.stop().await;
    assert_eq!(tally.errors, Vec::<String>::new());
    assert!(tally.longest < Duration::from_secs(1), "the longest stall was {:?}", tally.longest);
    bank.audit(&daemon.connect().await.unwrap()).await.unwrap();
    nobody_stands_twice(&fleet).await;
    nothing_is_left(&fleet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_goes_on_after_the_daemon_is_killed_at_any_step() {
    let (fleet, daemon, bank) = stage().await;
    for (round, step) in STEPS.iter().enumerate() {
        let (from, to) = if round % 2 == 0 { ("alpha", "beta") } else { ("beta", "alpha") };
        let moving: Vec<i64> = tenants_on(&fleet, from).await.into_iter().take(5).collect();
        daemon.kill_9().unwrap();
        daemon.set_environment("PGHERD_FAIL_AT", step);
        daemon.start().await.unwrap();
        let load = start_load(&daemon, &bank, true).await;
        start_move(&daemon, &moving, to).await;
        until(&format!("the daemon died at {step}"), Duration::from_secs(90), async || !daemon.is_running())
            .await;
        daemon.clear_environment();
        daemon.start().await.unwrap();
        wait_for_moves(&daemon).await;
        let tally = load.stop().await;
        assert_eq!(tally.errors, Vec::<String>::new(), "killed at {step}");
        bank.audit(&daemon.connect().await.unwrap()).await.unwrap();
        nobody_stands_twice(&fleet).await;
        nothing_is_left(&fleet).await;
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_names_what_would_refuse() {
    let (fleet, daemon, _bank) = stage().await;
    let client = daemon.connect().await.unwrap();
    let before = tenants_on(&fleet, "alpha").await;
    let key = before[0].to_string();
    daemon.asked(&["move", "start", "--tenants", &key, "--to", "beta", "--dry-run"]).await.unwrap();
    client.batch_execute("CREATE TABLE loose (tenant_id bigint NOT NULL, n int)").await.unwrap();
    let output =
        daemon.herdctl(&["move", "start", "--tenants", &key, "--to", "beta", "--dry-run"]).await.unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("loose") && said.contains("REPLICA IDENTITY"), "{said}");
    assert_eq!(tenants_on(&fleet, "alpha").await, before);
    assert!(moves(&daemon).await.is_empty());
}

#[tokio::test]
async fn where_tells_the_server_that_has_the_rows() {
    let (fleet, daemon, _bank) = stage().await;
    for tenant in tenants_on(&fleet, "beta").await.into_iter().take(5) {
        let said = daemon.asked(&["where", &tenant.to_string()]).await.unwrap();
        assert!(said.contains("beta"), "tenant {tenant}: {said}");
    }
}
