//! What sessions on several servers have in common: locks, notifications, ids, and what the tables are.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use tests::{Daemon, Fleet, until};
use tokio_postgres::Client;

/// Two servers, two daemons over them, and a tenant of each server.
async fn stage() -> (Fleet, [Daemon; 2], [i64; 2]) {
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let one = fleet.daemon().name("one").start().await.unwrap();
    let tables = "CREATE TABLE t (tenant_id bigint PRIMARY KEY, n int);
        INSERT INTO t SELECT tenant, 0 FROM generate_series(1, 40) tenant";
    one.connect().await.unwrap().batch_execute(tables).await.unwrap();
    let other = fleet.daemon().name("other").start().await.unwrap();
    let mut tenants = [0; 2];
    for (server, tenant) in tenants.iter_mut().enumerate() {
        let client = fleet.server(server).connect("app").await.unwrap();
        *tenant = client.query_one("SELECT min(tenant_id) FROM t", &[]).await.unwrap().get(0);
    }
    (fleet, [one, other], tenants)
}

async fn try_lock(client: &Client, call: &str) -> bool {
    client.query_one(&format!("SELECT {call}"), &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn advisory_locks_exclude_each_other_over_all_clients_of_all_proxies() {
    let (fleet, [one, other], [here, there]) = stage().await;
    let (first, second) = (one.connect().await.unwrap(), other.connect().await.unwrap());
    first.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
    // It outlives transactions, also those that write elsewhere.
    first
        .batch_execute(&format!("BEGIN; UPDATE t SET n = 1 WHERE tenant_id = {there}; COMMIT"))
        .await
        .unwrap();
    assert!(!try_lock(&second, "pg_try_advisory_lock(1)").await);
    assert!(!try_lock(&second, "pg_try_advisory_xact_lock(1)").await);
    assert!(try_lock(&second, "pg_try_advisory_lock(2)").await);
    first.batch_execute("SELECT pg_advisory_unlock(1)").await.unwrap();
    assert!(try_lock(&second, "pg_try_advisory_lock(1)").await);
    // The end of the session ends them.
    drop(second);
    until("the locks are gone", Duration::from_secs(10), async || {
        try_lock(&first, "pg_try_advisory_lock(2)").await
    })
    .await;
    first.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    // One that is held by a transaction is given up when all that it wrote can be seen.
    for write in [
        format!("UPDATE t SET n = n + 1 WHERE tenant_id = {there};"),
        format!("UPDATE t SET n = n + 1 WHERE tenant_id IN ({here}, {there});"),
    ] {
        let daemons = [&one, &other];
        let mut workers = Vec::new();
        for worker in 0..4 {
            let url = daemons[worker % 2].url("app", tests::APP_USER);
            let write = write.clone();
            workers.push(tokio::spawn(async move {
                let client = tests::connect(&url).await.unwrap();
                for _ in 0..15 {
                    client.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(7)").await.unwrap();
                    let read = format!("SELECT n FROM t WHERE tenant_id = {there}");
                    let before: i32 = client.query_one(&read, &[]).await.unwrap().get(0);
                    let plain = tests::connect(&url).await.unwrap();
                    let seen: i32 = plain.query_one(&read, &[]).await.unwrap().get(0);
                    assert_eq!(before, seen, "nobody else writes while this holds the lock");
                    client.batch_execute(&write).await.unwrap();
                    client.batch_execute("COMMIT").await.unwrap();
                    let after: i32 = plain.query_one(&read, &[]).await.unwrap().get(0);
                    assert!(after > before, "{before} {after}");
                }
            }));
        }
        for worker in workers {
            worker.await.unwrap();
        }
    }
    let beta = fleet.server(1).connect("app").await.unwrap();
    let n: i32 = beta.query_one("SELECT n FROM t WHERE tenant_id = $1", &[&there]).await.unwrap().get(0);
    assert_eq!(n, 1 + 2 * 4 * 15);
}

#[tokio::test]
async fn a_notification_goes_out_with_its_transaction_and_to_every_listener() {
    let (fleet, [one, other], [_, there]) = stage().await;
    let mut listeners = Vec::new();
    for daemon in [&one, &other] {
        let mut session = daemon.session("app").await.unwrap();
        session.simple("LISTEN news").await.unwrap();
        listeners.push(session);
    }
    let client = one.connect().await.unwrap();
    client.batch_execute("NOTIFY news, 'alone'").await.unwrap();
    let everywhere = "UPDATE t SET n = n + 1";
    let elsewhere = format!("UPDATE t SET n = n + 1 WHERE tenant_id = {there}");
    for (text, write) in [("both", everywhere), ("elsewhere", elsewhere.as_str())] {
        client.batch_execute(&format!("BEGIN; NOTIFY news, '{text}'; {write}; COMMIT")).await.unwrap();
        client
            .batch_execute(&format!("BEGIN; {write}; SELECT pg_notify('news', 'no'); ROLLBACK"))
            .await
            .unwrap();
    }
    // What cannot be committed on the other server is told to nobody.
    let beta = fleet.server(1).connect("app").await.unwrap();
    let check = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN RAISE EXCEPTION 'not at the end' USING ERRCODE = 'P0001'; END $$; \
        CREATE CONSTRAINT TRIGGER at_the_end AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED \
        FOR EACH ROW WHEN (NEW.n < 0) EXECUTE FUNCTION refuse()";
    beta.batch_execute(check).await.unwrap();
    let doomed =
        format!("BEGIN; NOTIFY news, 'doomed'; UPDATE t SET n = -1 WHERE tenant_id = {there}; COMMIT");
    assert!(client.batch_execute(&doomed).await.is_err());
    client.batch_execute("NOTIFY news, 'end'").await.unwrap();
    for mut session in listeners {
        until("the last has come", Duration::from_secs(10), async || {
            session.ask("SELECT 1").await.unwrap();
            session.notifications.iter().any(|(_, text)| text == "end")
        })
        .await;
        let heard: Vec<&str> = session.notifications.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(heard, ["alone", "both", "elsewhere", "end"]);
    }
}

#[tokio::test]
async fn unique_ids_rise_with_time_and_come_once_over_all_servers() {
    let (fleet, [one, other], [here, there]) = stage().await;
    let client = one.connect().await.unwrap();
    let tables = "CREATE TABLE ids (tenant_id bigint, id bigint DEFAULT pgherd.unique_id(), PRIMARY KEY (tenant_id, id));
        CREATE TABLE kinds (id bigint PRIMARY KEY DEFAULT pgherd.unique_id(), name text)";
    client.batch_execute(tables).await.unwrap();
    let mut seen = BTreeSet::new();
    for daemon in [&one, &other] {
        let client = daemon.connect().await.unwrap();
        for tenant in [here, there, here] {
            let insert = "INSERT INTO ids (tenant_id) SELECT $1 FROM generate_series(1, 200) RETURNING id";
            let rows = client.query(insert, &[&tenant]).await.unwrap();
            let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
            assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "they rise");
            seen.extend(ids);
        }
        // Each server for its own rows, and what the statement spells out itself.
        let rows = client.query("INSERT INTO ids (tenant_id) VALUES (1), (2), (3), (4) RETURNING id", &[]);
        seen.extend(rows.await.unwrap().iter().map(|row| row.get::<_, i64>(0)));
        let insert = "INSERT INTO ids VALUES (1, pgherd.unique_id()), (2, pgherd.unique_id()), (3, DEFAULT) RETURNING id";
        seen.extend(client.query(insert, &[]).await.unwrap().iter().map(|row| row.get::<_, i64>(0)));
        seen.insert(client.query_one("SELECT pgherd.unique_id()", &[]).await.unwrap().get(0));
        client.batch_execute("INSERT INTO kinds (name) VALUES ('a'), ('b')").await.unwrap();
    }
    assert_eq!(seen.len(), 2 * (600 + 4 + 3 + 1));
    let early = i64::from(1_u32) << 40;
    assert!(seen.iter().all(|id| *id > early));
    let rows: i64 = client.query_one("SELECT count(*) FROM ids", &[]).await.unwrap().get(0);
    assert_eq!(rows, 2 * (600 + 4 + 3));
    // Copies of a reference table have the same.
    let copies = "SELECT string_agg(k::text, ';' ORDER BY id) FROM kinds k";
    let mut each = Vec::new();
    for server in fleet.servers() {
        let row = server.connect("app").await.unwrap().query_one(copies, &[]).await.unwrap();
        each.push(row.get::<_, String>(0));
    }
    assert_eq!(each[0], each[1]);
    // A server that is another's copy gets a number of its own.
    let beta = fleet.server(1).connect("app").await.unwrap();
    let alpha = fleet.server(0).connect("app").await.unwrap();
    let source = "SELECT prosrc FROM pg_proc WHERE oid = 'pgherd.unique_id'::regproc";
    let (ours, theirs): (String, String) = (
        alpha.query_one(source, &[]).await.unwrap().get(0),
        beta.query_one(source, &[]).await.unwrap().get(0),
    );
    assert_ne!(ours, theirs);
    let copy = format!(
        "CREATE OR REPLACE FUNCTION pgherd.unique_id() RETURNS bigint LANGUAGE sql VOLATILE AS $f${ours}$f$"
    );
    beta.batch_execute(&copy).await.unwrap();
    one.restart().await.unwrap();
    assert_eq!(beta.query_one(source, &[]).await.unwrap().get::<_, String>(0), theirs);
}

#[tokio::test]
async fn a_table_made_behind_the_proxys_back_is_known_when_it_is_named() {
    let (fleet, [one, _], _) = stage().await;
    let (client, mut session) = (one.connect().await.unwrap(), one.session("app").await.unwrap());
    for (round, simple) in [(1, true), (2, false)] {
        let table = format!("behind_{round}");
        for server in fleet.servers() {
            let client = server.connect("app").await.unwrap();
            let create = format!(
                "CREATE TABLE {table} (tenant_id bigint PRIMARY KEY); GRANT ALL ON {table} TO {}",
                tests::APP_USER
            );
            client.batch_execute(&create).await.unwrap();
        }
        for tenant in 1..=20 {
            let insert = format!("INSERT INTO {table} VALUES ({tenant})");
            let answer = match simple {
                true => session.ask(&insert).await.unwrap(),
                false => session.extended(&insert, &[]).await.unwrap(),
            };
            assert_eq!(answer.tag, "INSERT 0 1", "{answer}");
        }
        for server in fleet.servers() {
            let client = server.connect("app").await.unwrap();
            let count = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
            assert!((1..20).contains(&count.get::<_, i64>(0)), "each row is on its tenant's server");
        }
        let count = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
        assert_eq!(count.get::<_, i64>(0), 20);
    }
}

#[tokio::test]
async fn a_table_whose_making_the_recovery_has_finished_can_be_used() {
    let (fleet, [one, other], _) = stage().await;
    one.kill_9().unwrap();
    let faults = one.configuration().with_file_name("faults");
    std::fs::write(&faults, "die two_phase.finish.0").unwrap();
    one.set_environment("PGHERD_FAULTS", faults.to_str().unwrap());
    one.start().await.unwrap();
    let client = one.connect().await.unwrap();
    assert!(client.batch_execute("CREATE TABLE late (tenant_id bigint PRIMARY KEY)").await.is_err());
    until("it died", Duration::from_secs(20), async || !one.is_running()).await;
    let beta = fleet.server(1).connect("app").await.unwrap();
    until("the other proxy has finished it", Duration::from_secs(30), async || {
        beta.query_one("SELECT to_regclass('late') IS NOT NULL", &[]).await.unwrap().get(0)
    })
    .await;
    let client = other.connect().await.unwrap();
    until("it can be used, long before the next time that all is read", Duration::from_secs(5), async || {
        client
            .batch_execute("INSERT INTO late SELECT g FROM generate_series(1, 20) g ON CONFLICT DO NOTHING")
            .await
            .is_ok()
    })
    .await;
    let count: i64 = client.query_one("SELECT count(*) FROM late", &[]).await.unwrap().get(0);
    assert_eq!(count, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_over_all_servers_waits_for_a_schema_change_as_on_one() {
    let (fleet, [one, _], _) = stage().await;
    let client = one.connect().await.unwrap();
    let big = "CREATE TABLE big (tenant_id bigint, n int, pad text, PRIMARY KEY (tenant_id, n));
        INSERT INTO big SELECT t, n, repeat('x', 2000) FROM generate_series(1, 40) t, generate_series(1, 500) n";
    client.batch_execute(big).await.unwrap();
    let (alpha, beta) =
        (fleet.server(0).connect("app").await.unwrap(), fleet.server(1).connect("app").await.unwrap());
    let first = fleet.server(0).connect("app").await.unwrap();
    first.batch_execute("BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let waiting = async |count: i64| {
        let waits = "SELECT count(*) FROM pg_locks WHERE relation = 'big'::regclass AND NOT granted";
        until("they wait on alpha", Duration::from_secs(20), async || {
            alpha.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == count
        })
        .await;
    };
    let change = tokio::spawn(async move { client.batch_execute("ALTER TABLE big ADD COLUMN z int").await });
    waiting(1).await;
    let reader = one.connect().await.unwrap();
    // In the simple protocol: to prepare it would wait on alpha, before anything is asked of beta.
    let query = "SELECT tenant_id, pad FROM big ORDER BY tenant_id";
    let read = tokio::spawn(async move { reader.simple_query(query).await });
    waiting(2).await;
    let holds = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
         WHERE l.relation = 'big'::regclass AND l.granted AND a.wait_event = 'ClientWrite'";
    until("it holds its lock on beta, with rows that nobody takes", Duration::from_secs(20), async || {
        beta.query_one(holds, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    // Now the change waits on beta for the read, which waits on alpha for the change.
    first.batch_execute("COMMIT").await.unwrap();
    change.await.unwrap().unwrap();
    assert!(read.await.unwrap().unwrap().len() >= 20000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_over_all_servers_that_crosses_another_waits_as_on_one() {
    let (fleet, [one, _], [here, there]) = stage().await;
    let beta = fleet.server(1).connect("app").await.unwrap();
    let waits = async |on: &Client, what: &str| {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'pgherd/%'";
        until(what, Duration::from_secs(20), async || {
            on.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
    };
    let all = "UPDATE t SET n = n + 10";
    let chosen = "UPDATE t SET n = n + 10 + 0 * (SELECT count(*)::int FROM t x)";
    let ordered = "SELECT n FROM t ORDER BY tenant_id FOR UPDATE";
    let ways: [(&str, &[&str], &str); 6] = [
        ("a simple query", &[], all),
        ("a portal", &["portal"], all),
        ("what returns rows", &[], "UPDATE t SET n = n + 10 RETURNING n"),
        (
            "the first statement of a transaction",
            &["BEGIN", "SET LOCAL work_mem = '8MB'", "SAVEPOINT a"],
            all,
        ),
        ("a write in three steps", &[], chosen),
        ("rows that are locked in order", &["BEGIN"], ordered),
    ];
    let mut n = 0;
    for (name, before, write) in ways {
        let client = one.connect().await.unwrap();
        client
            .batch_execute(&format!("BEGIN; UPDATE t SET n = n + 1 WHERE tenant_id = {there}"))
            .await
            .unwrap();
        let mut session = one.session("app").await.unwrap();
        let writes = tokio::spawn(async move {
            for sql in before.iter().filter(|sql| **sql != "portal") {
                session.ask(sql).await.unwrap();
            }
            let answer = match before.contains(&"portal") {
                true => session.extended(write, &[]).await.unwrap(),
                false => session.ask(write).await.unwrap(),
            };
            if before.contains(&"SAVEPOINT a") {
                assert_eq!(session.ask("SHOW work_mem").await.unwrap().value(), "8MB");
                assert_eq!(session.ask("ROLLBACK TO a").await.unwrap().tag, "ROLLBACK");
                assert_eq!(session.ask(write).await.unwrap().tag, "UPDATE 40");
            }
            if !before.is_empty() && before != ["portal"] {
                assert_eq!(session.ask("COMMIT").await.unwrap().tag, "COMMIT");
            }
            answer
        });
        waits(&beta, "the write over all servers waits on beta, and holds rows of alpha").await;
        let crossing = format!("UPDATE t SET n = n + 1 WHERE tenant_id = {here}");
        client.batch_execute(&crossing).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        client.batch_execute("COMMIT").await.unwrap();
        let answer = writes.await.unwrap();
        assert!(answer.fault.is_none(), "{name}: {answer}");
        assert!(answer.tag.ends_with(" 40"), "{name}: {answer}");
        n += if write == ordered { 1 } else { 11 };
        let read = format!("SELECT n FROM t WHERE tenant_id IN ({here}, {there})");
        let rows = client.query(&read, &[]).await.unwrap();
        assert!(
            rows.len() == 2 && rows.iter().all(|row| row.get::<_, i32>(0) == n),
            "{name}: each wrote once"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_of_which_each_has_seen_something_ends_with_an_error_for_one() {
    let (_fleet, [one, _], [here, there]) = stage().await;
    let (first, second) = (one.connect().await.unwrap(), one.connect().await.unwrap());
    let update = |tenant: i64| format!("UPDATE t SET n = n + 1 WHERE tenant_id = {tenant}");
    for (client, tenant) in [(&first, here), (&second, there)] {
        client.batch_execute(&format!("BEGIN; {}", update(tenant))).await.unwrap();
    }
    let (to_there, to_here) = (update(there), update(here));
    // The loser has not heard of its error, let alone ended its transaction, when the winner goes on.
    let outcomes = tokio::join!(first.batch_execute(&to_there), second.batch_execute(&to_here));
    let (lost, winner) = match outcomes {
        (Err(error), Ok(())) => (error, &second),
        (Ok(()), Err(error)) => (error, &first),
        outcomes => panic!("{outcomes:?}"),
    };
    assert_eq!(lost.code().unwrap().code(), "40P01");
    winner.batch_execute("COMMIT").await.unwrap();
    let rows = winner.query("SELECT n FROM t WHERE n > 0", &[]).await.unwrap();
    assert!(rows.len() == 2 && rows.iter().all(|row| row.get::<_, i32>(0) == 1));
}

#[tokio::test]
async fn a_transaction_that_has_failed_holds_no_lock_on_any_server() {
    let (_fleet, [one, _], [here, there]) = stage().await;
    let (mut failed, other) = (one.session("app").await.unwrap(), one.connect().await.unwrap());
    let update = |tenant: i64| format!("UPDATE t SET n = n + 1 WHERE tenant_id = {tenant}");
    other.batch_execute("SET lock_timeout = '5s'").await.unwrap();
    let errors = [
        "SELECT 1 / 0",
        "SELECT * FROM t TABLESAMPLE SYSTEM (50)",
        &format!("SELECT 1 / (n - n) FROM t WHERE tenant_id = {here}"),
    ];
    for wrong in errors {
        for sql in ["BEGIN", &update(there)] {
            assert!(failed.ask(sql).await.unwrap().fault.is_none());
        }
        assert!(failed.ask(wrong).await.unwrap().fault.is_some());
        other.batch_execute(&update(there)).await.unwrap_or_else(|error| panic!("{wrong}: {error}"));
        assert_eq!(failed.ask("SELECT 1").await.unwrap().sqlstate(), "25P02");
        assert_eq!(failed.ask("COMMIT").await.unwrap().tag, "ROLLBACK");
    }
    // A savepoint keeps what was done before it.
    for wrong in errors {
        for sql in [
            "BEGIN",
            "UPDATE t SET n = 50 WHERE tenant_id = 30",
            "SAVEPOINT a",
            &update(there),
            &update(here),
        ] {
            assert!(failed.ask(sql).await.unwrap().fault.is_none());
        }
        assert!(failed.ask(wrong).await.unwrap().fault.is_some());
        other.batch_execute(&update(there)).await.unwrap_or_else(|error| panic!("{wrong}: {error}"));
        let back = failed.ask("ROLLBACK TO a").await.unwrap();
        assert_eq!(back.tag, "ROLLBACK", "{wrong}: {back}");
        assert_eq!(failed.ask("COMMIT").await.unwrap().tag, "COMMIT");
    }
    let read = "SELECT n FROM t WHERE tenant_id = 30";
    let kept: i32 = other.query_one(read, &[]).await.unwrap().get(0);
    assert!(kept >= 50);
}
