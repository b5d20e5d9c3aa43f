//! Who knows PgBouncer's console knows pgherd's, and what an operator does there happens.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tests::{Daemon, Fleet, Message, Session, until};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, SimpleQueryMessage};

const PATIENCE: Duration = Duration::from_secs(10);

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon) {
    let start = async || {
        let fleet = Fleet::builder()
            .servers(1)
            .database("held")
            .database("shut")
            .database("killed")
            .database("herded")
            .database("waited")
            .start()
            .await
            .unwrap();
        let daemon = fleet.daemon().key("admin", "stats_users = [\"app\"]").start().await.unwrap();
        (fleet, daemon)
    };
    STAGE.get_or_init(start).await
}

async fn daemon() -> &'static Daemon {
    &stage().await.1
}

/// The rows of a command as maps from column to value.
async fn rows(console: &Client, words: &str) -> Vec<Vec<(String, Option<String>)>> {
    let messages = console.simple_query(words).await.unwrap();
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| {
        let value =
            |index: usize| (row.columns()[index].name().to_owned(), row.get(index).map(str::to_owned));
        (0..row.len()).map(value).collect()
    })
    .collect()
}

fn of<'a>(row: &'a [(String, Option<String>)], column: &str) -> &'a str {
    let value = row.iter().find(|(name, _)| name == column).unwrap_or_else(|| panic!("no column {column}"));
    value.1.as_deref().unwrap_or_default()
}

