//! A session through pgherd is a session with PostgreSQL, whichever connections serve it.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tests::{Daemon, Fleet, Message, until};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn daemon() -> &'static Daemon {
    let start = async || {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        let daemon = fleet.daemon().start().await.unwrap();
        let client = daemon.connect().await.unwrap();
        client.batch_execute("CREATE TABLE notes (tenant_id bigint, note_id int, body text, PRIMARY KEY (tenant_id, note_id))").await.unwrap();
        for tenant in 1..=12 {
            client.batch_execute(&format!("INSERT INTO notes VALUES ({tenant}, 1, 'first')")).await.unwrap();
        }
        (fleet, daemon)
    };
    &STAGE.get_or_init(start).await.1
}

#[tokio::test]
async fn a_setting_holds_on_every_server_and_in_no_other_session() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    let mut other = daemon.session("app").await.unwrap();
    session.ask("SET timezone = 'Asia/Tokyo'").await.unwrap();
    for tenant in 1..=12 {
        let question = format!("SELECT current_setting('timezone') FROM notes WHERE tenant_id = {tenant}");
        assert_eq!(session.ask(&question).await.unwrap().value(), "Asia/Tokyo");
        assert_eq!(other.ask(&question).await.unwrap().value(), "UTC");
    }
    session.ask("RESET timezone").await.unwrap();
    let answer =
        session.ask("SELECT current_setting('timezone') FROM notes WHERE tenant_id = 3").await.unwrap();
    assert_eq!(answer.value(), "UTC");
}

#[tokio::test]
async fn a_setting_ends_with_the_transaction_that_was_rolled_back() {
    let mut session = daemon().await.session("app").await.unwrap();
    let question = "SELECT current_setting('work_mem') FROM notes WHERE tenant_id = 1";
    let before = session.ask(question).await.unwrap();
    session.ask("BEGIN").await.unwrap();
    session.ask("SET work_mem = '9MB'").await.unwrap();
    assert_eq!(session.ask(question).await.unwrap().value(), "9MB");
    session.ask("ROLLBACK").await.unwrap();
    assert_eq!(session.ask(question).await.unwrap(), before);
    session.ask("BEGIN").await.unwrap();
    session.ask("SET LOCAL work_mem = '9MB'").await.unwrap();
    assert_eq!(session.ask(question).await.unwrap().value(), "9MB");
    session.ask("COMMIT").await.unwrap();
    assert_eq!(session.ask(question).await.unwrap(), before);
}

#[tokio::test]
async fn a_prepared_statement_runs_on_whichever_server_its_parameters_name() {
    let client = daemon().await.connect().await.unwrap();
    let statement = client.prepare("SELECT tenant_id FROM notes WHERE tenant_id = $1").await.unwrap();
    for round in 0..3 {
        for tenant in 1..=12_i64 {
            let row = client.query_one(&statement, &[&tenant]).await.unwrap();
            assert_eq!(row.get::<_, i64>(0), tenant, "round {round}");
        }
    }
}

#[tokio::test]
async fn a_prepared_statement_survives_the_end_of_its_connections() {
    let fleet = Fleet::builder().servers(1).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    client
        .batch_execute("CREATE TABLE t (tenant_id bigint PRIMARY KEY); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let statement = client.prepare("SELECT count(*) FROM t WHERE tenant_id = $1").await.unwrap();
    assert_eq!(client.query_one(&statement, &[&1_i64]).await.unwrap().get::<_, i64>(0), 1);
    let admin = fleet.server(0).connect("app").await.unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";
    admin.execute(kill, &[]).await.unwrap();
    until("the statement runs again on a new connection", Duration::from_secs(10), async || {
        client.query_one(&statement, &[&1_i64]).await.is_ok_and(|row| row.get::<_, i64>(0) == 1)
    })
    .await;
}

#[tokio::test]
async fn a_pipeline_is_answered_in_order_and_an_error_skips_to_its_sync() {
    let mut session = daemon().await.session("app").await.unwrap();
    for tenant in [1, 2, 3] {
        let sql = format!("SELECT tenant_id FROM notes WHERE tenant_id = {tenant}");
        session.queue_parse("", &sql).unwrap().queue_bind("", &[]).unwrap().queue_execute(0).unwrap();
    }
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    let rows = messages.iter().filter_map(|message| match message {
        Message::Row(row) => Some(String::from_utf8(row[0].clone().unwrap()).unwrap()),
        _ => None,
    });
    assert_eq!(rows.collect::<Vec<_>>(), ["1", "2", "3"]);
    session.queue_parse("", "SELECT 1 / 0").unwrap().queue_bind("", &[]).unwrap().queue_execute(0).unwrap();
    session
        .queue_parse("", "INSERT INTO notes VALUES (1, 99, 'never')")
        .unwrap()
        .queue_bind("", &[])
        .unwrap();
    session.queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert_eq!(messages.iter().filter(|message| matches!(message, Message::Error(_))).count(), 1);
    assert_eq!(messages.last(), Some(&Message::Ready('I')));
    let answer =
        session.ask("SELECT count(*) FROM notes WHERE tenant_id = 1 AND note_id = 99").await.unwrap();
    assert_eq!(answer.value(), "0");
}

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
async fn a_row_limited_portal_gives_its_rows_in_parts() {
    let mut session = daemon().await.session("app").await.unwrap();
    session.ask("BEGIN").await.unwrap();
    let sql = "SELECT n FROM notes, generate_series(1, 5) n WHERE tenant_id = 2 AND note_id = 1 ORDER BY n";
    session.queue_parse("", sql).unwrap().queue_bind("", &[]).unwrap().queue_execute(2).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert_eq!(messages.iter().filter(|message| matches!(message, Message::Row(_))).count(), 2);
    assert!(messages.contains(&Message::Suspended));
    session.ask("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_cancel_request_ends_the_statement_and_not_the_session() {
    let mut session = daemon().await.session("app").await.unwrap();
    let (port, process, secret) = session.cancel_key();
    let running = tokio::spawn(async move {
        let answer = session.ask("SELECT pg_sleep(30) FROM notes WHERE tenant_id = 1").await.unwrap();
        (answer, session.ask("SELECT 1").await.unwrap())
    });
    let token = (port, process, secret);
    until("the statement is cancelled", Duration::from_secs(10), async || {
        tests::cancel(token).await.unwrap();
        running.is_finished()
    })
    .await;
    let (cancelled, next) = running.await.unwrap();
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
