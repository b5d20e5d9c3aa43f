//! What a hostile or careless client sends harms itself only.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use rand::Rng;
use tests::{APP_USER, Daemon, Fleet, Message, Seed, Session, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon) {
    let start = async || {
        let fleet = Fleet::builder().servers(1).start().await.unwrap();
        let daemon = fleet.daemon().start().await.unwrap();
        (fleet, daemon)
    };
    STAGE.get_or_init(start).await
}

async fn daemon() -> &'static Daemon {
    &stage().await.1
}

async fn newer(daemon: &Daemon) -> Session {
    Session::speaking(2, (daemon.port(), APP_USER, "app"), &[]).await.unwrap()
}

async fn still_answers(daemon: &Daemon) {
    assert_eq!(daemon.session("app").await.unwrap().ask("SELECT 1").await.unwrap().value(), "1");
    assert!(daemon.is_running());
}

/// Sends bytes to a fresh connection and gives what comes back until the other side closes or two seconds pass.
async fn shout(daemon: &Daemon, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", daemon.port())).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut heard = Vec::new();
    let _ = timeout(Duration::from_secs(2), stream.read_to_end(&mut heard)).await;
    heard
}

#[tokio::test]
async fn an_encryption_request_is_answered_with_one_byte() {
    let daemon = daemon().await;
    for code in [80_877_103_i32, 80_877_104] {
        let mut stream = TcpStream::connect(("127.0.0.1", daemon.port())).await.unwrap();
        stream.write_all(&[8_i32.to_be_bytes(), code.to_be_bytes()].concat()).await.unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"N", "no certificate is configured");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_database_are_told_apart() {
    let daemon = daemon().await;
    let wrong = daemon.url("app", "app").replace("secret", "guess");
    let told = async |url: &str| {
        let error = tests::connect(url).await.unwrap_err();
        let error = error.downcast::<tokio_postgres::Error>().unwrap();
        error.code().map(|code| code.code().to_owned())
    };
    assert_eq!(told(&wrong).await.as_deref(), Some("28P01"));
    assert_eq!(told(&daemon.url("nowhere", "app")).await.as_deref(), Some("3D000"));
}

#[tokio::test]
async fn bytes_at_random_end_their_own_session_only() {
    let daemon = daemon().await;
    let mut random = Seed::draw().generator(0);
    for _ in 0..50 {
        let size = random.random_range(1..300);
        let bytes: Vec<u8> = (0..size).map(|_| random.random()).collect();
        shout(daemon, &bytes).await;
    }
    still_answers(daemon).await;
}

#[tokio::test]
async fn a_length_that_lies_is_refused() {
    let daemon = daemon().await;
    for length in [i32::MAX, -1, 0, 3] {
        shout(daemon, &[length.to_be_bytes(), 196_608_i32.to_be_bytes()].concat()).await;
        let mut session = daemon.session("app").await.unwrap();
        session.queue(&[&b"Q"[..], &length.to_be_bytes(), b"SELECT 1\0"].concat());
        session.flush().await.unwrap();
        let _ = timeout(Duration::from_secs(2), session.until_ready()).await;
    }
    still_answers(daemon).await;
}

#[tokio::test]
async fn a_message_may_arrive_byte_by_byte() {
    let mut session = daemon().await.session("app").await.unwrap();
    let sql = b"SELECT 42\0";
    let length = i32::try_from(sql.len() + 4).unwrap().to_be_bytes();
    for byte in [&b"Q"[..], &length, sql].concat() {
        session.queue(&[byte]).flush().await.unwrap();
    }
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Row(vec![Some(b"42".to_vec())])));
}

#[tokio::test]
async fn sql_of_any_depth_and_size_is_answered() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    let statements = [
        format!("SELECT {}1{}", "(".repeat(4000), ")".repeat(4000)),
        format!("SELECT {}true", "NOT ".repeat(5000)),
        format!("SELECT {}1", "1+".repeat(20_000)),
        format!("SELECT '{}'", "x".repeat(2_000_000)),
        format!("SELECT 1 WHERE 1 IN ({})", vec!["1"; 50_000].join(",")),
    ];
    for sql in &statements {
        let answer = timeout(Duration::from_secs(30), session.ask(sql))
            .await
            .expect("an answer within bounds")
            .unwrap();
        assert!(answer.fault.is_some() || answer.rows.len() == 1, "{}", &sql[..30]);
    }
    still_answers(daemon).await;
}

