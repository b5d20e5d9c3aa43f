//! How sessions, their transactions and their connections live and end.

use std::time::Duration;

use tests::{Fleet, Message, until};

use crate::stage::{count, daemon, running, stage};

#[tokio::test]
async fn a_transaction_tells_its_state_as_postgresql_does() {
    let mut session = daemon().await.session("app").await.unwrap();
    for (sql, state) in
        [("BEGIN", 'T'), ("SELECT 1", 'T'), ("SELECT 1 / 0", 'E'), ("SELECT 1", 'E'), ("ROLLBACK", 'I')]
    {
        let mut query = vec![b'Q'];
        query.extend_from_slice(&i32::try_from(sql.len() + 5).unwrap().to_be_bytes());
        query.extend_from_slice(sql.as_bytes());
        query.push(0);
        session.queue(&query).flush().await.unwrap();
        assert_eq!(session.until_ready().await.unwrap().last(), Some(&Message::Ready(state)), "after {sql}");
    }
}

#[tokio::test]
async fn a_cancel_request_ends_the_statement_and_not_the_session() {
    let mut session = daemon().await.session("app").await.unwrap();
    let (port, process, secret) = session.cancel_key();
    let running = tokio::spawn(async move {
        let answer = session.ask("SELECT pg_sleep(30) FROM notes WHERE tenant_id = 1").await.unwrap();
        (answer, session)
    });
    let token = (port, process, secret);
    until("the statement is cancelled", Duration::from_secs(10), async || {
        tests::cancel(token).await.unwrap();
        running.is_finished()
    })
    .await;
    // The request's connection closed after it was passed on: none comes late and hits the next statement.
    let (cancelled, mut session) = running.await.unwrap();
    let next = session.ask("SELECT 1").await.unwrap();
    assert_eq!((cancelled.sqlstate(), next.value()), ("57014", "1"));
}

#[tokio::test]
async fn what_one_session_left_open_is_rolled_back_when_it_goes() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    session.ask("BEGIN").await.unwrap();
    session.ask("UPDATE notes SET body = 'half' WHERE tenant_id = 4").await.unwrap();
    drop(session);
    let client = daemon.connect().await.unwrap();
    until("the row is free again and unchanged", Duration::from_secs(10), async || {
        client.batch_execute("SET lock_timeout = '100ms'").await.unwrap();
        let update = "UPDATE notes SET body = body WHERE tenant_id = 4 RETURNING body";
        client.query_one(update, &[]).await.is_ok_and(|row| row.get::<_, &str>(0) == "first")
    })
    .await;
}

#[tokio::test]
async fn many_clients_share_few_connections() {
    let daemon = daemon().await;
    let mut clients = Vec::new();
    for _ in 0..150 {
        clients.push(daemon.connect().await.unwrap());
    }
    for (number, client) in clients.iter().enumerate() {
        let tenant = 1 + i64::try_from(number).unwrap() % 12;
        let row = client
            .query_one("SELECT tenant_id FROM notes WHERE tenant_id = $1 AND note_id = 1", &[&tenant])
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), tenant);
    }
}

#[tokio::test]
async fn a_cancel_request_reaches_every_server_of_a_statement() {
    let mut session = daemon().await.session("app").await.unwrap();
    let token = session.cancel_key();
    let running = tokio::spawn(async move {
        session
            .ask("SELECT count(*) FROM notes, generate_series(1, 1000000000) n WHERE note_id = 1")
            .await
            .unwrap()
    });
    until("the statement is cancelled", Duration::from_secs(10), async || {
        tests::cancel(token).await.unwrap();
        running.is_finished()
    })
    .await;
    let answer = running.await.unwrap();
    assert_eq!(answer.sqlstate(), "57014", "{answer}");
}

