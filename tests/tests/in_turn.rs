//! What cannot run in a transaction runs on one server after the other, and goes on where it was left.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tests::{Daemon, Fleet, until};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

async fn stage() -> (Fleet, Daemon, Client) {
    let fleet = Fleet::builder().servers(3).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    let tables = "CREATE TABLE t (tenant_id bigint, n int, m int, PRIMARY KEY (tenant_id, n));
        INSERT INTO t SELECT tenant, 1, 1 FROM generate_series(1, 60) tenant";
    client.batch_execute(tables).await.unwrap();
    (fleet, daemon, client)
}

/// What a question gives on each server.
async fn on_each(fleet: &Fleet, question: &str) -> Vec<String> {
    let mut values = Vec::new();
    for server in fleet.servers() {
        let row = server.connect("app").await.unwrap().query_one(question, &[]).await.unwrap();
        values.push(row.get::<_, Option<String>>(0).unwrap_or_default());
    }
    values
}

/// `t`, `f` or nothing: is the index valid there?
async fn valid(fleet: &Fleet, index: &str) -> Vec<String> {
    let question =
        format!("SELECT max(indisvalid::text) FROM pg_index WHERE indexrelid = to_regclass('{index}')");
    on_each(fleet, &question).await
}

async fn unfinished(fleet: &Fleet) -> i64 {
    let home = fleet.server(0).connect("app").await.unwrap();
    home.query_one("SELECT count(*) FROM pgherd.in_turn", &[]).await.unwrap().get(0)
}

/// A tenant whose rows are on the server.
async fn tenant_of(fleet: &Fleet, server: usize) -> i64 {
    let client = fleet.server(server).connect("app").await.unwrap();
    client.query_one("SELECT min(tenant_id) FROM t", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn indexes_come_and_go_concurrently_on_all_servers() {
    let (fleet, daemon, client) = stage().await;
    client.batch_execute("CREATE INDEX CONCURRENTLY t_m ON t (m)").await.unwrap();
    assert_eq!(valid(&fleet, "t_m").await, ["true"; 3]);
    // In the extended protocol, too.
    client.execute("REINDEX INDEX CONCURRENTLY t_m", &[]).await.unwrap();
    client.execute("REINDEX TABLE CONCURRENTLY t", &[]).await.unwrap();
    client
        .execute("CREATE UNIQUE INDEX CONCURRENTLY \"T n\" ON public.t (tenant_id, m, n)", &[])
        .await
        .unwrap();
    assert_eq!(valid(&fleet, "\"T n\"").await, ["true"; 3]);
    client.execute("DROP INDEX CONCURRENTLY t_m", &[]).await.unwrap();
    client.batch_execute("DROP INDEX CONCURRENTLY IF EXISTS public.\"T n\"").await.unwrap();
    assert_eq!(valid(&fleet, "t_m").await, [""; 3]);
    assert_eq!(valid(&fleet, "\"T n\"").await, [""; 3]);
    let error = client.batch_execute("DROP INDEX CONCURRENTLY t_m").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_OBJECT));
    assert_eq!(unfinished(&fleet).await, 0);
    // What servers do for themselves needs no record.
    for text in [
        "VACUUM",
        "VACUUM (ANALYZE) t",
        "VACUUM FULL t",
        "CLUSTER t USING t_pkey",
        "REINDEX TABLE t",
        "REINDEX SCHEMA public",
        "REINDEX DATABASE app",
    ] {
        client.execute(text, &[]).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }
    // As PostgreSQL refuses them.
    for text in ["CREATE INDEX CONCURRENTLY t_m ON t (m)", "VACUUM t", "REINDEX INDEX CONCURRENTLY t_pkey"] {
        let error = client.batch_execute(&format!("BEGIN; {text}")).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::ACTIVE_SQL_TRANSACTION), "{text}");
        let error = error.as_db_error().unwrap().message().to_owned();
        assert!(error.ends_with("cannot run inside a transaction block"), "{error}");
        client.batch_execute("ROLLBACK").await.unwrap();
    }
    let error = client.batch_execute("CREATE INDEX CONCURRENTLY ON t (m)").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED));
    assert!(daemon.asked(&["schema"]).await.is_ok());
}

#[tokio::test]
async fn an_index_that_fails_on_a_later_server_says_so_and_goes_on_when_it_is_run_again() {
    let (fleet, daemon, client) = stage().await;
    let last = tenant_of(&fleet, 2).await;
    client.batch_execute(&format!("INSERT INTO t VALUES ({last}, 2, 1)")).await.unwrap();
    let create = "CREATE UNIQUE INDEX CONCURRENTLY t_one ON t (tenant_id, m)";
    let error = client.batch_execute(create).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code(), &SqlState::UNIQUE_VIOLATION);
    let detail = error.detail().unwrap();
    assert!(
        detail.contains("It is done on these servers: alpha, beta. It is not on these: gamma."),
        "{detail}"
    );
    assert!(error.hint().unwrap().contains("herdctl schema --resume"), "{error:?}");
    assert_eq!(valid(&fleet, "t_one").await, ["true", "true", "false"]);
    let listed = daemon.asked(&["schema"]).await.unwrap();
    assert!(listed.contains("unfinished") && listed.contains("gamma") && listed.contains(create), "{listed}");
    // The table goes on meanwhile, and nothing counts on the key.
    daemon.restart().await.unwrap();
    let client = daemon.connect().await.unwrap();
    let rows: i64 = client.query_one("SELECT count(*) FROM t WHERE m = 1", &[]).await.unwrap().get(0);
    assert_eq!(rows, 61);
    client.batch_execute("UPDATE t SET m = m WHERE n = 1").await.unwrap();
    // Again in vain, then not.
    assert!(client.batch_execute(create).await.is_err());
    client.batch_execute(&format!("DELETE FROM t WHERE tenant_id = {last} AND n = 2")).await.unwrap();
    client.batch_execute(create).await.unwrap();
    assert_eq!(valid(&fleet, "t_one").await, ["true"; 3]);
    assert_eq!(unfinished(&fleet).await, 0);
    let error = client.batch_execute(create).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::DUPLICATE_TABLE), "it is there, and no record says otherwise");
    assert_eq!(valid(&fleet, "t_one").await, ["true"; 3]);
    assert_eq!(unfinished(&fleet).await, 0);
}

