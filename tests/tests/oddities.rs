//! What few clients do and PostgreSQL bears: more statements than are kept, columns that come while others
//! look, answers that nobody reads, greetings from the future.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::BytesMut;
use tests::frames::Say::{self, *};
use tests::{APP_USER, Daemon, Fleet, Message, Session, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

const PATIENCE: Duration = Duration::from_secs(20);

const POOL: &str = "[pool]\nsize = 2\nprepared_statements = 2";

/// Users of one connection each, whose statements and transactions may not last.
const HASTY: &str = r#"
[[user]]
name = "hasty"
password = "app secret"
pool_size = 1
query_timeout = "1s"
[[user]]
name = "brief"
password = "app secret"
pool_size = 1
transaction_timeout = "1s"
[[user]]
name = "killed"
password = "app secret"
pool_size = 1
"#;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon) {
    let start = async || {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        for server in fleet.servers() {
            let admin = server.connect("app").await.unwrap();
            for role in ["hasty", "brief", "killed"] {
                let role = format!("CREATE ROLE {role} LOGIN PASSWORD 'app secret' IN ROLE app");
                admin.batch_execute(&role).await.unwrap();
            }
        }
        let daemon = fleet.daemon().section(POOL).section(HASTY).start().await.unwrap();
        let mut session = daemon.session("app").await.unwrap();
        for table in ["notes", "looks"] {
            let table =
                format!("CREATE TABLE {table} (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id))");
            assert_eq!(session.ask(&table).await.unwrap().fault, None);
        }
        for tenant in 1..=12 {
            session.ask(&format!("INSERT INTO notes VALUES ({tenant}, 1)")).await.unwrap();
            session.ask(&format!("INSERT INTO looks VALUES ({tenant}, 1)")).await.unwrap();
        }
        (fleet, daemon)
    };
    STAGE.get_or_init(start).await
}

async fn daemon() -> &'static Daemon {
    &stage().await.1
}

async fn send(session: &mut Session, says: &[Say]) {
    let mut bytes = BytesMut::new();
    says.iter().for_each(|say| say.write(&[], &mut bytes));
    session.queue(&bytes).flush().await.unwrap();
}

/// What a client hears of these, up to the next ReadyForQuery.
async fn say(session: &mut Session, says: &[Say]) -> Vec<Message> {
    send(session, says).await;
    session.until_ready().await.unwrap()
}

/// The first values of the rows, as text.
fn values(messages: &[Message]) -> Vec<String> {
    let rows = messages.iter().filter_map(|message| match message {
        Message::Row(row) => Some(String::from_utf8(row[0].clone().unwrap_or_default()).unwrap()),
        Message::Error(fault) => Some(fault.to_string()),
        _ => None,
    });
    rows.collect()
}

/// Five texts where a connection keeps two, in one pipeline and one after the other, of two clients at once.
#[tokio::test]
async fn more_statements_than_a_connection_keeps_all_answer() {
    const ALL: [(&str, &str); 5] = [
        ("s1", "SELECT 1 + id FROM notes WHERE tenant_id = $1"),
        ("s2", "SELECT 2 + id - id FROM notes WHERE tenant_id = $1"),
        ("s3", "SELECT 2 + id FROM notes WHERE tenant_id = $1"),
        ("s4", "SELECT 3 + id FROM notes WHERE tenant_id = $1"),
        ("s5", "SELECT 4 + id FROM notes WHERE tenant_id = $1"),
    ];
    let answers = ["2", "2", "3", "4", "5"];
    let mut clients =
        [daemon().await.session("app").await.unwrap(), daemon().await.session("app").await.unwrap()];
    for session in &mut clients {
        let parses: Vec<Say> = ALL.iter().map(|(name, text)| P(name, text)).chain([S]).collect();
        say(session, &parses).await;
    }
    for _ in 0..3 {
        for session in &mut clients {
            let run = |(name, _): &(&'static str, &'static str)| [B("", name, &[Some("7")]), E("", 0)];
            let pipeline: Vec<Say> = ALL.iter().flat_map(run).chain([S]).collect();
            assert_eq!(values(&say(session, &pipeline).await), answers);
            for ((name, _), answer) in ALL.iter().zip(answers) {
                let heard = say(session, &[B("", name, &[Some("3")]), Dp(""), E("", 0), S]).await;
                assert_eq!(values(&heard), [answer]);
            }
        }
    }
    let kept = "SELECT count(*) FROM pg_prepared_statements";
    let mut most = 0;
    for _ in 0..4 {
        most = most.max(clients[0].ask(kept).await.unwrap().value().parse::<i64>().unwrap());
    }
    assert!((1..=2).contains(&most), "a connection keeps {most}");
}

