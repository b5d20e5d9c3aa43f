//! Reads on replicas, and one's own writes always seen.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tests::{Daemon, Fleet, Load, until};

async fn stage(section: &str) -> (Fleet, Daemon) {
    let fleet = Fleet::builder().servers(2).replicas(1).start().await.unwrap();
    let daemon = fleet.daemon().section(section).start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    client
        .batch_execute("CREATE TABLE t (tenant_id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0)")
        .await
        .unwrap();
    for tenant in 1..=100_i64 {
        client.execute("INSERT INTO t VALUES ($1)", &[&tenant]).await.unwrap();
    }
    for server in fleet.servers() {
        server.caught_up().await.unwrap();
    }
    (fleet, daemon)
}

/// Writes and reads back, over several connections: the write on one, the read on the next.
async fn stale_reads(daemon: &Daemon, workers: u64, pairs: u64) -> u64 {
    let mut clients = Vec::new();
    for _ in 0..workers * 2 {
        clients.push(Arc::new(daemon.connect().await.unwrap()));
    }
    let stale = Arc::new(AtomicU64::new(0));
    let load = Load::start(workers, |worker| {
        let number = usize::try_from(worker).unwrap() * 2;
        let (writer, reader) = (clients[number].clone(), clients[number + 1].clone());
        let stale = stale.clone();
        move |round| {
            let (writer, reader, stale) = (writer.clone(), reader.clone(), stale.clone());
            // Tenants are apart between workers, so that each knows what it must see.
            let tenant = i64::try_from(1 + worker * 10 + round % 10).unwrap();
            async move {
                let update = "UPDATE t SET n = n + 1 WHERE tenant_id = $1 RETURNING n";
                let written: i64 = writer.query_one(update, &[&tenant]).await?.get(0);
                let read: i64 =
                    reader.query_one("SELECT n FROM t WHERE tenant_id = $1", &[&tenant]).await?.get(0);
                if read != written {
                    stale.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
        }
    });
    until("all pairs are done", Duration::from_secs(300), async || load.acts() >= pairs).await;
    let tally = load.stop().await;
    assert_eq!(tally.errors, Vec::<String>::new());
    stale.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_write_sees_it_while_replicas_are_held_back() {
    let (fleet, daemon) = stage("").await;
    for server in fleet.servers() {
        server.node(1).pause_replay().await.unwrap();
    }
    assert_eq!(stale_reads(&daemon, 8, 5000).await, 0, "stale reads with replicas that do not replay");
    for server in fleet.servers() {
        server.node(1).resume_replay().await.unwrap();
    }
    assert_eq!(stale_reads(&daemon, 8, 5000).await, 0, "stale reads with replicas that catch up");
}

#[tokio::test]
async fn a_fan_out_after_a_write_sees_it() {
    let (fleet, daemon) = stage("").await;
    for server in fleet.servers() {
        server.node(1).pause_replay().await.unwrap();
    }
    let client = daemon.connect().await.unwrap();
    for tenant in 1..=50_i64 {
        client.execute("UPDATE t SET n = 1 WHERE tenant_id = $1", &[&tenant]).await.unwrap();
        let count: i64 = client.query_one("SELECT count(*) FROM t WHERE n = 1", &[]).await.unwrap().get(0);
        assert_eq!(count, tenant);
    }
}

#[tokio::test]
async fn reads_of_unpinned_tenants_run_on_replicas() {
    let (fleet, daemon) = stage("").await;
    let client = daemon.connect().await.unwrap();
    // Not by pg_is_in_recovery(): PostgreSQL calls it volatile, and what is volatile runs on the primary.
    let question = "SELECT inet_server_port() FROM t WHERE tenant_id = $1";
    let replicas: Vec<i32> = fleet
        .servers()
        .iter()
        .flat_map(|server| server.replicas())
        .map(|node| i32::from(node.port()))
        .collect();
    until("pins are behind the replicas", Duration::from_secs(15), async || {
        replicas.contains(&client.query_one(question, &[&1_i64]).await.unwrap().get(0))
    })
    .await;
    let mut on_replicas = 0;
    for round in 0..1000_i64 {
        let row = client.query_one(question, &[&(1 + round % 100)]).await.unwrap();
        on_replicas += i32::from(replicas.contains(&row.get(0)));
    }
    assert!(on_replicas >= 950, "{on_replicas} of 1000 reads ran on replicas");
}

#[tokio::test]
async fn what_may_write_goes_to_the_primary() {
    let (fleet, daemon) = stage("").await;
    let client = daemon.connect().await.unwrap();
    client.batch_execute("CREATE FUNCTION bump(bigint) RETURNS void LANGUAGE sql AS 'UPDATE public.t SET n = n + 1 WHERE tenant_id = $1'").await.unwrap();
    for sql in [
        "SELECT n FROM t WHERE tenant_id = 1 FOR UPDATE",
        "WITH w AS (UPDATE t SET n = 5 WHERE tenant_id = 1 RETURNING n) SELECT n FROM w",
    ] {
        client.query(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    client.batch_execute("BEGIN").await.unwrap();
    let row = client.query_one("SELECT inet_server_port() FROM t WHERE tenant_id = 2", &[]).await.unwrap();
    let primaries = fleet.servers().iter().map(|server| i32::from(server.node(0).port()));
    assert!(
        primaries.into_iter().any(|port| port == row.get::<_, i32>(0)),
        "a read-write transaction runs on the primary"
    );
    client.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_replica_that_is_away_hurts_no_read() {
    let (fleet, daemon) = stage("").await;
    let client = daemon.connect().await.unwrap();
    for server in fleet.servers() {
        server.node(1).kill_9().unwrap();
    }
    // The statement in flight may fail; after that the primary serves.
    until("reads go on", Duration::from_secs(10), async || {
        client.query_one("SELECT n FROM t WHERE tenant_id = 3", &[]).await.is_ok()
    })
    .await;
    for tenant in 1..=100_i64 {
        client.query_one("SELECT n FROM t WHERE tenant_id = $1", &[&tenant]).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_of_scope_session_sees_its_own_writes_and_none_promises_nothing() {
    for (scope, promised) in [("session", true), ("none", false)] {
        let (fleet, daemon) = stage(&format!("[replicas]\npin_scope = \"{scope}\"")).await;
        for server in fleet.servers() {
            server.node(1).pause_replay().await.unwrap();
        }
        let (writer, other) = (daemon.connect().await.unwrap(), daemon.connect().await.unwrap());
        let mut other_was_behind = false;
        for tenant in 1..=50_i64 {
            writer.execute("UPDATE t SET n = 1 WHERE tenant_id = $1", &[&tenant]).await.unwrap();
            let read = "SELECT n FROM t WHERE tenant_id = $1";
            let own: i64 = writer.query_one(read, &[&tenant]).await.unwrap().get(0);
            assert!(own == 1 || !promised, "scope {scope}: tenant {tenant} read {own}");
            other_was_behind |= other.query_one(read, &[&tenant]).await.unwrap().get::<_, i64>(0) == 0;
        }
        assert!(other_was_behind, "scope {scope}: others' reads run on the replicas");
    }
}
