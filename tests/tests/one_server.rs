//! Before one unsharded server pgherd is that server: what drivers do with it beyond plain statements.
#![allow(clippy::unwrap_used)]

use tests::{Daemon, Fleet, Message, Session};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn session() -> Session {
    let start = async || {
        let fleet = Fleet::builder().servers(1).start().await.unwrap();
        let daemon = fleet.daemon().start().await.unwrap();
        (fleet, daemon)
    };
    STAGE.get_or_init(start).await.1.session("app").await.unwrap()
}

#[tokio::test]
async fn the_client_commits_in_two_phases() {
    let (mut session, mut other) = (session().await, session().await);
    session.ask("CREATE TABLE phases (id int)").await.unwrap();
    for (gid, end, rows) in [("one", "COMMIT", "1"), ("two", "ROLLBACK", "1")] {
        session.ask("BEGIN").await.unwrap();
        session.ask("INSERT INTO phases VALUES (1)").await.unwrap();
        let prepared = session.ask(&format!("PREPARE TRANSACTION '{gid}'")).await.unwrap();
        assert_eq!(prepared.tag, "PREPARE TRANSACTION", "{prepared:?}");
        let ended = other.ask(&format!("{end} PREPARED '{gid}'")).await.unwrap();
        assert_eq!(ended.tag, format!("{end} PREPARED"), "{ended:?}");
        assert_eq!(session.ask("SELECT count(*) FROM phases").await.unwrap().value(), rows);
    }
    session.ask("BEGIN").await.unwrap();
    session.ask("SELECT 1/0").await.unwrap();
    assert_eq!(session.ask("PREPARE TRANSACTION 'three'").await.unwrap().tag, "ROLLBACK");
    assert_eq!(session.ask("SELECT 1").await.unwrap().value(), "1");
}

#[tokio::test]
async fn what_a_commit_says_beside_its_answer_is_heard() {
    let mut session = session().await;
    for sql in ["BEGIN", "LISTEN news", "NOTIFY news, 'today'"] {
        session.ask(sql).await.unwrap();
    }
    session.queue(b"Q\0\0\0\x0bCOMMIT\0").flush().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    let heard = messages.iter().any(|message| matches!(message, Message::Notification(..)));
    assert!(heard, "{messages:?}");
}

#[tokio::test]
async fn a_statement_that_was_described_otherwise_is_to_be_prepared_again() {
    let (mut session, mut other) = (session().await, session().await);
    session.ask("CREATE TABLE shapes (a int, b int)").await.unwrap();
    session.ask("INSERT INTO shapes VALUES (1, 2)").await.unwrap();
    for text in ["SELECT a FROM shapes", "SELECT * FROM shapes"] {
        session.queue_parse(text, text).unwrap().queue(&describe(text));
        session.sync().await.unwrap();
        session.until_ready().await.unwrap();
    }
    other.ask("ALTER TABLE shapes ALTER COLUMN b TYPE text").await.unwrap();
    session.queue_bind("SELECT a FROM shapes", &[]).unwrap().queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Complete("SELECT 1".into())), "{messages:?}");
    for _ in 0..2 {
        session.queue_bind("SELECT * FROM shapes", &[]).unwrap().queue_execute(0).unwrap();
        session.sync().await.unwrap();
        let messages = session.until_ready().await.unwrap();
        let refused =
            |message: &Message| matches!(message, Message::Error(fault) if fault.sqlstate == "0A000");
        assert!(messages.iter().any(refused), "{messages:?}");
    }
    session.queue_parse("again", "SELECT * FROM shapes").unwrap().queue(&describe("again"));
    session.queue_bind("again", &[]).unwrap().queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Complete("SELECT 1".into())), "{messages:?}");
}

fn describe(statement: &str) -> Vec<u8> {
    let length = i32::try_from(statement.len() + 6).unwrap().to_be_bytes();
    [&b"D"[..], &length, b"S", statement.as_bytes(), b"\0"].concat()
}

#[tokio::test]
async fn a_copy_of_rows_longer_than_any_buffer_goes_in() {
    let mut session = session().await;
    session.ask("CREATE TABLE wide (body text)").await.unwrap();
    let row = "x".repeat(1 << 20) + "\n";
    let message = [&b"d"[..], &i32::try_from(row.len() + 4).unwrap().to_be_bytes(), row.as_bytes()].concat();
    session.queue(b"Q\0\0\0\x19COPY wide FROM STDIN\0").flush().await.unwrap();
    while session.next().await.unwrap() != Message::CopyIn {}
    for _ in 0..16 {
        session.queue(&message).flush().await.unwrap();
    }
    session.queue(b"c\0\0\0\x04").flush().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Complete("COPY 16".into())), "{messages:?}");
}

#[tokio::test]
async fn the_rows_of_execute_come_in_binary_where_that_was_asked_for() {
    let mut session = session().await;
    session.ask("PREPARE numbers AS SELECT 1").await.unwrap();
    session.queue_parse("", "EXECUTE numbers").unwrap();
    // Bind of the unnamed statement without parameters, all results in binary.
    session.queue(b"B\0\0\0\x0e\0\0\0\0\0\0\0\x01\0\x01").queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Row(vec![Some(vec![0, 0, 0, 1])])), "{messages:?}");
}