#[tokio::test]
async fn an_operator_goes_on_with_it_or_it_is_taken_away() {
    let (fleet, daemon, client) = stage().await;
    let middle = tenant_of(&fleet, 1).await;
    client.batch_execute(&format!("INSERT INTO t VALUES ({middle}, 2, 1)")).await.unwrap();
    let create = "CREATE UNIQUE INDEX CONCURRENTLY t_one ON t (tenant_id, m)";
    assert!(client.batch_execute(create).await.is_err());
    assert_eq!(valid(&fleet, "t_one").await, ["true", "false", ""]);
    client.batch_execute("DROP INDEX CONCURRENTLY t_one").await.unwrap();
    assert_eq!(valid(&fleet, "t_one").await, [""; 3]);
    assert_eq!(unfinished(&fleet).await, 0);
    assert!(client.batch_execute(create).await.is_err());
    client.batch_execute(&format!("DELETE FROM t WHERE tenant_id = {middle} AND n = 2")).await.unwrap();
    let home = fleet.server(0).connect("app").await.unwrap();
    let id: i64 = home.query_one("SELECT id FROM pgherd.in_turn", &[]).await.unwrap().get(0);
    daemon.asked(&["schema", "--resume", &id.to_string()]).await.unwrap();
    assert_eq!(valid(&fleet, "t_one").await, ["true"; 3]);
    assert_eq!(unfinished(&fleet).await, 0);
    let owner = "SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE relname = 't_one'";
    assert_eq!(on_each(&fleet, owner).await, [tests::APP_USER; 3]);
    assert!(daemon.asked(&["schema", "--resume", &id.to_string()]).await.is_err(), "it is done");
}

#[tokio::test]
async fn what_fails_on_the_first_server_leaves_nothing() {
    let (fleet, _daemon, client) = stage().await;
    let first = tenant_of(&fleet, 0).await;
    client.batch_execute(&format!("INSERT INTO t VALUES ({first}, 2, 1)")).await.unwrap();
    let create = "CREATE UNIQUE INDEX CONCURRENTLY t_one ON t (tenant_id, m)";
    let error = client.batch_execute(create).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code(), error.hint()), (&SqlState::UNIQUE_VIOLATION, None));
    assert_eq!(valid(&fleet, "t_one").await, [""; 3]);
    assert_eq!(unfinished(&fleet).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_whose_proxy_died_goes_on_and_nobody_resumes_what_runs() {
    let (fleet, daemon, client) = stage().await;
    let create = "CREATE INDEX CONCURRENTLY t_m ON t (m)";
    // A transaction on beta that the index must wait for.
    let beta = fleet.server(1).connect("app").await.unwrap();
    beta.batch_execute("BEGIN; LOCK TABLE t IN ROW EXCLUSIVE MODE").await.unwrap();
    let creating = tokio::spawn(async move { client.batch_execute(create).await });
    until("it is on record, and waits on beta", Duration::from_secs(20), async || {
        valid(&fleet, "t_m").await == ["true", "false", ""]
    })
    .await;
    let client = daemon.connect().await.unwrap();
    let error = client.batch_execute(create).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::OBJECT_IN_USE), "{error:?}");
    assert!(daemon.asked(&["schema"]).await.unwrap().contains("running"));
    daemon.kill_9().unwrap();
    assert!(creating.await.unwrap().is_err());
    beta.batch_execute("COMMIT").await.unwrap();
    daemon.start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    // The server may still be at it: its client is gone, and it has not noticed.
    until("it goes on", Duration::from_secs(20), async || client.batch_execute(create).await.is_ok()).await;
    assert_eq!(valid(&fleet, "t_m").await, ["true"; 3]);
    assert_eq!(unfinished(&fleet).await, 0);
}

#[tokio::test]
async fn partitions_are_detached_concurrently_and_enums_grow() {
    let (fleet, _daemon, client) = stage().await;
    let tables = "CREATE TABLE p (tenant_id bigint NOT NULL, n int) PARTITION BY RANGE (n);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
        CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
        CREATE TYPE mood AS ENUM ('sad', 'glad')";
    client.batch_execute(tables).await.unwrap();
    client.batch_execute("ALTER TABLE p DETACH PARTITION p2 CONCURRENTLY").await.unwrap();
    let children = "SELECT count(*)::text FROM pg_inherits WHERE inhparent = 'p'::regclass";
    assert_eq!(on_each(&fleet, children).await, ["1"; 3]);
    client.batch_execute("REINDEX TABLE p").await.unwrap();
    client.batch_execute("ALTER TYPE mood ADD VALUE 'mad' BEFORE 'sad'").await.unwrap();
    client.batch_execute("BEGIN; ALTER TYPE mood ADD VALUE 'bad'; COMMIT").await.unwrap();
    let labels = "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum";
    assert_eq!(on_each(&fleet, labels).await, ["mad,sad,glad,bad"; 3]);
    for text in ["CREATE DATABASE other", "ALTER SYSTEM SET work_mem = '5MB'"] {
        let error = client.batch_execute(text).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED), "{text}");
    }
}