async fn refused(client: &Client, words: &str) -> String {
    let error = client.simple_query(words).await.expect_err(words);
    error.code().map(|code| code.code().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn exporters_find_the_columns_they_ask_for() {
    let daemon = daemon().await;
    let mut app = daemon.session("app").await.unwrap();
    app.ask("SELECT 1").await.unwrap();
    let console = tests::connect(&daemon.url("pgbouncer", "postgres")).await.unwrap();
    console.simple_query(";").await.unwrap();
    for (words, columns) in [
        (
            "SHOW STATS",
            "database total_xact_count total_query_count total_received total_sent total_xact_time total_query_time total_wait_time total_server_assignment_count total_client_parse_count total_server_parse_count total_bind_count avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time avg_query_time avg_wait_time",
        ),
        (
            "SHOW STATS_TOTALS",
            "database xact_count query_count bytes_received bytes_sent xact_time query_time wait_time",
        ),
        (
            "SHOW STATS_AVERAGES",
            "database xact_count query_count bytes_received bytes_sent xact_time query_time wait_time",
        ),
        (
            "SHOW POOLS",
            "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode",
        ),
        (
            "SHOW DATABASES",
            "name host port database force_user pool_size reserve_pool_size pool_mode max_connections current_connections paused disabled",
        ),
        ("SHOW LISTS", "list items"),
        ("SHOW CONFIG", "key value default changeable"),
        ("SHOW VERSION", "version"),
        (
            "SHOW CLIENTS",
            "type user database state addr port connect_time request_time wait wait_us close_needed ptr link remote_pid tls application_name",
        ),
        ("SHOW SERVERS", "type user database state addr port connect_time link remote_pid tls id"),
        ("SHOW USERS", "name pool_mode"),
        ("SHOW STATE", "key value"),
        ("SHOW MEM", "name size used free memtotal"),
        ("SHOW TOTALS", "name value"),
        ("SHOW PREPARED_STATEMENTS", "database user client_parse_count"),
        ("SHOW NODES", "server node role"),
    ] {
        let rows = rows(&console, words).await;
        assert!(!rows.is_empty(), "{words} has rows");
        for column in columns.split(' ') {
            of(&rows[0], column);
        }
    }
    let keys = rows(&console, "SHOW CONFIG").await;
    assert!(keys.iter().any(|row| of(row, "key") == "max_client_conn" && of(row, "value") == "10000"));
    let lists = rows(&console, "show lists;").await;
    assert!(lists.iter().any(|row| of(row, "list") == "used_clients" && of(row, "items") != "0"));
}

#[tokio::test]
async fn a_pool_has_one_line_and_what_was_done_is_counted() {
    let daemon = daemon().await;
    let mut app = daemon.session("app").await.unwrap();
    let console = daemon.console().await.unwrap();
    let count = async |column: &str| {
        let stats = rows(&console, "SHOW STATS").await;
        of(stats.iter().find(|row| of(row, "database") == "app").unwrap(), column).parse::<u64>().unwrap()
    };
    let before =
        (count("total_query_count").await, count("total_xact_count").await, count("total_rows").await);
    app.ask("SELECT generate_series(1, 7)").await.unwrap();
    app.extended("SELECT generate_series(1, 5)", &[]).await.unwrap();
    app.ask("SELECT 1 / 0").await.unwrap();
    until("the counters have grown", PATIENCE, async || {
        count("total_query_count").await >= before.0 + 3
            && count("total_xact_count").await >= before.1 + 3
            && count("total_rows").await >= before.2 + 12
    })
    .await;
    assert!(
        count("total_errors").await >= 1
            && count("total_received").await > 0
            && count("total_sent").await > 0
    );
    let pools = rows(&console, "SHOW POOLS").await;
    let lines = pools.iter().filter(|row| of(row, "database") == "app" && of(row, "user") == "app").count();
    assert_eq!(lines, 1, "an exporter takes database and user for a pool's name");
    let (_, metrics) = daemon.page("/metrics").await.unwrap();
    assert!(metrics.contains("pgherd_session_rows_total{database=\"app\",user=\"app\"}"), "{metrics}");
    for counted in ["rows", "received_bytes", "sent_bytes"] {
        let name = format!("pgherd_server_{counted}_total{{server=\"alpha\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        assert!(line.unwrap().parse::<u64>().unwrap() >= 12, "{counted}: {metrics}");
    }
    assert!(metrics.contains("pgherd_errors_total{database=\"app\",sqlstate_class=\"22\"}"), "{metrics}");
}

#[tokio::test]
async fn numbers_are_numbers_in_the_extended_protocol_too() {
    let console = daemon().await.console().await.unwrap();
    let lists = console.prepare("SHOW LISTS").await.unwrap();
    let databases = console.prepare("SHOW DATABASES").await.unwrap();
    let rows = console.query(&lists, &[]).await.unwrap();
    let items = rows.iter().find(|row| row.get::<_, &str>("list") == "databases").unwrap();
    assert_eq!(items.get::<_, i64>("items"), 6);
    let rows = console.query(&databases, &[]).await.unwrap();
    assert_eq!((rows.len(), rows[0].get::<_, &str>("name"), rows[0].get::<_, i64>("paused")), (6, "app", 0));
}

#[tokio::test]
async fn who_may_only_look_changes_nothing() {
    let daemon = daemon().await;
    let looking = tests::connect(&daemon.url("pgherd", "app")).await.unwrap();
    assert!(!rows(&looking, "SHOW POOLS").await.is_empty());
    for words in [
        "PAUSE",
        "RESUME",
        "RECONNECT",
        "KILL",
        "KILL app",
        "KILL_CLIENT 1",
        "DISABLE app",
        "ENABLE app",
        "WAIT_CLOSE",
        "RELOAD",
        "SHUTDOWN",
        "SHUTDOWN WAIT_FOR_CLIENTS",
        "CHECK",
        "MOVE GC",
        "MOVE ABORT 1",
        "MOVE START TENANTS '1' TO alpha",
    ] {
        assert_eq!(refused(&looking, words).await, "42501", "{words}");
    }
    assert_eq!(daemon.session("app").await.unwrap().ask("SELECT 1").await.unwrap().value(), "1");
}

#[tokio::test]
async fn garbage_is_a_syntax_error_and_the_console_goes_on() {
    let daemon = daemon().await;
    let console = daemon.console().await.unwrap();
    for words in ["SELECT 1", "SHOW", "PAUSE 'app", "\u{e9}\u{0}", "KILL_CLIENT x", "((((", "PAUSE a b c"] {
        let _ = console.simple_query(words).await;
    }
    for (words, sqlstate) in [
        ("SELECT 1", "42601"),
        ("KILL_CLIENT x", "42601"),
        ("KILL_CLIENT 0", "42704"),
        ("SHOW NONSENSE", "42704"),
        ("PAUSE nowhere", "3D000"),
        ("DISABLE nowhere", "3D000"),
        ("RESUME app", "55000"),
        ("SET nothing_such = 3", "22023"),
        ("SUSPEND", "0A000"),
    ] {
        assert_eq!(refused(&console, words).await, sqlstate, "{words}");
    }
    console.simple_query("SET client_encoding TO 'UTF8'").await.unwrap();
    let mut session = Session::open(daemon.port(), "postgres", "pgherd", &[]).await.unwrap();
    session.queue(b"B\0\0\0\x05x").sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(matches!(messages[0], Message::Error(_)), "{messages:?}");
    assert_eq!(session.ask("SHOW HELP").await.unwrap().tag, "SHOW");
    let help = session.notices.last().unwrap();
    assert!(help.message == "Console usage" && help.detail.contains("SHOW POOLS"), "{help:?}");
}

#[tokio::test]
async fn a_pause_waits_for_transactions_and_holds_statements_until_it_is_resumed() {
    let daemon = daemon().await;
    let console = daemon.console().await.unwrap();
    let (mut inside, mut outside) =
        (daemon.session("held").await.unwrap(), daemon.session("held").await.unwrap());
    inside.ask("BEGIN").await.unwrap();
    inside.ask("SELECT 1").await.unwrap();
    let pause = async { console.simple_query("PAUSE held").await.unwrap() };
    let waits = async {
        let other = daemon.console().await.unwrap();
        until("the pause has begun", PATIENCE, async || {
            let databases = rows(&other, "SHOW DATABASES").await;
            databases.iter().any(|row| of(row, "name") == "held" && of(row, "paused") == "1")
        })
        .await;
        assert_eq!(
            inside.ask("SELECT 2").await.unwrap().value(),
            "2",
            "a transaction that has begun goes on"
        );
        inside.ask("COMMIT").await.unwrap();
    };
    tokio::join!(pause, waits);
    let held = async { outside.ask("SELECT 3").await.unwrap().value().to_owned() };
    let resume = async {
        until("the statement waits", PATIENCE, async || {
            let clients = rows(&console, "SHOW CLIENTS").await;
            clients.iter().any(|row| of(row, "database") == "held" && of(row, "state") == "waiting")
        })
        .await;
        console.simple_query("RESUME held").await.unwrap();
    };
    assert_eq!(tokio::join!(held, resume).0, "3");
}

#[tokio::test]
async fn a_client_that_is_killed_is_told_and_its_transaction_is_rolled_back() {
    let daemon = daemon().await;
    let console = daemon.console().await.unwrap();
    let mut client =
        Session::open(daemon.port(), "app", "app", &[("application_name", "victim")]).await.unwrap();
    client.ask("BEGIN").await.unwrap();
    client.ask("SELECT 1").await.unwrap();
    let clients = rows(&console, "SHOW CLIENTS").await;
    let id = of(clients.iter().find(|row| of(row, "application_name") == "victim").unwrap(), "id").to_owned();
    console.simple_query(&format!("KILL_CLIENT {id}")).await.unwrap();
    match client.next().await.unwrap() {
        Message::Error(fault) => assert_eq!(fault.sqlstate, "57P01"),
        other => panic!("{other:?}"),
    }
    until("it is gone", PATIENCE, async || {
        let clients = rows(&console, "SHOW CLIENTS").await;
        !clients.iter().any(|row| of(row, "application_name") == "victim")
    })
    .await;
}

#[tokio::test]
async fn a_disabled_database_lets_nobody_in_and_keeps_who_is_there() {
    let daemon = daemon().await;
    let console = daemon.console().await.unwrap();
    let mut inside = daemon.session("shut").await.unwrap();
    console.simple_query("DISABLE shut").await.unwrap();
    let error = daemon.session("shut").await.unwrap_err().to_string();
    assert!(error.contains("not currently accepting connections"), "{error}");
    assert_eq!(inside.ask("SELECT 1").await.unwrap().value(), "1");
    console.simple_query("ENABLE shut").await.unwrap();
    daemon.session("shut").await.unwrap();
}

#[tokio::test]
async fn a_killed_database_drops_its_clients_and_waits_for_resume() {
    let daemon = daemon().await;
    let console = daemon.console().await.unwrap();
    let mut client = daemon.session("killed").await.unwrap();
    client.ask("SELECT 1").await.unwrap();
    console.simple_query("KILL killed").await.unwrap();
    assert!(matches!(client.next().await.unwrap(), Message::Error(fault) if fault.sqlstate == "57P01"));
    let databases = rows(&console, "SHOW DATABASES").await;
    assert_eq!(of(databases.iter().find(|row| of(row, "name") == "killed").unwrap(), "paused"), "1");
    console.simple_query("RESUME killed").await.unwrap();
    let mut again = daemon.session("killed").await.unwrap();
    assert_eq!(again.ask("SELECT 1").await.unwrap().value(), "1");
}

#[tokio::test]
async fn reconnect_gives_every_session_new_connections() {
    let daemon = daemon().await;
    let console = daemon.console().await.unwrap();
    let mut client = daemon.session("app").await.unwrap();
    // In a larger statement it is the server's process, not the session's.
    let question = "SELECT pg_backend_pid() + 0";
    client.ask("BEGIN").await.unwrap();
    let before = client.ask(question).await.unwrap();
    console.simple_query("RECONNECT app").await.unwrap();
    assert_eq!(client.ask(question).await.unwrap(), before, "a transaction keeps its connection");
    client.ask("COMMIT").await.unwrap();
    console.simple_query("WAIT_CLOSE app").await.unwrap();
    assert_ne!(client.ask(question).await.unwrap(), before);
}

#[tokio::test]
async fn the_busiest_tenants_are_shown_with_what_they_did() {
    let daemon = daemon().await;
    let mut app = daemon.session("app").await.unwrap();
    app.ask("CREATE TABLE busy (tenant_id bigint PRIMARY KEY, body text)").await.unwrap();
    for tenant in [7, 7, 7, 8] {
        app.ask(&format!("INSERT INTO busy VALUES ({tenant}) ON CONFLICT DO NOTHING")).await.unwrap();
    }
    app.extended("SELECT * FROM busy WHERE tenant_id = $1", &[Some("7".to_owned())]).await.unwrap();
    app.ask("SELECT count(*) FROM busy").await.unwrap();
    drop(app);
    let console = daemon.console().await.unwrap();
    until("both tenants are shown", PATIENCE, async || {
        let tenants = rows(&console, "SHOW TENANT_STATS").await;
        let count = |tenant: &str, column: &str| {
            tenants.iter().find(|row| of(row, "tenant") == tenant).map(|row| of(row, column).to_owned())
        };
        count("7", "total_xact_count").as_deref() == Some("4")
            && count("8", "total_query_count").as_deref() == Some("1")
    })
    .await;
    let (_, metrics) = daemon.page("/metrics").await.unwrap();
    assert!(metrics.contains("pgherd_tenant_rows_total{database=\"app\",tenant=\"7\"} 2"), "{metrics}");
}

#[tokio::test]
async fn herdctl_says_the_same_words() {
    let daemon = daemon().await;
    daemon.asked(&["pause", "herded"]).await.unwrap();
    let state = async || {
        let databases = daemon.asked(&["--json", "databases"]).await.unwrap();
        let databases: serde_json::Value = serde_json::from_str(&databases).unwrap();
        let row = databases.as_array().unwrap().iter().find(|row| row["name"] == "herded").unwrap().clone();
        (row["paused"].to_string(), row["disabled"].to_string())
    };
    assert_eq!(state().await, ("\"1\"".to_owned(), "\"0\"".to_owned()));
    daemon.asked(&["resume", "herded"]).await.unwrap();
    daemon.asked(&["disable", "herded"]).await.unwrap();
    assert_eq!(state().await, ("\"0\"".to_owned(), "\"1\"".to_owned()));
    for words in [
        &["enable", "herded"][..],
        &["reconnect", "herded"],
        &["wait-close", "herded"],
        &["kill", "herded"],
        &["resume", "herded"],
    ] {
        daemon.asked(words).await.unwrap();
    }
    for words in ["pools", "clients", "stats", "servers", "status", "reload"] {
        daemon.asked(&[words]).await.unwrap();
    }
    assert!(!daemon.herdctl(&["kill-client", "0"]).await.unwrap().status.success());
}

#[tokio::test]
async fn a_pause_that_waits_can_be_cancelled_and_its_client_may_leave() {
    let daemon = daemon().await;
    let mut inside = daemon.session("waited").await.unwrap();
    inside.ask("BEGIN").await.unwrap();
    inside.ask("SELECT 1").await.unwrap();
    let mut console = Session::open(daemon.port(), "postgres", "pgherd", &[]).await.unwrap();
    let other = daemon.console().await.unwrap();
    let (_, process, secret) = console.cancel_key();
    let waits = async { console.ask("PAUSE waited").await.unwrap().sqlstate().to_owned() };
    let cancels = async {
        until("the pause waits", PATIENCE, async || {
            let clients = rows(&other, "SHOW CLIENTS").await;
            clients.iter().any(|row| of(row, "id") == process.to_string() && of(row, "state") == "waiting")
        })
        .await;
        tests::cancel((daemon.port(), process, secret)).await.unwrap();
    };
    assert_eq!(tokio::join!(waits, cancels).0, "57014");
    assert_eq!(console.ask("RESUME waited").await.unwrap().tag, "RESUME");
    inside.ask("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_set_is_in_force_until_the_file_is_read_again() {
    let daemon = daemon().await;
    let console = daemon.console().await.unwrap();
    let shown = async |words: &str| of(&rows(&console, words).await[0], "value").to_owned();
    let before = shown("SHOW pool.size").await;
    console.simple_query("SET default_pool_size = 33").await.unwrap();
    assert_eq!(
        (shown("SHOW pool.size").await.as_str(), shown("show DEFAULT_POOL_SIZE").await.as_str()),
        ("33", "33")
    );
    let databases = rows(&console, "SHOW DATABASES").await;
    assert_eq!(of(&databases[0], "pool_size"), "33");
    for (words, state) in [
        ("SET pool.size = many", "22023"),
        ("SET no.such = 1", "22023"),
        ("SET proxy.worker_threads = 7", "22023"),
        ("SET admin.user = 'app'", "22023"),
    ] {
        assert_eq!(refused(&console, words).await, state, "{words}");
    }
    console.simple_query("RELOAD").await.unwrap();
    assert_eq!(shown("SHOW pool.size").await, before);
}

/// The columns of PgBouncer 1.24, in its order; pgherd's own stand behind them.
#[tokio::test]
async fn pgbouncers_columns_come_first_and_in_its_order() {
    let console = daemon().await.console().await.unwrap();
    const SOCKETS: &str = "type user database replication state addr port local_addr local_port connect_time request_time wait wait_us close_needed ptr link remote_pid tls application_name prepared_statements id";
    for (words, columns) in [
        (
            "SHOW DATABASES",
            "name host port database force_user pool_size min_pool_size reserve_pool_size server_lifetime pool_mode load_balance_hosts max_connections current_connections max_client_connections current_client_connections paused disabled",
        ),
        ("SHOW LISTS", "list items"),
        (
            "SHOW USERS",
            "name pool_size reserve_pool_size pool_mode max_user_connections current_connections max_user_client_connections current_client_connections",
        ),
        ("SHOW CLIENTS", SOCKETS),
        ("SHOW SERVERS", SOCKETS),
        (
            "SHOW POOLS",
            "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode load_balance_hosts",
        ),
        ("SHOW MEM", "name size used free memtotal"),
        ("SHOW STATE", "key value"),
        ("SHOW CONFIG", "key value default changeable"),
        ("SHOW VERSION", "version"),
        (
            "SHOW STATS",
            "database total_server_assignment_count total_xact_count total_query_count total_received total_sent total_xact_time total_query_time total_wait_time total_client_parse_count total_server_parse_count total_bind_count avg_server_assignment_count avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time avg_query_time avg_wait_time avg_client_parse_count avg_server_parse_count avg_bind_count",
        ),
        (
            "SHOW STATS_TOTALS",
            "database server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time client_parse_count server_parse_count bind_count",
        ),
        (
            "SHOW STATS_AVERAGES",
            "database server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time avg_client_parse_count avg_server_parse_count avg_bind_count",
        ),
        ("SHOW TOTALS", "name value"),
    ] {
        let statement = console.prepare(words).await.unwrap();
        let names: Vec<&str> = statement.columns().iter().map(|column| column.name()).collect();
        let wanted: Vec<&str> = columns.split(' ').collect();
        assert_eq!(names.get(..wanted.len()), Some(wanted.as_slice()), "{words}");
    }
}

#[tokio::test]
async fn a_client_and_the_connection_it_uses_name_each_other() {
    let daemon = daemon().await;
    let console = daemon.console().await.unwrap();
    let mut app = daemon.session("app").await.unwrap();
    app.ask("BEGIN").await.unwrap();
    app.ask("SELECT 1").await.unwrap();
    let id = app.backend_key().0.to_string();
    let servers = rows(&console, "SHOW SERVERS").await;
    let server = servers.iter().find(|row| of(row, "link") == id).expect("a connection of the client's");
    let clients = rows(&console, "SHOW CLIENTS").await;
    let client = clients.iter().find(|row| of(row, "id") == id).unwrap();
    assert_eq!(of(client, "link"), of(server, "ptr"));
    app.ask("COMMIT").await.unwrap();
    let servers = rows(&console, "SHOW SERVERS").await;
    assert!(servers.iter().all(|row| of(row, "link") != id));
}
