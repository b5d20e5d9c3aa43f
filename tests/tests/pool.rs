//! The pool as operators know it: modes, bounds, timeouts, fairness.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use tests::{APP_PASSWORD, Daemon, Fleet, Session, until};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

/// Roles beside `app`, each with bounds of its own.
const ROLES: [&str; 12] = [
    "slow", "idle", "silent", "brief", "single", "keeper", "crowd", "spare", "least", "full", "wrong",
    "lonely",
];

const USERS: &str = r#"
[[user]]
name = "slow"
password = "app secret"
query_timeout = "300ms"
[[user]]
name = "idle"
password = "app secret"
idle_transaction_timeout = "300ms"
[[user]]
name = "silent"
password = "app secret"
client_idle_timeout = "300ms"
[[user]]
name = "brief"
password = "app secret"
transaction_timeout = "500ms"
[[user]]
name = "single"
password = "app secret"
pool_size = 1
[[user]]
name = "keeper"
password = "app secret"
pool_mode = "session"
pool_size = 2
[[user]]
name = "crowd"
password = "app secret"
max_user_client_connections = 2
[[user]]
name = "spare"
password = "app secret"
max_user_connections = 1
[[user]]
name = "lonely"
password = "app secret"
pool_mode = "session"
[[user]]
name = "full"
password = "app secret"
[[user]]
name = "wrong"
password = "app secret"
[pool]
wait_timeout = "1s"
"#;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon) {
    let start = async || {
        let fleet = Fleet::builder().servers(1).start().await.unwrap();
        let admin = fleet.server(0).connect("app").await.unwrap();
        for role in ROLES {
            admin
                .batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD '{APP_PASSWORD}'"))
                .await
                .unwrap();
        }
        admin.batch_execute("ALTER ROLE full CONNECTION LIMIT 1").await.unwrap();
        admin.batch_execute("ALTER ROLE wrong PASSWORD 'another'").await.unwrap();
        let daemon = fleet.daemon().section(USERS).start().await.unwrap();
        let client = daemon.connect().await.unwrap();
        let make = "CREATE TABLE notes (tenant_id bigint, note_id int, PRIMARY KEY (tenant_id, note_id));
                    GRANT ALL ON notes TO PUBLIC";
        client.batch_execute(make).await.unwrap();
        client
            .batch_execute("INSERT INTO notes VALUES (1, 1); INSERT INTO notes VALUES (2, 1)")
            .await
            .unwrap();
        (fleet, daemon)
    };
    STAGE.get_or_init(start).await
}

async fn daemon() -> &'static Daemon {
    &stage().await.1
}

async fn session(role: &str) -> Session {
    Session::open(daemon().await.port(), role, "app", &[]).await.unwrap()
}

/// A statement of tenant 1 that takes this long.
fn sleeping(seconds: f32) -> String {
    format!("SELECT pg_sleep({seconds}) FROM notes WHERE tenant_id = 1")
}

/// The FATAL error that ends a session which says nothing more.
async fn last_words(session: &mut Session) -> String {
    let said = tokio::time::timeout(Duration::from_secs(10), session.next()).await.expect("it is ended");
    match said.unwrap() {
        tests::Message::Error(fault) => fault.sqlstate,
        other => panic!("{other:?} is not an error"),
    }
}