#[tokio::test]
async fn a_portal_outlives_the_eviction_of_its_statement() {
    let mut session = daemon().await.session("app").await.unwrap();
    let rows = "SELECT n FROM notes, generate_series(1, 5) n WHERE tenant_id = 4 ORDER BY n";
    say(&mut session, &[Q("BEGIN")]).await;
    let first = say(&mut session, &[P("rows", rows), B("p", "rows", &[]), E("p", 2), S]).await;
    assert_eq!(values(&first), ["1", "2"]);
    for text in [
        "SELECT 11 + id FROM notes WHERE tenant_id = 4",
        "SELECT 12 + id FROM notes WHERE tenant_id = 4",
        "SELECT 13 + id FROM notes WHERE tenant_id = 4",
    ] {
        say(&mut session, &[P("", text), B("", "", &[]), E("", 0), S]).await;
    }
    assert_eq!(values(&say(&mut session, &[E("p", 0), S]).await), ["3", "4", "5"]);
    say(&mut session, &[Cs("rows"), Q("COMMIT")]).await;
    let again = say(&mut session, &[P("rows", rows), B("p", "rows", &[]), E("p", 0), S]).await;
    assert_eq!(values(&again).len(), 5, "the name is free again: {again:?}");
}

/// One client adds a column: both must prepare their statement again, as before one PostgreSQL, and then get the new
/// column on whichever server.
#[tokio::test]
async fn a_column_that_comes_is_seen_by_both_clients_of_a_prepared_statement() {
    const TEXT: &str = "SELECT * FROM looks WHERE tenant_id = $1";
    let daemon = daemon().await;
    let (mut one, mut other) = (daemon.session("app").await.unwrap(), daemon.session("app").await.unwrap());
    let widths = async |session: &mut Session| {
        let mut widths = Vec::new();
        for tenant in ["1", "2", "3", "4", "5", "6"] {
            let tenant: &'static [Option<&'static str>] = Box::leak(Box::new([Some(tenant)]));
            let heard = say(session, &[B("", "all", tenant), Dp(""), E("", 0), S]).await;
            let described = heard.iter().find_map(|message| match message {
                Message::Columns(columns) => Some(columns.len()),
                _ => None,
            });
            let told = heard.iter().find_map(|message| match message {
                Message::Row(row) => Some(row.len()),
                _ => None,
            });
            assert_eq!(described, told, "{heard:?}");
            assert!(told.is_some(), "{heard:?}");
            widths.extend(told);
        }
        widths
    };
    for session in [&mut one, &mut other] {
        say(session, &[P("all", TEXT), S]).await;
        assert_eq!(widths(session).await, [2; 6]);
    }
    assert_eq!(one.ask("ALTER TABLE looks ADD COLUMN more text").await.unwrap().fault, None);
    for session in [&mut one, &mut other] {
        let heard = say(session, &[B("", "all", &[Some("1")]), Dp(""), E("", 0), S]).await;
        let Message::Error(fault) = &heard[0] else { panic!("{heard:?}") };
        assert_eq!(fault.message, "cached plan must not change result type");
        say(session, &[Cs("all"), P("all", TEXT), S]).await;
        assert_eq!(widths(session).await, [3; 6]);
    }
}

/// The answer of one who reads nothing waits in the server; timeouts, or its end by the console, bring the
/// connection back.
#[tokio::test]
async fn who_reads_nothing_gives_its_connection_back_when_its_time_is_over() {
    let daemon = daemon().await;
    for (user, begins, killed) in [("hasty", false, false), ("brief", true, false), ("killed", true, true)] {
        let mut deaf = Session::open(daemon.port(), user, "app", &[]).await.unwrap();
        if begins {
            deaf.ask("BEGIN").await.unwrap();
        }
        let large = "SELECT repeat('x', 10000) FROM notes, generate_series(1, 20000) WHERE tenant_id = 1";
        send(&mut deaf, &[Q(large)]).await;
        if killed {
            let console = daemon.console().await.unwrap();
            console.simple_query(&format!("KILL_CLIENT {}", deaf.backend_key().0)).await.unwrap();
        }
        let mut next = Session::open(daemon.port(), user, "app", &[]).await.unwrap();
        until(&format!("{user}'s connection comes back"), PATIENCE, async || {
            next.ask("SELECT id FROM notes WHERE tenant_id = 1").await.unwrap().fault.is_none()
        })
        .await;
        drop(deaf);
    }
}

