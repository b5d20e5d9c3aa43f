//! Large answers and large data pass through; nothing of them is held.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use tests::{Daemon, Fleet, Message, Session, Weather, until};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tokio::time::timeout;

/// The limit of a client's statement in this daemon.
const STATEMENT: usize = 1 << 20;
/// How much the daemon may grow over something large.
const GROWTH: u64 = 50 << 20;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();
/// Who measures memory, or cuts lines, is alone.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn stage() -> (&'static Fleet, &'static Daemon, MutexGuard<'static, ()>) {
    let start = async || {
        let fleet = Fleet::builder().servers(1).relays().start().await.unwrap();
        let made = "CREATE TABLE heap (tenant_id bigint, id bigint, text text, PRIMARY KEY (tenant_id, id))";
        let owner = fleet.server(0).connect("app").await.unwrap();
        owner.batch_execute(&format!("SET ROLE app; {made}")).await.unwrap();
        let limit = format!("max_statement_bytes = \"{STATEMENT}B\"");
        let daemon = fleet.daemon().key("proxy", &limit).start().await.unwrap();
        (fleet, daemon)
    };
    let (fleet, daemon) = STAGE.get_or_init(start).await;
    (fleet, daemon, ALONE.lock().await)
}

/// The daemon's memory, by the name of a line of `/proc/PID/status`, in bytes.
fn memory(daemon: &Daemon, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.process().unwrap())).unwrap();
    let line = status.lines().find(|text| text.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Forgets the daemon's peak so far; its memory now.
fn forget_peak(daemon: &Daemon) -> u64 {
    fs::write(format!("/proc/{}/clear_refs", daemon.process().unwrap()), "5").unwrap();
    memory(daemon, "VmRSS")
}

async fn asked(daemon: &Daemon, sql: &str) -> TcpStream {
    let mut session = daemon.session("app").await.unwrap();
    let message = [&b"Q"[..], &(sql.len() as u32 + 5).to_be_bytes(), sql.as_bytes(), b"\0"].concat();
    session.queue(&message).flush().await.unwrap();
    session.into_stream()
}

/// Reads to ReadyForQuery or the end of the stream; how many bytes, and how many of them are `byte`.
async fn drain(stream: &mut TcpStream, byte: u8) -> (usize, usize) {
    let (mut all, mut wanted, mut tail) = (0, 0, Vec::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let size = stream.read(&mut buffer).await.unwrap_or(0);
        all += size;
        wanted += buffer[..size].iter().filter(|one| **one == byte).count();
        tail.extend_from_slice(&buffer[size.saturating_sub(6)..size]);
        if size == 0 || tail.ends_with(b"Z\0\0\0\x05I") {
            return (all, wanted);
        }
        tail.drain(..tail.len().saturating_sub(6));
    }
}

#[tokio::test]
async fn a_row_of_two_hundred_megabytes_arrives_whole_and_is_never_held() {
    let (_, daemon, _alone) = stage().await;
    let before = forget_peak(daemon);
    let mut stream = asked(daemon, "SELECT repeat('~', 200000000)").await;
    assert_eq!(drain(&mut stream, b'~').await.1, 200_000_000);
    let grown = memory(daemon, "VmHWM").saturating_sub(before);
    assert!(grown < GROWTH, "grew by {grown} bytes");
}

#[tokio::test]
async fn a_slow_client_slows_its_server_and_nobody_else() {
    let (_, daemon, _alone) = stage().await;
    let before = forget_peak(daemon);
    for sql in [
        "SELECT repeat('~', 1000) FROM generate_series(1, 200000)",
        "COPY (SELECT repeat('~', 1000) FROM generate_series(1, 200000)) TO STDOUT",
    ] {
        let mut stream = asked(daemon, sql).await;
        stream.readable().await.unwrap();
        for _ in 0..50 {
            let mut other = daemon.session("app").await.unwrap();
            assert_eq!(other.ask("SELECT 1").await.unwrap().value(), "1");
        }
        assert_eq!(drain(&mut stream, b'~').await.1, 200_000_000, "{sql}");
    }
    let grown = memory(daemon, "VmHWM").saturating_sub(before);
    assert!(grown < GROWTH, "grew by {grown} bytes");
}

#[tokio::test]
async fn a_message_of_copy_may_be_longer_than_any_statement() {
    let (_, daemon, _alone) = stage().await;
    let rows: String = (0..400_000).map(|id| format!("{}\t{id}\t{:050}\n", id % 50, id)).collect();
    assert!(rows.len() > 20 * STATEMENT);
    let before = forget_peak(daemon);
    let mut session = daemon.session("app").await.unwrap();
    let copy = "COPY heap FROM STDIN";
    let query = [&b"Q"[..], &(copy.len() as u32 + 5).to_be_bytes(), copy.as_bytes(), b"\0"].concat();
    session.queue(&query).flush().await.unwrap();
    while session.next().await.unwrap() != Message::CopyIn {}
    let data = [&b"d"[..], &(rows.len() as u32 + 4).to_be_bytes(), rows.as_bytes(), b"c\0\0\0\x04"].concat();
    session.queue(&data).flush().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert_eq!(messages[0], Message::Complete("COPY 400000".to_owned()));
    let grown = memory(daemon, "VmHWM").saturating_sub(before);
    assert!(grown < GROWTH, "grew by {grown} bytes");
    assert_eq!(session.ask("SELECT count(*), max(length(text)) FROM heap").await.unwrap().tag, "SELECT 1");
}

#[tokio::test]
async fn a_row_that_breaks_off_is_never_continued_with_something_else() {
    let (fleet, daemon, _alone) = stage().await;
    let mut stream = asked(daemon, "SELECT repeat('~', 200000000)").await;
    let mut begun = vec![0; 1 << 20];
    stream.read_exact(&mut begun).await.unwrap();
    fleet.server(0).relay(0).set(Weather::Cut);
    let (all, wanted) = drain(&mut stream, b'~').await;
    fleet.server(0).relay(0).set(Weather::Fair);
    assert_eq!(all, wanted, "the row's bytes and then the end of the connection");
    assert!(all < 200_000_000);
    answers_again(daemon).await;
}

#[tokio::test]
async fn rows_that_a_client_has_seen_are_not_sent_again() {
    let (fleet, daemon, _alone) = stage().await;
    let server = fleet.server(0).node(0).connect("postgres").await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE query LIKE 'SELECT n FROM generate%' AND state = 'active'";
    for round in 0..2 {
        let mut session: Session = daemon.session("app").await.unwrap();
        let sql = "SELECT n FROM generate_series(1, 3000000) n";
        let message = [&b"Q"[..], &(sql.len() as u32 + 5).to_be_bytes(), sql.as_bytes(), b"\0"].concat();
        session.queue(&message).flush().await.unwrap();
        let mut last = 0;
        loop {
            match session.next().await {
                Ok(Message::Row(row)) => {
                    let number: u32 = String::from_utf8(row[0].clone().unwrap()).unwrap().parse().unwrap();
                    assert_eq!(number, last + 1, "round {round}");
                    last = number;
                    if number == 10_000 {
                        let ended = server.query_one(end, &[]).await.unwrap();
                        assert_eq!(ended.get::<_, i64>(0), 1);
                    }
                }
                Ok(Message::Ready(_)) | Err(_) => break,
                Ok(_) => {}
            }
        }
        assert!(last < 3_000_000, "it was not ended in time");
    }
    answers_again(daemon).await;
}

async fn answers_again(daemon: &Daemon) {
    until("the server is used again", Duration::from_secs(30), async || {
        let Ok(mut session) = daemon.session("app").await else { return false };
        session.ask("SELECT 1").await.is_ok_and(|answer| answer.fault.is_none())
    })
    .await;
}

#[tokio::test]
async fn a_thousand_clients_that_read_nothing_hold_little() {
    const CLIENTS: usize = 1000;
    let (_, daemon, _alone) = stage().await;
    let asked: Vec<u8> = b"Q\0\0\0\x18SHOW pgherd.version\0".repeat(4000);
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        streams.push((daemon.session("app").await.unwrap().into_stream(), 0));
    }
    let before = memory(daemon, "VmRSS");
    // Each asks until nobody hears it any more: the kernel keeps its answers, as many as it wants to.
    let mut heard = true;
    while heard {
        heard = false;
        for (stream, at) in &mut streams {
            let writable = timeout(Duration::from_millis(1), stream.writable()).await.is_ok();
            if writable && let Ok(more) = stream.try_write(&asked[*at..]) {
                *at = (*at + more) % asked.len();
                heard = true;
            }
        }
    }
    let each = memory(daemon, "VmRSS").saturating_sub(before) / CLIENTS as u64;
    assert!(each < 64 << 10, "{each} bytes for each client that does not read");
    drop(streams);
    answers_again(daemon).await;
}
