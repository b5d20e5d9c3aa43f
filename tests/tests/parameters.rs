//! Parameters are told as PostgreSQL tells them: what a message has changed, when it is over.
#![allow(clippy::unwrap_used)]

use tests::frames::{Heard, Say};
use tests::{Daemon, Fleet, Oracle, Session};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon, Oracle)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon, Oracle) {
    let start = async || {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        let daemon = fleet.daemon().start().await.unwrap();
        let oracle = fleet.oracle().await.unwrap();
        (fleet, daemon, oracle)
    };
    STAGE.get_or_init(start).await
}

/// The messages' tags in their order, and what of parameters.
async fn heard(session: &mut Session, says: &[Say]) -> Vec<String> {
    let mut out = bytes::BytesMut::new();
    says.iter().for_each(|say| say.write(&[], &mut out));
    session.queue(&out).flush().await.unwrap();
    let shown = |(tag, body): Heard| match tag {
        b'S' => format!("S {}", body.escape_ascii()),
        tag => char::from(tag).to_string(),
    };
    let mut heard: Vec<String> = session.hear(b'Z', 1).await.unwrap().into_iter().map(shown).collect();
    // PostgreSQL tells several in the order of a list of its own.
    let told = heard.iter().position(|message| message.starts_with("S "));
    if let Some(told) = told {
        let end = heard.len() - 1;
        heard[told..end].sort();
    }
    heard
}

#[tokio::test]
async fn what_a_message_changed_is_told_before_the_session_is_ready() {
    let (_, daemon, oracle) = stage().await;
    let named = [("application_name", "mine")];
    let mut ours = Session::open(daemon.port(), "app", "app", &named).await.unwrap();
    let mut theirs = oracle.session_with("app", &named).await.unwrap();
    let mut says: Vec<Vec<Say>> = [
        "SET TimeZone = 'Asia/Tokyo'",
        "BEGIN",
        "SET LOCAL TimeZone = 'UTC'",
        "ROLLBACK",
        "BEGIN",
        "SELECT 1",
        "SET LOCAL DateStyle = 'SQL, DMY'",
        "SELECT 2",
        "COMMIT",
        "BEGIN",
        "SET TimeZone = 'UTC'",
        "SELECT 1",
        "SAVEPOINT one",
        "SET TimeZone = 'Europe/Rome'",
        "ROLLBACK TO one",
        "SET application_name = 'first'",
        "COMMIT",
        "SET TimeZone = 'Asia/Tokyo'; SET application_name = 'second'; SELECT 1",
        "SET TimeZone = 'Asia/Seoul'; SELECT 1/0",
        "SET TimeZone = 'Asia/Seoul'; SET nothing_such = 1",
        "BEGIN; SET LOCAL TimeZone = 'Asia/Seoul'; COMMIT",
        "SELECT set_config('TimeZone', 'America/Lima', false)",
        "BEGIN",
        "SELECT set_config('TimeZone', 'UTC', true)",
        "SELECT 1/0",
        "ROLLBACK",
        "RESET TimeZone",
        "SET TimeZone = 'Asia/Tokyo'",
        "RESET ALL",
        "SET TimeZone = 'Asia/Tokyo'",
        "SET IntervalStyle = 'iso_8601'",
        "DISCARD ALL",
        "DISCARD ALL",
        "SET application_name = 'other'",
        "BEGIN",
        "SELECT 1",
        "RESET application_name",
        "SELECT 1 / (current_setting('application_name') = 'mine')::int",
        "SET application_name = 'another'",
        "RESET ALL",
        "SELECT 1 / (current_setting('application_name') = 'mine')::int",
        "COMMIT",
    ]
    .into_iter()
    .map(|sql| vec![Say::Q(sql)])
    .collect();
    says.push(vec![
        Say::P("", "SET TimeZone = 'Asia/Tokyo'"),
        Say::B("", "", &[]),
        Say::E("", 0),
        Say::P("", "SELECT 1"),
        Say::B("", "", &[]),
        Say::E("", 0),
        Say::S,
    ]);
    for says in says {
        assert_eq!(heard(&mut ours, &says).await, heard(&mut theirs, &says).await, "{says:?}");
    }
}

#[tokio::test]
async fn a_setting_that_a_kept_connection_refuses_leaves_what_lives_there() {
    let (fleet, daemon, _) = stage().await;
    for number in 0..2 {
        let admin = fleet.server(number).connect("app").await.unwrap();
        admin.batch_execute("CREATE ROLE passing; GRANT passing TO app").await.unwrap();
    }
    let mut session = daemon.session("app").await.unwrap();
    session.ask("CREATE TEMP TABLE kept (n int)").await.unwrap();
    session.ask("INSERT INTO kept VALUES (7)").await.unwrap();
    session.ask("SET work_mem = '1MB'").await.unwrap();
    session.ask("SET ROLE passing").await.unwrap();
    for number in 0..2 {
        let admin = fleet.server(number).connect("app").await.unwrap();
        admin.batch_execute("REVOKE passing FROM app").await.unwrap();
    }
    assert_eq!(session.ask("SELECT n FROM kept").await.unwrap().sqlstate(), "42501");
    session.ask("RESET ROLE").await.unwrap();
    assert_eq!(session.ask("SELECT n FROM kept").await.unwrap().value(), "7");
}

#[tokio::test]
async fn what_set_transaction_says_is_undone_with_its_savepoint() {
    let (_, daemon, _) = stage().await;
    let mut session = daemon.session("app").await.unwrap();
    session.ask("CREATE TABLE undone (tenant_id int PRIMARY KEY)").await.unwrap();
    for sql in ["BEGIN", "SAVEPOINT one", "SET TRANSACTION READ ONLY", "ROLLBACK TO one"] {
        session.ask(sql).await.unwrap();
    }
    let written = session.ask("INSERT INTO undone VALUES (1)").await.unwrap();
    assert_eq!(written.tag, "INSERT 0 1", "{written:?}");
    assert_eq!(session.ask("COMMIT").await.unwrap().tag, "COMMIT");
}
