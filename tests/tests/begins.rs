//! A BEGIN goes to a server with the transaction's first statement, and no client can tell.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use tests::{APP_USER, Answer, Daemon, Fleet, Message, Session, Weather, until};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon) {
    let start = async || {
        let fleet = Fleet::builder().servers(1).start().await.unwrap();
        let daemon = fleet.daemon().start().await.unwrap();
        let client = daemon.connect().await.unwrap();
        client.batch_execute("CREATE TABLE notes (tenant_id bigint, note_id int, body text, PRIMARY KEY (tenant_id, note_id))").await.unwrap();
        client.batch_execute("INSERT INTO notes VALUES (1, 1, 'first')").await.unwrap();
        (fleet, daemon)
    };
    STAGE.get_or_init(start).await
}

/// What a pipeline is answered, but for settings that are told.
async fn pipeline(session: &mut Session, statements: &[&str]) -> Vec<Message> {
    for sql in statements {
        session.queue_parse("", sql).unwrap().queue_bind("", &[]).unwrap().queue_execute(0).unwrap();
    }
    session.sync().await.unwrap();
    let mut messages = session.until_ready().await.unwrap();
    messages.retain(|message| !matches!(message, Message::Setting(..)));
    messages
}

const READ: &str = "SELECT body FROM notes WHERE tenant_id = 1";
const WRITE: &str = "INSERT INTO notes VALUES (1, 2, 'never')";
const FAULT: &str = "SELECT 1 / 0 FROM notes WHERE tenant_id = 1";
const LEVEL: &str = "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), \
                     current_setting('transaction_deferrable') FROM notes WHERE tenant_id = 1";

#[tokio::test]
async fn a_transaction_answers_as_postgresql_whatever_its_begin() {
    let (fleet, daemon) = stage().await;
    let scripts: [&[&[&str]]; 15] = [
        &[&["START TRANSACTION READ ONLY"], &[LEVEL], &["COMMIT"]],
        &[&["BEGIN"], &["COMMIT"]],
        &[&["BEGIN", "COMMIT"]],
        &[&["BEGIN"], &["ROLLBACK"], &["ROLLBACK"]],
        &[&["BEGIN"], &[READ], &["COMMIT"]],
        &[&["BEGIN", READ], &["COMMIT"]],
        &[&["BEGIN"], &[FAULT], &[READ], &["COMMIT"], &[READ]],
        &[&["BEGIN", WRITE, FAULT], &[READ], &["ROLLBACK"], &[READ]],
        &[&["BEGIN"], &[WRITE, FAULT], &["COMMIT"], &[READ]],
        &[&["BEGIN"], &["SELECT missing FROM notes WHERE tenant_id = 1"], &[READ], &["ROLLBACK"], &[READ]],
        &[&["BEGIN"], &["BEGIN"], &[READ], &["COMMIT"]],
        &[&["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"], &[LEVEL], &[WRITE], &["ROLLBACK"], &[READ]],
        &[
            &["BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE"],
            &[LEVEL, READ],
            &["COMMIT"],
            &[LEVEL],
        ],
        &[&["BEGIN READ ONLY", WRITE], &["COMMIT"], &[READ]],
        &[
            &["BEGIN READ WRITE"],
            &[LEVEL],
            &["SAVEPOINT s"],
            &[FAULT],
            &["ROLLBACK TO s"],
            &[READ],
            &["ROLLBACK"],
        ],
    ];
    let mut direct = Session::open(fleet.server(0).node(0).port(), APP_USER, "app", &[]).await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    for script in scripts {
        for (step, statements) in script.iter().enumerate() {
            let expected = pipeline(&mut direct, statements).await;
            let answer = pipeline(&mut session, statements).await;
            assert_eq!(answer, expected, "step {step} of {script:?}");
        }
        // One by one, a row that one of the two has written would hold up the other.
        let simple = script.iter().flat_map(|statements| statements.iter()).filter(|sql| **sql != WRITE);
        for (step, sql) in simple.enumerate() {
            let expected: Vec<Answer> = direct.simple(sql).await.unwrap();
            assert_eq!(session.simple(sql).await.unwrap(), expected, "simple query {step} of {script:?}");
        }
        assert_eq!(session.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap().value(), "1");
    }
}

#[tokio::test]
async fn the_first_statement_of_a_transaction_can_be_cancelled() {
    let (fleet, daemon) = stage().await;
    let watcher = fleet.server(0).connect("app").await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    pipeline(&mut session, &["BEGIN"]).await;
    let sql = "SELECT pg_sleep(60), 'cancelled at first' FROM notes WHERE tenant_id = 1";
    session.queue_parse("", sql).unwrap().queue_bind("", &[]).unwrap().queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let sleeps = async || {
        let sql = "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%cancelled at first%' AND pid <> pg_backend_pid()";
        !watcher.query(sql, &[]).await.unwrap().is_empty()
    };
    until("the statement runs", Duration::from_secs(20), sleeps).await;
    session.cancel().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    let cancelled = |message: &Message| matches!(message, Message::Error(fault) if fault.sqlstate == "57014");
    assert!(messages.iter().any(cancelled), "{messages:?}");
    assert_eq!(messages.last(), Some(&Message::Ready('E')));
    let messages = pipeline(&mut session, &["COMMIT"]).await;
    assert!(messages.contains(&Message::Complete("ROLLBACK".to_owned())), "{messages:?}");
    assert_eq!(messages.last(), Some(&Message::Ready('I')));
    assert_eq!(session.ask(READ).await.unwrap().value(), "first");
}

#[tokio::test]
async fn where_a_begin_fails_nothing_runs_outside_of_its_transaction() {
    // A fleet of its own: its connections are ended.
    let fleet = Fleet::builder().servers(1).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    client.batch_execute("CREATE TABLE notes (tenant_id bigint PRIMARY KEY, body text)").await.unwrap();
    let watcher = fleet.server(0).connect("app").await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    for tenant in 0..20 {
        session.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap();
        pipeline(&mut session, &["BEGIN"]).await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgherd/%' AND usename = 'app'";
        watcher.query(sql, &[]).await.unwrap();
        let insert = format!("INSERT INTO notes VALUES ({tenant}, 'never')");
        if tenant % 2 == 0 {
            let messages = pipeline(&mut session, &[&insert]).await;
            assert!(matches!(messages.last(), Some(Message::Ready('T' | 'E'))), "{messages:?}");
        } else {
            session.ask(&insert).await.unwrap();
        }
        let messages = pipeline(&mut session, &["ROLLBACK"]).await;
        assert_eq!(messages.last(), Some(&Message::Ready('I')), "{messages:?}");
        let stored = watcher.query_one("SELECT count(*) FROM notes", &[]).await.unwrap();
        assert_eq!(stored.get::<_, i64>(0), 0);
    }
}

#[tokio::test]
async fn a_transaction_waits_for_its_server_once_a_statement() {
    const DELAY: Duration = Duration::from_millis(400);
    let fleet = Fleet::builder().servers(1).relays().start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    client.batch_execute("CREATE TABLE notes (tenant_id bigint PRIMARY KEY, body text)").await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    session.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap();
    fleet.server(0).relay(0).set(Weather::Delayed(DELAY));
    session.ask("BEGIN").await.unwrap();
    let begun = Instant::now();
    session.ask("SELECT count(*) FROM notes WHERE tenant_id = 2").await.unwrap();
    let took = begun.elapsed();
    assert!(took < DELAY * 4, "one way there and one back take {:?}, this took {took:?}", DELAY * 2);
    fleet.server(0).relay(0).set(Weather::Fair);
}
