//! A client that goes away at any moment leaves nothing behind: no statement, no transaction, no lock.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::BytesMut;
use tests::frames::Say::{self, *};
use tests::{Daemon, Fleet, Session, until};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon) {
    let start = async || {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        let daemon = fleet.daemon().section("[pool]\nsize = 2").start().await.unwrap();
        let mut session = daemon.session("app").await.unwrap();
        let table = "CREATE TABLE notes (tenant_id bigint, id int, body text, PRIMARY KEY (tenant_id, id))";
        assert!(session.ask(table).await.unwrap().fault.is_none());
        for tenant in 1..=6 {
            session.ask(&format!("INSERT INTO notes VALUES ({tenant}, 1, 'first')")).await.unwrap();
        }
        (fleet, daemon)
    };
    STAGE.get_or_init(start).await
}

/// Sends messages and goes away without hearing the answer.
async fn leave_after(daemon: &Daemon, says: &[Say]) {
    let mut session = daemon.session("app").await.unwrap();
    send(&mut session, says).await;
}

async fn send(session: &mut Session, says: &[Say]) {
    let mut bytes = BytesMut::new();
    says.iter().for_each(|say| say.write(&[], &mut bytes));
    session.queue(&bytes);
    session.flush().await.unwrap();
}

/// How many of the application's sessions on the servers are not idle.
async fn busy(fleet: &Fleet) -> i64 {
    let mut count = 0;
    for server in fleet.servers() {
        let admin = server.connect("app").await.unwrap();
        let question = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'";
        count += admin.query_one(question, &[]).await.unwrap().get::<_, i64>(0);
    }
    count
}

#[tokio::test]
async fn whoever_leaves_at_any_moment_leaves_the_servers_idle() {
    let (fleet, daemon) = stage().await;
    const SLEEP: &str = "SELECT pg_sleep(100) FROM notes WHERE tenant_id = 1";
    const UPDATE: &str = "UPDATE notes SET body = 'half' WHERE tenant_id = 1";
    let moments: [&[Say]; 9] = [
        &[Q("BEGIN"), Q(UPDATE)],
        &[Q(SLEEP)],
        &[Q("SELECT count(*), pg_sleep(100) FROM notes GROUP BY 2")],
        &[P("", UPDATE), B("", "", &[]), E("", 0), H],
        &[P("", SLEEP), B("", "", &[]), E("", 0), S],
        &[P("", "SELECT id FROM notes"), B("", "", &[]), E("", 1), H],
        &[Q("COPY notes FROM STDIN"), Data("1\t900\tx\n2\t900\tx\n3\t900\tx\n4\t900\tx\n")],
        &[P("", "COPY notes FROM STDIN"), B("", "", &[]), E("", 0), Data("1\t900\tx\n")],
        &[Q("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT")],
    ];
    for says in moments {
        for _ in 0..3 {
            leave_after(daemon, says).await;
        }
        // Three with two connections: one waits for its turn, unless its client has left before.
        until("the servers are idle", Duration::from_secs(20), async || busy(fleet).await == 0).await;
    }
    let mut session = daemon.session("app").await.unwrap();
    let answer = session.ask("SELECT count(*) FROM notes WHERE id = 900 OR body = 'half'").await.unwrap();
    assert_eq!(answer.value(), "0");
}

#[tokio::test]
async fn a_statement_that_was_sent_before_a_polite_good_bye_is_finished() {
    let (_, daemon) = stage().await;
    const INSERT: &str = "INSERT INTO notes SELECT 2, 500, 'sent' FROM pg_sleep(0.3)";
    leave_after(daemon, &[Q(INSERT), Raw(b'X', b"")]).await;
    let mut session = daemon.session("app").await.unwrap();
    until("the row is there", Duration::from_secs(10), async || {
        let question = "SELECT count(*) FROM notes WHERE tenant_id = 2 AND id = 500";
        session.ask(question).await.unwrap().value() == "1"
    })
    .await;
}

#[tokio::test]
async fn a_cancel_request_never_meets_the_next_user_of_a_connection() {
    let (_, daemon) = stage().await;
    let mut canceling = daemon.session("app").await.unwrap();
    let key = canceling.cancel_key();
    let storm = tokio::spawn(async move {
        for _ in 0..10 {
            let requests = (0..10).map(|_| tokio::spawn(tests::cancel(key)));
            for request in requests.collect::<Vec<_>>() {
                request.await.unwrap().unwrap();
            }
        }
    });
    let mut others = Vec::new();
    for _ in 0..3 {
        let mut other = daemon.session("app").await.unwrap();
        others.push(tokio::spawn(async move {
            for _ in 0..60 {
                let answer =
                    other.ask("SELECT count(*) FROM notes WHERE tenant_id = 3 AND id = 1").await.unwrap();
                assert_eq!(answer.value(), "1", "{answer}");
            }
        }));
    }
    while !storm.is_finished() {
        let answer = canceling.ask("SELECT 1 FROM notes WHERE tenant_id = 3").await.unwrap();
        assert!(matches!(answer.sqlstate(), "" | "57014"), "{answer}");
    }
    storm.await.unwrap();
    for other in others {
        other.await.unwrap();
    }
    assert_eq!(canceling.ask("SELECT 1").await.unwrap().value(), "1");
}