async fn value(client: &Client, sql: &str) -> String {
    client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0).to_string()
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_canceled_and_the_session_goes_on() {
    let mut session = session("slow").await;
    let begun = Instant::now();
    let answer = session.ask(&sleeping(20.0)).await.unwrap();
    let fault = answer.fault.unwrap();
    assert_eq!(
        (fault.sqlstate.as_str(), fault.message.as_str()),
        ("57014", "canceling statement due to query_timeout")
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(session.ask("SELECT 1").await.unwrap().value(), "1");
    session.queue_parse("", &sleeping(20.0)).unwrap().queue_bind("", &[]).unwrap().queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    let told = messages.iter().any(
        |message| matches!(message, tests::Message::Error(fault) if fault.message.ends_with("query_timeout")),
    );
    assert!(told, "{messages:?}");
}

#[tokio::test]
async fn a_client_that_is_silent_in_a_transaction_is_ended_and_its_transaction_rolled_back() {
    let mut session = session("idle").await;
    session.ask("BEGIN").await.unwrap();
    session.ask("INSERT INTO notes VALUES (1, 77)").await.unwrap();
    assert_eq!(last_words(&mut session).await, "25P03");
    let client = daemon().await.connect().await.unwrap();
    assert_eq!(value(&client, "SELECT count(*) FROM notes WHERE tenant_id = 1 AND note_id = 77").await, "0");
}

#[tokio::test]
async fn a_client_that_is_silent_outside_a_transaction_is_ended() {
    let mut session = session("silent").await;
    assert_eq!(last_words(&mut session).await, "57P05");
}

#[tokio::test]
async fn a_transaction_that_lasts_too_long_ends_its_session() {
    let mut session = session("brief").await;
    session.ask("BEGIN").await.unwrap();
    let answer = session.ask(&sleeping(20.0)).await.unwrap();
    assert_eq!(answer.sqlstate(), "57014");
    assert_eq!(last_words(&mut session).await, "25P04");
    let mut outside = self::session("brief").await;
    let fault = outside.ask(&sleeping(20.0)).await.unwrap().fault.unwrap();
    assert_eq!(fault.message, "canceling statement due to transaction timeout");
    assert_eq!(outside.ask("SELECT 1").await.unwrap().value(), "1");
}

#[tokio::test]
async fn who_gets_no_connection_in_time_is_told() {
    let mut holder = session("single").await;
    holder.ask("BEGIN").await.unwrap();
    holder.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap();
    let opened = Session::open(daemon().await.port(), "single", "app", &[]).await;
    let told = opened.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(told.contains("53300"), "{told}");
    holder.ask("COMMIT").await.unwrap();
    session("single").await.ask("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn in_session_mode_a_client_keeps_its_connection_and_the_next_finds_it_reset() {
    let mut first = session("keeper").await;
    let process = "SELECT pg_backend_pid() FROM notes WHERE tenant_id = 1";
    let kept = first.ask(process).await.unwrap().value().to_owned();
    // What the proxy cannot know of: a function sets it.
    let hidden = "DO $$ BEGIN PERFORM set_config('app.hidden', 'secret', false); PERFORM pg_advisory_lock(4711); END $$";
    assert_eq!(first.ask(hidden).await.unwrap().fault, None);
    let mut second = session("keeper").await;
    for _ in 0..3 {
        assert_eq!(first.ask(process).await.unwrap().value(), kept);
        assert_ne!(second.ask(process).await.unwrap().value(), kept);
    }
    let admin = stage().await.0.server(0).connect("app").await.unwrap();
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711";
    assert_eq!(value(&admin, locks).await, "1");
    drop(first);
    until("the kept connection is reset", Duration::from_secs(10), async || {
        value(&admin, locks).await == "0"
    })
    .await;
    let mut third = session("keeper").await;
    assert_eq!(third.ask(process).await.unwrap().value(), kept, "the connection is used again");
    let seen = "SELECT coalesce(current_setting('app.hidden', true), '') FROM notes WHERE tenant_id = 1";
    assert_eq!(third.ask(seen).await.unwrap().value(), "");
}

#[tokio::test]
async fn in_session_mode_a_lost_connection_ends_the_session() {
    let mut session = session("lonely").await;
    let process = session.ask("SELECT pg_backend_pid() FROM notes WHERE tenant_id = 1").await.unwrap();
    let admin = stage().await.0.server(0).connect("app").await.unwrap();
    admin.execute(&format!("SELECT pg_terminate_backend({})", process.value()), &[]).await.unwrap();
    assert_eq!(last_words(&mut session).await, "57P01");
    let mut busy = self::session("lonely").await;
    let process = busy.ask("SELECT pg_backend_pid() FROM notes WHERE tenant_id = 1").await.unwrap();
    let kill = format!(
        "SELECT pg_terminate_backend({}), pg_sleep(20) FROM notes WHERE tenant_id = 1",
        process.value()
    );
    assert_eq!(
        busy.ask(&kill).await.err().map(|gone| gone.to_string()),
        Some("the server closed the session".into())
    );
}

#[tokio::test]
async fn a_user_s_clients_are_counted_and_the_console_and_cancels_get_through() {
    let mut first = session("crowd").await;
    let _second = session("crowd").await;
    let third = Session::open(daemon().await.port(), "crowd", "app", &[]).await;
    let told = third.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(told.contains("53300") && told.contains("role \"crowd\""), "{told}");
    daemon().await.console().await.unwrap().simple_query("SHOW POOLS").await.unwrap();
    let key = first.cancel_key();
    let question = sleeping(20.0);
    let canceling = until("the sleeper is canceled", Duration::from_secs(10), async || {
        tests::cancel(key).await.unwrap();
        false
    });
    tokio::select! {
        answer = first.ask(&question) => assert_eq!(answer.unwrap().sqlstate(), "57014"),
        () = canceling => {}
    }
    drop(first);
    until("there is room again", Duration::from_secs(10), async || {
        Session::open(daemon().await.port(), "crowd", "app", &[]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_reload_puts_sizes_and_timeouts_in_force() {
    let (fleet, _) = stage().await;
    let users = USERS.replace("wait_timeout = \"1s\"", "wait_timeout = \"20s\"\nsize = 1");
    let daemon = fleet.daemon().name("reloaded").section(&users).start().await.unwrap();
    let mut holder = daemon.session("app").await.unwrap();
    holder.ask("BEGIN").await.unwrap();
    holder.ask(&sleeping(0.0)).await.unwrap();
    let waiting = tokio::spawn({
        let port = daemon.port();
        async move {
            Session::open(port, tests::APP_USER, "app", &[]).await.unwrap().ask("SELECT 1").await.unwrap()
        }
    });
    let before = std::fs::read_to_string(daemon.configuration()).unwrap();
    let larger = before.replace("\nsize = 1\n", "\nsize = 2\nquery_timeout = \"200ms\"\n");
    std::fs::write(daemon.configuration(), larger).unwrap();
    daemon.reload();
    assert_eq!(waiting.await.unwrap().value(), "1");
    assert_eq!(open_of_app(&daemon).await, 2);
    holder.ask("COMMIT").await.unwrap();
    assert_eq!(holder.ask(&sleeping(20.0)).await.unwrap().sqlstate(), "57014");
    std::fs::write(daemon.configuration(), before).unwrap();
    daemon.reload();
    until("one is closed", Duration::from_secs(10), async || open_of_app(&daemon).await == 1).await;
}

/// How many server connections a daemon's console counts for the user `app`.
async fn open_of_app(daemon: &Daemon) -> u32 {
    let rows = daemon.console().await.unwrap().simple_query("SHOW POOLS").await.unwrap();
    let count = |row: &tokio_postgres::SimpleQueryRow, column: &str| -> u32 {
        row.get(column).and_then(|value| value.parse().ok()).unwrap_or_default()
    };
    let of_app = |message: &tokio_postgres::SimpleQueryMessage| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) if row.get("user") == Some(tests::APP_USER) => Some(
            ["sv_active", "sv_idle", "sv_used", "sv_login"]
                .iter()
                .map(|column| count(row, column))
                .sum::<u32>(),
        ),
        _ => None,
    };
    rows.iter().filter_map(of_app).sum::<u32>()
}

#[tokio::test]
async fn a_tenant_has_its_limits_and_another_has_none_of_them() {
    let (fleet, _) = stage().await;
    let limits = "tenant_column = \"tenant_id\"\n[[database.tenant]]\nkey = \"1\"\nmax_in_flight = 1\n[[database.tenant]]\nkey = \"2\"\nmax_per_second = 3";
    let daemon = fleet.daemon().name("limited").key("database", limits).start().await.unwrap();
    let mut first = daemon.session("app").await.unwrap();
    let mut second = daemon.session("app").await.unwrap();
    let sleeper = tokio::spawn(async move {
        let answer = first.ask(&sleeping(3.25)).await.unwrap();
        (first, answer)
    });
    let admin = fleet.server(0).connect("app").await.unwrap();
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%3.25%'";
    until("it sleeps", Duration::from_secs(10), async || value(&admin, asleep).await == "1").await;
    let answer = second.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap();
    let told = answer.fault.map(|fault| fault.to_string()).unwrap_or_default();
    assert!(told.starts_with("53400: the tenant may have no more than 1 statements at once"), "{told}");
    assert_eq!(second.ask("SELECT count(*) FROM notes WHERE tenant_id = 3").await.unwrap().sqlstate(), "");
    let (mut first, answer) = sleeper.await.unwrap();
    assert_eq!(answer.sqlstate(), "");
    assert_eq!(second.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap().sqlstate(), "");
    let mut refused = 0;
    for _ in 0..30 {
        let answer = first.ask("SELECT count(*) FROM notes WHERE tenant_id = 2").await.unwrap();
        refused += usize::from(answer.sqlstate() == "53400");
    }
    assert!(refused > 0 && refused < 30, "{refused} of 30 were refused");
}

#[tokio::test]
async fn a_flood_of_one_tenant_leaves_room_for_another() {
    let (fleet, _) = stage().await;
    let daemon = fleet.daemon().name("flooded").section("[pool]\nsize = 4").start().await.unwrap();
    let mut other = daemon.session("app").await.unwrap();
    other.ask("SELECT count(*) FROM notes WHERE tenant_id = 2").await.unwrap();
    let mut flood = Vec::new();
    for _ in 0..12 {
        let mut session = daemon.session("app").await.unwrap();
        flood.push(tokio::spawn(async move {
            for _ in 0..2 {
                session.ask(&sleeping(0.5)).await.unwrap();
            }
        }));
    }
    let admin = fleet.server(0).connect("app").await.unwrap();
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND wait_event = 'PgSleep'";
    until("the flood is there", Duration::from_secs(10), async || value(&admin, asleep).await == "2").await;
    let mut slowest = Duration::ZERO;
    for _ in 0..40 {
        let begun = Instant::now();
        other.ask("SELECT count(*) FROM notes WHERE tenant_id = 2").await.unwrap();
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_millis(400), "it waited {slowest:?} behind statements of half a second");
    for task in flood {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn bounds_of_a_user_hold_over_its_databases_and_idle_ones_make_room() {
    let (fleet, _) = stage().await;
    let daemon = daemon().await;
    let mut session = session("spare").await;
    session.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap();
    let admin = fleet.server(0).connect("app").await.unwrap();
    let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'spare'";
    assert_eq!(value(&admin, open).await, "1");
    session.ask("BEGIN").await.unwrap();
    session.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap();
    assert!(Session::open(daemon.port(), "spare", "app", &[]).await.is_err(), "the only connection is lent");
    assert_eq!(value(&admin, open).await, "1");
    session.ask("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_pool_keeps_its_least_and_uses_its_reserve_when_somebody_waits_for_long() {
    let (fleet, _) = stage().await;
    let pool = "[[user]]\nname = \"least\"\npassword = \"app secret\"\n[pool]\nsize = 1\nreserve_size = 1
                reserve_timeout = \"200ms\"\nmin_size = 1\nidle_timeout = \"100ms\"";
    let daemon = fleet.daemon().name("reserve").section(pool).start().await.unwrap();
    let open = async || Session::open(daemon.port(), "least", "app", &[]).await.unwrap();
    let mut holder = open().await;
    holder.ask("BEGIN").await.unwrap();
    holder.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap();
    let mut other = open().await;
    assert_eq!(other.ask("SELECT 1").await.unwrap().value(), "1");
    let admin = fleet.server(0).connect("app").await.unwrap();
    let of = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'least'";
    assert_eq!(value(&admin, of).await, "2", "one is of the reserve");
    holder.ask("COMMIT").await.unwrap();
    let rested = format!("{of} AND state_change < now() - interval '3 s'");
    until("one is kept unused", Duration::from_secs(15), async || value(&admin, &rested).await == "1").await;
    assert_eq!(value(&admin, of).await, "1", "and only one");
}

#[tokio::test]
async fn code_that_runs_in_a_session_takes_nothing_from_it() {
    let mut session = daemon().await.session("app").await.unwrap();
    session.ask("SELECT pg_advisory_lock(4712) FROM notes WHERE tenant_id = 1").await.unwrap();
    assert_eq!(session.ask("DO $$ BEGIN PERFORM 1; END $$").await.unwrap().fault, None);
    session.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap();
    let admin = stage().await.0.server(0).connect("app").await.unwrap();
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712";
    assert_eq!(value(&admin, locks).await, "1");
}

#[tokio::test]
async fn a_server_that_has_no_connection_left_is_waited_for() {
    let mut holder = session("full").await;
    let mut other = session("full").await;
    holder.ask("BEGIN").await.unwrap();
    holder.ask("SELECT count(*) FROM notes WHERE tenant_id = 1").await.unwrap();
    let mut waiting = tokio::spawn(async move { other.ask("SELECT 2").await.unwrap() });
    let early = tokio::time::timeout(Duration::from_millis(400), &mut waiting).await;
    assert!(early.is_err(), "{early:?}");
    holder.ask("COMMIT").await.unwrap();
    assert_eq!(waiting.await.unwrap().value(), "2");
}

#[tokio::test]
async fn a_login_that_fails_is_not_tried_again_at_once_and_its_error_is_told() {
    let refused = async || {
        let opened = Session::open(daemon().await.port(), "wrong", "app", &[]).await;
        opened.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(refused().await.contains("password authentication failed"));
    let again = refused().await;
    assert!(again.contains("server login has been failing") && again.contains("password auth"), "{again}");
    until("it is tried again", Duration::from_secs(10), async || {
        !refused().await.contains("has been failing")
    })
    .await;
}