#[tokio::test]
async fn an_unknown_message_and_a_bind_without_its_statement_are_errors() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    session.queue_bind("never", &[]).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(matches!(&messages[0], Message::Error(fault) if fault.sqlstate == "26000"), "{messages:?}");
    session.queue(b"y\0\0\0\x04").flush().await.unwrap();
    let _ = timeout(Duration::from_secs(2), session.until_ready()).await;
    still_answers(daemon).await;
}

#[tokio::test]
async fn a_statement_that_executes_itself_is_refused_and_harms_nobody() {
    let mut session = daemon().await.session("app").await.unwrap();
    for (name, sql) in [("one", "EXECUTE one"), ("two", "EXECUTE three"), ("three", "EXECUTE two")] {
        session.queue_parse(name, sql).unwrap();
    }
    session.sync().await.unwrap();
    session.until_ready().await.unwrap();
    for name in ["one", "two"] {
        session.queue_bind(name, &[]).unwrap().queue_execute(0).unwrap();
        session.sync().await.unwrap();
        let refused = session.until_ready().await.unwrap().into_iter().any(
            |message| matches!(message, Message::Error(fault) if fault.to_string().starts_with("0A000")),
        );
        assert!(refused, "{name}");
        assert_eq!(session.ask(&format!("EXECUTE {name}")).await.unwrap().sqlstate(), "0A000", "{name}");
    }
    assert_eq!(session.ask("SELECT 1").await.unwrap().value(), "1");
    still_answers(daemon().await).await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_result_harms_nobody() {
    let daemon = daemon().await;
    for _ in 0..10 {
        let mut session = daemon.session("app").await.unwrap();
        let sql = b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)\0";
        session.queue(&[&b"Q"[..], &i32::try_from(sql.len() + 4).unwrap().to_be_bytes(), sql].concat());
        session.flush().await.unwrap();
        session.next().await.unwrap();
    }
    still_answers(daemon).await;
}

#[tokio::test]
async fn a_long_key_cancels_and_nothing_shorter_longer_or_else_does() {
    let (fleet, daemon) = stage().await;
    let server = fleet.server(0).connect("app").await.unwrap();
    let mut session = newer(daemon).await;
    let (process, secret) = session.backend_key();
    assert_eq!((secret.len(), daemon.session("app").await.unwrap().backend_key().1.len()), (32, 4));
    let (mut wrong, longer) = (secret.to_vec(), [&secret[..], &[0]].concat());
    wrong[31] ^= 1;
    let sleeps = async { session.ask("SELECT pg_sleep(60)").await.unwrap() };
    let cancels = async {
        let runs = "SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
        let asleep = async || !server.query(runs, &[]).await.unwrap().is_empty();
        until("it sleeps", Duration::from_secs(10), asleep).await;
        for other in [&secret[..4], &secret[..31], &secret[..0], &wrong, &longer, &[0; 256], &[0; 257]] {
            let heard = shout(daemon, &tests::cancel_request(process, other)).await;
            assert!(heard.is_empty() && asleep().await, "{other:?}");
        }
        tests::cancel_with(daemon.port(), process, &secret).await.unwrap();
    };
    assert_eq!(tokio::join!(sleeps, cancels).0.sqlstate(), "57014");
    assert_eq!(session.ask("SELECT 1").await.unwrap().value(), "1");
}

#[tokio::test]
async fn a_client_that_waits_for_a_connection_can_be_cancelled() {
    let narrow = stage().await.0.daemon().name("narrow").section("[pool]\nsize = 1").start().await.unwrap();
    let (mut holder, mut waiter) = (newer(&narrow).await, newer(&narrow).await);
    assert_eq!(holder.ask("CREATE TEMP TABLE kept (n int)").await.unwrap().sqlstate(), "");
    let (process, secret) = waiter.backend_key();
    let canceling = until("who waits is cancelled", Duration::from_secs(10), async || {
        tests::cancel_with(narrow.port(), process, &secret).await.unwrap();
        false
    });
    tokio::select! {
        answer = waiter.ask("SELECT 2") => assert_eq!(answer.unwrap().sqlstate(), "57014"),
        () = canceling => {}
    }
    drop(holder);
    assert_eq!(waiter.ask("SELECT 3").await.unwrap().value(), "3");
}
