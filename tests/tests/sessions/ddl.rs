//! Schema changes, as the session that makes them and the others see them.

use tests::Message;

use crate::stage::{daemon, stage};

#[tokio::test]
async fn a_table_is_used_in_the_transaction_that_makes_it() {
    let mut session = daemon().await.session("app").await.unwrap();
    for extended in [false, true] {
        let all = [
            "BEGIN",
            "CREATE TABLE fresh (tenant_id bigint PRIMARY KEY, x int)",
            "INSERT INTO fresh VALUES (1, 1)",
            "INSERT INTO fresh VALUES (2, 2)",
            "INSERT INTO fresh VALUES (3, 3)",
            "UPDATE fresh SET x = 5 WHERE tenant_id = 2",
        ];
        for sql in all {
            let answer = match extended {
                true => session.extended(sql, &[]).await.unwrap(),
                false => session.ask(sql).await.unwrap(),
            };
            assert!(answer.fault.is_none(), "{sql}: {answer}");
        }
        assert_eq!(session.ask("SELECT sum(x) FROM fresh").await.unwrap().value(), "9");
        session.ask("ROLLBACK").await.unwrap();
        assert_eq!(session.ask("SELECT sum(x) FROM fresh").await.unwrap().sqlstate(), "42P01");
    }
}

#[tokio::test]
async fn every_session_knows_of_ddl_once_it_is_done_in_a_burst_too() {
    let daemon = daemon().await;
    let (mut maker, mut user) = (daemon.session("app").await.unwrap(), daemon.session("app").await.unwrap());
    for (extended, way) in [(false, "simple"), (true, "extended")] {
        for count in 0..4 {
            let made = format!("CREATE TABLE burst_{way}_{count} (tenant_id bigint PRIMARY KEY)");
            assert_eq!(maker.ask(&made).await.unwrap().tag, "CREATE TABLE");
        }
        for tenant in 1..=3 {
            let sql = format!("INSERT INTO burst_{way}_3 VALUES ({tenant})");
            let answer = match extended {
                true => user.extended(&sql, &[]).await.unwrap(),
                false => user.ask(&sql).await.unwrap(),
            };
            assert_eq!(answer.tag, "INSERT 0 1", "{answer}");
        }
        let counted = user.ask(&format!("SELECT count(*) FROM burst_{way}_3")).await.unwrap();
        assert_eq!(counted.value(), "3", "one row a tenant, each on one server");
        maker.ask(&format!("DROP TABLE burst_{way}_3")).await.unwrap();
        let gone = user.ask(&format!("SELECT count(*) FROM burst_{way}_3")).await.unwrap();
        assert_eq!(gone.sqlstate(), "42P01");
    }
}

#[tokio::test]
async fn ddl_waits_for_no_lock_but_its_own() {
    let daemon = daemon().await;
    let (mut locker, mut maker) =
        (daemon.session("app").await.unwrap(), daemon.session("app").await.unwrap());
    maker.ask("CREATE VIEW seen AS SELECT tenant_id FROM notes").await.unwrap();
    locker.ask("BEGIN").await.unwrap();
    assert_eq!(locker.ask("ALTER VIEW seen ALTER tenant_id SET DEFAULT 1").await.unwrap().tag, "ALTER VIEW");
    for name in ["unlocked_1", "unlocked_2"] {
        let made = format!("CREATE TABLE {name} (tenant_id bigint PRIMARY KEY)");
        assert_eq!(maker.ask(&made).await.unwrap().tag, "CREATE TABLE");
        for tenant in 1..=6 {
            maker.ask(&format!("INSERT INTO {name} VALUES ({tenant})")).await.unwrap();
        }
    }
    locker.ask("COMMIT").await.unwrap();
    maker.ask("CREATE TABLE unlocked_3 (tenant_id bigint PRIMARY KEY)").await.unwrap();
    for tenant in 1..=6 {
        let found = maker.ask(&format!("SELECT count(*) FROM unlocked_2 WHERE tenant_id = {tenant}")).await;
        assert_eq!(found.unwrap().value(), "1", "the row of tenant {tenant} is on its server");
    }
}

#[tokio::test]
async fn ddl_that_a_savepoint_undid_is_not_known_any_more() {
    let (fleet, daemon) = stage().await;
    let mut session = daemon.session("app").await.unwrap();
    let all = [
        "BEGIN",
        "CREATE TABLE undone (tenant_id_or_not bigint PRIMARY KEY)",
        "SAVEPOINT s",
        "ALTER TABLE undone RENAME tenant_id_or_not TO tenant_id",
        "SELECT * FROM undone WHERE tenant_id = 1",
        "ROLLBACK TO s",
        "INSERT INTO undone VALUES (1)",
        "COMMIT",
    ];
    for sql in all {
        let answer = session.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
    }
    for server in fleet.servers() {
        let client = server.connect("app").await.unwrap();
        let copies: i64 = client.query_one("SELECT count(*) FROM undone", &[]).await.unwrap().get(0);
        assert_eq!(copies, 1, "a table without the tenant column has its rows on every server");
    }
}

#[tokio::test]
async fn a_statement_whose_portal_was_described_gives_no_other_columns_after_ddl() {
    const EXECUTE: &[u8] = b"E\0\0\0\x09\0\0\0\0\0";
    let mut session = daemon().await.session("app").await.unwrap();
    session.ask("CREATE TABLE told (tenant_id bigint PRIMARY KEY, note text)").await.unwrap();
    session.ask("INSERT INTO told SELECT n, 'x' FROM generate_series(1, 9) n").await.unwrap();
    let statements = [
        ("one", "SELECT * FROM told WHERE tenant_id = 1"),
        ("merged", "SELECT * FROM told ORDER BY tenant_id"),
        ("gathered", "SELECT told.*, rank() OVER (ORDER BY tenant_id) FROM told"),
    ];
    for (name, sql) in statements {
        session.queue_parse(name, sql).unwrap().queue_bind(name, &[]).unwrap().queue_execute(0).unwrap();
        session.sync().await.unwrap();
        let messages = session.until_ready().await.unwrap();
        assert!(matches!(messages.last(), Some(Message::Ready(_))), "{name}: {messages:?}");
    }
    for (change, is_word) in [("ADD more int", false), ("DROP more", true)] {
        let change = session.ask(&format!("ALTER TABLE told {change}")).await.unwrap();
        assert!(change.fault.is_none(), "{change}");
        for (name, _) in statements {
            session.queue_bind(name, &[]).unwrap().queue(EXECUTE);
            session.sync().await.unwrap();
            let messages = session.until_ready().await.unwrap();
            match &messages[0] {
                Message::Bound if is_word => {}
                Message::Error(fault) if !is_word => {
                    let said = (fault.sqlstate.as_str(), fault.message.as_str());
                    assert_eq!(said, ("0A000", "cached plan must not change result type"), "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
