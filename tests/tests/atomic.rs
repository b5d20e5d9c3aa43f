//! What touches several servers happens on all of them or on none, whatever dies in between.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tests::{Daemon, Fleet, until};
use tokio_postgres::error::SqlState;

async fn stage() -> (Fleet, Daemon) {
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    client.batch_execute("CREATE TABLE t (tenant_id bigint PRIMARY KEY, n int)").await.unwrap();
    client.batch_execute("CREATE TABLE plans (name text PRIMARY KEY, token uuid)").await.unwrap();
    (fleet, daemon)
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

async fn nothing_is_left_prepared(fleet: &Fleet) {
    until("no prepared transaction is left", Duration::from_secs(60), async || {
        on_each(fleet, "SELECT count(*)::text FROM pg_prepared_xacts").await.iter().all(|count| count == "0")
    })
    .await;
}

#[tokio::test]
async fn ddl_happens_on_every_server() {
    let (fleet, daemon) = stage().await;
    let client = daemon.connect().await.unwrap();
    client.batch_execute("ALTER TABLE t ADD COLUMN more text DEFAULT 'x'").await.unwrap();
    client.batch_execute("CREATE INDEX t_more ON t (more)").await.unwrap();
    let shape = "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0";
    assert_eq!(on_each(&fleet, shape).await, ["tenant_id,n,more", "tenant_id,n,more"]);
    let columns = client.query_one("SELECT * FROM t UNION ALL SELECT 1, 1, 'y' LIMIT 1", &[]).await;
    assert!(columns.is_ok() || columns.unwrap_err().code().is_some_and(|code| code.code() == "0A000"));
}

#[tokio::test]
async fn ddl_that_fails_on_one_server_happens_on_none() {
    let (fleet, daemon) = stage().await;
    fleet.server(1).connect("app").await.unwrap().batch_execute("CREATE TABLE clash (n int)").await.unwrap();
    let client = daemon.connect().await.unwrap();
    assert!(client.batch_execute("CREATE TABLE clash (tenant_id bigint PRIMARY KEY, n int)").await.is_err());
    let exists = "SELECT count(*)::text FROM pg_attribute WHERE attrelid = to_regclass('clash') AND attname = 'tenant_id'";
    assert_eq!(on_each(&fleet, exists).await, ["0", "0"]);
    nothing_is_left_prepared(&fleet).await;
}

/// Whoever connects as the admin role from now on cannot read what the catalog holds.
const UNREADABLE: &str = "CREATE ROLE nobody; \
    REVOKE EXECUTE ON FUNCTION pg_get_viewdef(oid) FROM PUBLIC; \
    ALTER ROLE postgres IN DATABASE app SET role = nobody; \
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
      WHERE application_name = 'pgherd/control' AND datname = 'app'";

#[tokio::test]
async fn no_row_goes_astray_while_a_server_cannot_be_read_after_ddl() {
    let (fleet, daemon) = stage().await;
    let home = fleet.server(0).connect("app").await.unwrap();
    home.batch_execute(UNREADABLE).await.unwrap();
    let client = daemon.connect().await.unwrap();
    client.batch_execute("CREATE TABLE fresh (tenant_id bigint PRIMARY KEY, n int)").await.unwrap();
    let insert = |tenant: i64| format!("INSERT INTO fresh VALUES ({tenant}, 1)");
    let other = daemon.connect().await.unwrap();
    let (one, two) = (insert(1), insert(2));
    let (extended, simple) = tokio::join!(client.execute(&one, &[]), other.batch_execute(&two));
    for error in [extended.unwrap_err(), simple.unwrap_err()] {
        assert_eq!(error.code().map(SqlState::code), Some("55006"), "{error:?}");
    }
    // What is known goes on.
    client.batch_execute("INSERT INTO t VALUES (1, 1)").await.unwrap();
    home.batch_execute("ALTER ROLE postgres IN DATABASE app RESET role").await.unwrap();
    for tenant in 1..=20 {
        client.execute(&insert(tenant), &[]).await.unwrap();
    }
    let counts = on_each(&fleet, "SELECT count(*)::text FROM fresh").await;
    assert!(counts.iter().all(|count| count != "0"), "{counts:?}");
    assert_eq!(client.query_one("SELECT count(*) FROM fresh", &[]).await.unwrap().get::<_, i64>(0), 20);
}

#[tokio::test]
async fn all_copies_of_a_reference_table_are_equal() {
    let (fleet, daemon) = stage().await;
    let client = daemon.connect().await.unwrap();
    client.batch_execute("INSERT INTO plans VALUES ('free'), ('team')").await.unwrap();
    // Values that each server would draw for itself may be refused; they must not differ.
    let _ = client.batch_execute("UPDATE plans SET token = gen_random_uuid()").await;
    let _ = client.batch_execute("INSERT INTO plans VALUES ('at ' || clock_timestamp())").await;
    let copies = on_each(&fleet, "SELECT string_agg(p::text, ';' ORDER BY name) FROM plans p").await;
    assert_eq!(copies[0], copies[1]);
}

/// Servers die at any moment of commits over both; what was answered stands whole, nothing is half.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_over_servers_is_whole_or_not_there_when_a_server_is_killed() {
    let (fleet, daemon) = stage().await;
    let client = daemon.connect().await.unwrap();
    let inserts: String = (1..=20).map(|tenant| format!("INSERT INTO t VALUES ({tenant}, 0);")).collect();
    client.batch_execute(&inserts).await.unwrap();
    let updates: String =
        (1..=20).map(|tenant| format!("UPDATE t SET n = n + 1 WHERE tenant_id = {tenant};")).collect();
    for victim in [0, 1, 0, 1] {
        let load = tests::Load::start(3, |_| {
            let (url, updates) = (daemon.url("app", tests::APP_USER), updates.clone());
            move |_| {
                let (url, updates) = (url.clone(), updates.clone());
                async move {
                    let client = tests::connect(&url).await?;
                    client.batch_execute(&updates).await?;
                    Ok(())
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(700)).await;
        fleet.server(victim).node(0).kill_9().unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        fleet.server(victim).node(0).start().await.unwrap();
        let tally = load.stop().await;
        nothing_is_left_prepared(&fleet).await;
        let each = "SELECT count(DISTINCT n)::text || ' ' || max(n) FROM t";
        let counts = on_each(&fleet, each).await;
        assert_eq!(counts[0], counts[1], "{tally:?}");
        assert!(counts[0].starts_with("1 "), "{counts:?}");
    }
}

#[tokio::test]
async fn decisions_are_forgotten_when_nobody_can_ask_for_them_any_more() {
    let (fleet, daemon) = stage().await;
    let alpha = fleet.server(0).connect("app").await.unwrap();
    daemon.kill_9().unwrap();
    let rows = "INSERT INTO pgherd.decision VALUES ('pgherd:alpha:p:old', 'commit', now() - interval '2 hours'),
        ('pgherd:alpha:p:abort', 'abort', now() - interval '2 hours'), ('pgherd:alpha:p:new', 'commit', now())";
    alpha.batch_execute(rows).await.unwrap();
    // A branch that nobody may finish here: it is another database's. Its decision is kept.
    let kept =
        "INSERT INTO pgherd.decision VALUES ('pgherd:alpha:p:wanted', 'commit', now() - interval '2 hours')";
    alpha.batch_execute(kept).await.unwrap();
    let elsewhere = fleet.server(1).connect("postgres").await.unwrap();
    elsewhere
        .batch_execute("BEGIN; CREATE TABLE wanted (n int); PREPARE TRANSACTION 'pgherd:alpha:p:wanted'")
        .await
        .unwrap();
    daemon.start().await.unwrap();
    let gids =
        "SELECT string_agg(gid, ' ' ORDER BY gid) FROM pgherd.decision WHERE gid LIKE 'pgherd:alpha:p:%'";
    let expected = "pgherd:alpha:p:abort pgherd:alpha:p:new pgherd:alpha:p:wanted";
    until("the old decision is gone", Duration::from_secs(30), async || {
        alpha.query_one(gids, &[]).await.unwrap().get::<_, String>(0) == expected
    })
    .await;
    elsewhere.batch_execute("ROLLBACK PREPARED 'pgherd:alpha:p:wanted'").await.unwrap();
}

#[tokio::test]
async fn a_copy_over_servers_is_whole_or_not_there() {
    let (fleet, daemon) = stage().await;
    let mut session = daemon.session("app").await.unwrap();
    let good: String = (1..=1000).map(|tenant| format!("{tenant}\t1\n")).collect();
    let answer =
        session.copy_in("COPY t FROM STDIN", (good.clone() + "1001\tnonsense\n").as_bytes()).await.unwrap();
    assert_eq!(answer.sqlstate(), "22P02", "{answer}");
    assert_eq!(on_each(&fleet, "SELECT count(*)::text FROM t").await, ["0", "0"]);
    let answer = session.copy_in("COPY t FROM STDIN", good.as_bytes()).await.unwrap();
    assert_eq!(answer.tag, "COPY 1000", "{answer}");
    let counts = on_each(&fleet, "SELECT count(*)::text FROM t").await;
    assert_eq!(counts.iter().map(|count| count.parse::<i32>().unwrap()).sum::<i32>(), 1000);
    nothing_is_left_prepared(&fleet).await;
}