#[tokio::test]
async fn several_statements_in_one_query_are_one_transaction() {
    let mut session = daemon().await.session("app").await.unwrap();
    let both = "INSERT INTO notes VALUES (101, 900, 'a'); INSERT INTO notes VALUES (102, 900, 'b')";
    session.simple(&format!("{both}; SELECT 1 / 0")).await.unwrap();
    assert_eq!(count(&mut session, 900).await, "0");
    session
        .simple(&format!("{both}; BEGIN; INSERT INTO notes VALUES (103, 900, 'c'); ROLLBACK"))
        .await
        .unwrap();
    assert_eq!(count(&mut session, 900).await, "0");
    session.simple(&format!("{both}; COMMIT; SELECT 1 / 0")).await.unwrap();
    assert_eq!(count(&mut session, 900).await, "2");
    session.simple("DELETE FROM notes WHERE tenant_id = 101 AND note_id = 900; SELECT 1 / 0").await.unwrap();
    assert_eq!(count(&mut session, 900).await, "2");
    session.simple("BEGIN; DELETE FROM notes WHERE tenant_id = 101 AND note_id = 900; DELETE FROM notes WHERE tenant_id = 102 AND note_id = 900; COMMIT; SELECT 1").await.unwrap();
    assert_eq!(count(&mut session, 900).await, "0");
}

#[tokio::test]
async fn what_lives_on_a_connection_stays_with_its_session() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    let mut other = daemon.session("app").await.unwrap();
    for sql in ["CREATE TEMP TABLE mine (x int)", "INSERT INTO mine VALUES (1)", "LISTEN news"] {
        let answer = session.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
    }
    assert_eq!(session.ask("SELECT count(*) FROM mine").await.unwrap().value(), "1");
    assert_eq!(other.ask("SELECT count(*) FROM mine").await.unwrap().sqlstate(), "42P01");
    other.ask("NOTIFY news, 'hello'").await.unwrap();
    session.ask("SELECT 1").await.unwrap();
    until("the notification has come", Duration::from_secs(5), async || {
        session.ask("SELECT 1").await.unwrap();
        session.notifications.contains(&("news".to_owned(), "hello".to_owned()))
    })
    .await;
    session.ask("DISCARD ALL").await.unwrap();
    assert_eq!(session.ask("SELECT count(*) FROM mine").await.unwrap().sqlstate(), "42P01");
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_statement_along() {
    let (fleet, daemon) = stage().await;
    let text = b"SELECT count(*) AS vanished FROM notes, generate_series(1, 1000000000) n\0";
    let one = b"SELECT pg_sleep(60), 'vanished' FROM notes WHERE tenant_id = 1\0";
    for text in [&text[..], one] {
        let mut session = daemon.session("app").await.unwrap();
        session.queue(&[b"Q", &u32::try_from(text.len() + 4).unwrap().to_be_bytes()[..], text].concat());
        session.flush().await.unwrap();
        until("the statement runs", Duration::from_secs(10), async || running(fleet, "vanished").await > 0)
            .await;
        drop(session);
        until("the statement has ended", Duration::from_secs(10), async || {
            running(fleet, "vanished").await == 0
        })
        .await;
    }
}

#[tokio::test]
async fn a_transaction_that_lost_a_server_cannot_be_saved_by_a_savepoint() {
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    session.ask("CREATE TABLE t (tenant_id bigint PRIMARY KEY)").await.unwrap();
    session.ask("BEGIN").await.unwrap();
    for tenant in 1..=6 {
        session.ask(&format!("INSERT INTO t VALUES ({tenant})")).await.unwrap();
    }
    session.ask("SAVEPOINT a").await.unwrap();
    let admin = fleet.server(1).connect("app").await.unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'";
    admin.execute(kill, &[]).await.unwrap();
    let mut failed = false;
    for tenant in 11..=16 {
        let messages = session.simple(&format!("INSERT INTO t VALUES ({tenant})")).await.unwrap();
        assert!(messages.len() == 1, "one answer: {messages:?}");
        failed |= messages[0].fault.is_some();
    }
    assert!(failed);
    let rescue = session.ask("ROLLBACK TO a").await.unwrap();
    assert!(rescue.fault.is_some(), "{rescue}");
    assert_eq!(session.ask("COMMIT").await.unwrap().tag, "ROLLBACK");
    assert_eq!(session.ask("SELECT count(*) FROM t").await.unwrap().value(), "0");
}