#[tokio::test]
async fn of_settings_that_are_given_twice_the_last_one_counts() {
    let twice = [
        ("options", "-c work_mem=1MB -c statement_timeout=7s"),
        ("application_name", "first"),
        ("options", "-c work_mem=2MB -c work_mem=3MB"),
        ("application_name", "second"),
        ("lock_timeout", "1s"),
        ("lock_timeout", "2s"),
    ];
    let question = "SELECT current_setting('work_mem') || ' ' || current_setting('lock_timeout') || ' ' || current_setting('statement_timeout') || ' ' || current_setting('application_name')";
    let mut session = Session::open(daemon().await.port(), APP_USER, "app", &twice).await.unwrap();
    let port = stage().await.0.server(0).node(0).port();
    let mut direct = Session::open(port, APP_USER, "app", &twice).await.unwrap();
    let expected = direct.ask(question).await.unwrap();
    assert_eq!(expected.value(), "3MB 2s 0 second");
    assert_eq!(session.ask(question).await.unwrap(), expected);
}

/// A client of a later protocol, with an option that nobody knows, is told what is spoken here, and gets in.
#[tokio::test]
async fn a_client_from_the_future_is_told_what_is_spoken_here() {
    let daemon = daemon().await;
    let mut body = vec![0, 3, 0x27, 0x0f];
    for word in ["user", APP_USER, "_pq_.test_protocol_negotiation", "", "database", "app", ""] {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    let mut stream = TcpStream::connect(("127.0.0.1", daemon.port())).await.unwrap();
    stream.write_all(&u32::try_from(body.len() + 4).unwrap().to_be_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[0], b'v');
    let mut told = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4];
    stream.read_exact(&mut told).await.unwrap();
    let expected = [&[0, 3, 0, 2, 0, 0, 0, 1][..], b"_pq_.test_protocol_negotiation\0"].concat();
    assert_eq!(told, expected);
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[0], b'R', "the login goes on");
}

/// Whatever pgherd makes of a text, errors point into the client's.
#[tokio::test]
async fn an_error_points_into_the_text_that_the_client_sent() {
    let (fleet, daemon) = stage().await;
    let direct = fleet.server(0).node(0).port();
    let tenant = [("options", "-c app.tenant=1")];
    let wrongs = [
        "SELECT nope FROM notes",
        "SELECT id FROM notes WHERE id = 1 AND nope = 2",
        "SELECT 'ä', n.id FROM notes n JOIN looks l USING (tenant_id, id) WHERE nope = 1",
        "SELECT 1; SELECT nope FROM notes",
        "SELECT id FROM notes; SELECT 'ä'; SELECT nope FROM notes",
        "UPDATE notes SET nope = 1 WHERE id = 1",
        "DELETE FROM notes WHERE nope = 1",
    ];
    let place = |answer: tests::Answer| answer.fault.map(|fault| (fault.message, fault.position)).unwrap();
    for parameters in [&[][..], &tenant] {
        let mut session = Session::open(daemon.port(), APP_USER, "app", parameters).await.unwrap();
        let mut plain = Session::open(direct, APP_USER, "app", parameters).await.unwrap();
        for sql in wrongs {
            let expected = place(plain.simple(sql).await.unwrap().pop().unwrap());
            let heard = place(session.simple(sql).await.unwrap().pop().unwrap());
            assert_eq!(heard, expected, "{sql} {parameters:?}");
            if !sql.contains(';') {
                let expected = place(plain.extended(sql, &[]).await.unwrap());
                let heard = place(session.extended(sql, &[]).await.unwrap());
                assert_eq!(heard, expected, "{sql} {parameters:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_syntax_error_is_told_in_a_failed_transaction_too() {
    let mut session = daemon().await.session("app").await.unwrap();
    say(&mut session, &[Q("BEGIN")]).await;
    for _ in 0..2 {
        let heard = say(&mut session, &[P("", "SELEC 1"), B("", "", &[]), Dp(""), E("", 2), S]).await;
        let Message::Error(fault) = &heard[0] else { panic!("{heard:?}") };
        assert_eq!(fault.sqlstate, "42601", "{heard:?}");
    }
    for text in ["SELECT 1", "SELECT id FROM notes", "SELECT count(*) FROM notes"] {
        let heard = say(&mut session, &[P("", text), B("", "", &[]), Dp(""), E("", 2), S]).await;
        let Message::Error(fault) = &heard[0] else { panic!("{heard:?}") };
        assert_eq!(fault.sqlstate, "25P02", "{heard:?}");
    }
    assert_eq!(session.ask("SELEC 1").await.unwrap().sqlstate(), "42601");
    say(&mut session, &[Q("ROLLBACK")]).await;
}
