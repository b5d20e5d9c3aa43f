//! A session through pgherd is a session with PostgreSQL, whichever connections serve it.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tests::{Daemon, Fleet, Message, Session, until};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon) {
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
    STAGE.get_or_init(start).await
}

async fn daemon() -> &'static Daemon {
    &stage().await.1
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
        (answer, session)
    });
    let token = (port, process, secret);
    until("the statement is cancelled", Duration::from_secs(10), async || {
        tests::cancel(token).await.unwrap();
        running.is_finished()
    })
    .await;
    // The request's connection closed after it was passed on: none comes late and hits the next statement.
    let (cancelled, mut session) = running.await.unwrap();
    let next = session.ask("SELECT 1").await.unwrap();
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

/// The messages of a pipeline of statements without parameters, each bound and executed, up to ReadyForQuery.
async fn pipeline(session: &mut Session, statements: &[&str]) -> Vec<Message> {
    for sql in statements {
        session.queue_parse("", sql).unwrap().queue_bind("", &[]).unwrap().queue_execute(0).unwrap();
    }
    session.sync().await.unwrap();
    session.until_ready().await.unwrap()
}

async fn count(session: &mut Session, note: i32) -> String {
    let question = format!("SELECT count(*) FROM notes WHERE note_id = {note}");
    session.ask(&question).await.unwrap().value().to_owned()
}

#[tokio::test]
async fn a_pipeline_that_fails_leaves_nothing_of_itself() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    // An error of the proxy's, of a server's, and one after the pipeline has turned to another server.
    for (round, fault) in [
        "UPDATE notes SET tenant_id = 7 WHERE tenant_id = 1",
        "SELECT 1 / 0",
        "INSERT INTO notes VALUES (2, 1, 'twice')",
    ]
    .into_iter()
    .enumerate()
    {
        let inserts: Vec<String> =
            (101..=112).map(|tenant| format!("INSERT INTO notes VALUES ({tenant}, 500, 'half')")).collect();
        let mut statements: Vec<&str> = inserts.iter().map(String::as_str).collect();
        statements.push(fault);
        let messages = pipeline(&mut session, &statements).await;
        let errors = messages.iter().filter(|message| matches!(message, Message::Error(_))).count();
        assert_eq!(errors, 1, "round {round}: {messages:?}");
        assert_eq!(count(&mut session, 500).await, "0", "round {round}");
        let messages = pipeline(&mut session, &[statements[0], fault]).await;
        assert!(matches!(messages[messages.len() - 2], Message::Error(_)), "{messages:?}");
        let mut other = daemon.session("app").await.unwrap();
        for _ in 0..3 {
            assert_eq!(count(&mut other, 500).await, "0", "round {round}");
        }
    }
}

#[tokio::test]
async fn a_pipeline_over_servers_is_one_transaction() {
    let mut session = daemon().await.session("app").await.unwrap();
    let inserts: Vec<String> =
        (101..=112).map(|tenant| format!("INSERT INTO notes VALUES ({tenant}, 600, 'whole')")).collect();
    let statements: Vec<&str> = inserts.iter().map(String::as_str).collect();
    let messages = pipeline(&mut session, &statements).await;
    assert_eq!(messages.last(), Some(&Message::Ready('I')));
    assert!(!messages.iter().any(|message| matches!(message, Message::Error(_))), "{messages:?}");
    assert_eq!(count(&mut session, 600).await, "12");
}

#[tokio::test]
async fn an_error_in_a_transaction_is_heard_until_its_end_in_the_extended_protocol() {
    let mut session = daemon().await.session("app").await.unwrap();
    pipeline(&mut session, &["BEGIN", "INSERT INTO notes VALUES (103, 700, 'never')"]).await;
    let messages = pipeline(&mut session, &["SELECT 1 / 0"]).await;
    assert_eq!(messages.last(), Some(&Message::Ready('E')));
    let messages = pipeline(&mut session, &["SELECT 1"]).await;
    let told = messages.iter().find_map(|message| match message {
        Message::Error(fault) => Some(fault.sqlstate.as_str()),
        _ => None,
    });
    assert_eq!(told, Some("25P02"), "{messages:?}");
    let messages = pipeline(&mut session, &["COMMIT"]).await;
    assert!(messages.contains(&Message::Complete("ROLLBACK".to_owned())), "{messages:?}");
    assert_eq!(messages.last(), Some(&Message::Ready('I')));
    assert_eq!(count(&mut session, 700).await, "0");
}

#[tokio::test]
async fn statements_of_the_session_may_stand_anywhere_in_a_pipeline() {
    let mut session = daemon().await.session("app").await.unwrap();
    let messages = pipeline(
        &mut session,
        &[
            "BEGIN",
            "INSERT INTO notes VALUES (104, 710, 'kept')",
            "COMMIT",
            "SELECT body FROM notes WHERE tenant_id = 104 AND note_id = 710",
            "SET work_mem = '7MB'",
            "SELECT count(*) FROM notes WHERE note_id = 710",
            "DELETE FROM notes WHERE tenant_id = 104 AND note_id = 710",
        ],
    )
    .await;
    let rows: Vec<&Message> = messages.iter().filter(|message| matches!(message, Message::Row(_))).collect();
    assert_eq!(rows.len(), 2, "{messages:?}");
    assert_eq!(messages.last(), Some(&Message::Ready('I')));
    assert_eq!(session.ask("SHOW work_mem").await.unwrap().value(), "7MB");
}

#[tokio::test]
async fn a_describe_before_bind_tells_types_and_columns() {
    let mut session = daemon().await.session("app").await.unwrap();
    session.queue_parse("named", "SELECT body FROM notes WHERE tenant_id = $1").unwrap();
    session.queue(b"D\0\0\0\x0bSnamed\0");
    session.ask_to_flush().await.unwrap();
    assert_eq!(session.next().await.unwrap(), Message::Parsed);
    assert_eq!(session.next().await.unwrap(), Message::Parameters(vec![20]));
    assert!(matches!(session.next().await.unwrap(), Message::Columns(columns) if columns.len() == 1));
    session.queue_bind("named", &[Some("5".to_owned())]).unwrap().queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Complete("SELECT 1".to_owned())), "{messages:?}");
}

#[tokio::test]
async fn a_flush_without_sync_brings_what_was_asked() {
    let mut session = daemon().await.session("app").await.unwrap();
    session.queue_parse("", "SELECT tenant_id FROM notes WHERE tenant_id = 6").unwrap();
    session.queue_bind("", &[]).unwrap().queue_execute(0).unwrap();
    session.ask_to_flush().await.unwrap();
    let mut heard = Vec::new();
    while !matches!(heard.last(), Some(Message::Complete(_))) {
        heard.push(session.next().await.unwrap());
    }
    assert!(heard.contains(&Message::Row(vec![Some(b"6".to_vec())])), "{heard:?}");
    session.sync().await.unwrap();
    assert_eq!(session.until_ready().await.unwrap(), [Message::Ready('I')]);
}

#[tokio::test]
async fn a_portal_over_all_servers_gives_its_rows_in_parts_with_postgresqls_tags() {
    let mut session = daemon().await.session("app").await.unwrap();
    session.ask("BEGIN").await.unwrap();
    let sql = "SELECT tenant_id FROM notes WHERE note_id = 1 ORDER BY tenant_id";
    session.queue_parse("", sql).unwrap().queue_bind("", &[]).unwrap().queue_execute(5).unwrap();
    session.queue(b"E\0\0\0\x09\0\0\0\0\x07E\0\0\0\x09\0\0\0\0\0");
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    let ends: Vec<&Message> = messages
        .iter()
        .filter(|message| matches!(message, Message::Suspended | Message::Complete(_) | Message::Columns(_)))
        .collect();
    let last = Message::Complete("SELECT 0".to_owned());
    assert!(
        matches!(ends.as_slice(), [Message::Columns(_), Message::Suspended, Message::Suspended, end] if **end == last),
        "{messages:?}"
    );
    assert_eq!(messages.iter().filter(|message| matches!(message, Message::Row(_))).count(), 12);
    session.ask("COMMIT").await.unwrap();
}

#[tokio::test]
async fn describing_a_statement_does_not_run_it() {
    let mut session = daemon().await.session("app").await.unwrap();
    session
        .queue_parse("", "CREATE TABLE described (tenant_id int PRIMARY KEY)")
        .unwrap()
        .queue_bind("", &[])
        .unwrap();
    session.queue(b"D\0\0\0\x06P\0");
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert_eq!(messages[..3], [Message::Parsed, Message::Bound, Message::NoData], "{messages:?}");
    assert_eq!(session.ask("SELECT FROM described").await.unwrap().sqlstate(), "42P01");
}

#[tokio::test]
async fn a_name_whose_parse_failed_is_free_again() {
    let mut session = daemon().await.session("app").await.unwrap();
    for sql in ["SELECT nonsense FROM notes", "SELEC 1"] {
        for _ in 0..2 {
            session.queue_parse("taken", sql).unwrap();
            session.sync().await.unwrap();
            let messages = session.until_ready().await.unwrap();
            assert!(
                matches!(&messages[0], Message::Error(fault) if matches!(fault.sqlstate.as_str(), "42703" | "42601")),
                "{messages:?}"
            );
        }
    }
    session.queue_parse("taken", "SELECT 1").unwrap();
    session.sync().await.unwrap();
    assert_eq!(session.until_ready().await.unwrap()[0], Message::Parsed);
}

#[tokio::test]
async fn a_setting_that_a_transaction_committed_stays_with_its_session() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    for sql in [
        "BEGIN",
        "SELECT count(*) FROM notes",
        "SET timezone = 'Asia/Tokyo'",
        "SELECT set_config('work_mem', '9MB', false) FROM notes WHERE tenant_id = 1",
        "COMMIT",
    ] {
        assert!(session.ask(sql).await.unwrap().fault.is_none(), "{sql}");
    }
    pipeline(&mut session, &["SELECT set_config('statement_timeout', '77s', false)"]).await;
    let mut other = daemon.session("app").await.unwrap();
    for tenant in 1..=12 {
        let question = format!(
            "SELECT current_setting('timezone') || current_setting('work_mem') || current_setting('statement_timeout')
             FROM notes WHERE tenant_id = {tenant} AND note_id = 1"
        );
        assert_eq!(other.ask(&question).await.unwrap().value(), "UTC4MB0", "tenant {tenant}");
        assert_eq!(session.ask(&question).await.unwrap().value(), "Asia/Tokyo9MB77s", "tenant {tenant}");
    }
}

#[tokio::test]
async fn a_setting_by_a_function_is_what_the_server_made_of_it() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    session.ask("SELECT set_config('work_mem', (1 + 4) || 'MB', false)").await.unwrap();
    let mut extended = daemon.session("app").await.unwrap();
    pipeline(&mut extended, &["SELECT set_config('work_mem', (1 + 4) || 'MB', false)"]).await;
    for session in [&mut session, &mut extended] {
        session.ask("SELECT set_config('app.never', 'x', false) WHERE false").await.unwrap();
        session.ask("BEGIN").await.unwrap();
        session.ask("SELECT count(*) FROM notes").await.unwrap();
        let late = "SELECT set_config('app.whose', body, false) FROM notes WHERE tenant_id = 4";
        assert!(session.ask(late).await.unwrap().fault.is_none());
        session.ask("COMMIT").await.unwrap();
        let named = "SELECT set_config(name, '7s', false) FROM pg_settings WHERE name = 'lock_timeout'";
        assert_eq!(session.ask(named).await.unwrap().value(), "7s");
        for tenant in 1..=12 {
            let question = format!(
                "SELECT concat_ws(' ', current_setting('work_mem'), current_setting('app.whose', true),
                        current_setting('app.never', true), current_setting('lock_timeout'))
                 FROM notes WHERE tenant_id = {tenant} AND note_id = 1"
            );
            assert_eq!(session.ask(&question).await.unwrap().value(), "5MB first 7s", "tenant {tenant}");
        }
    }
    let several = session.ask("SELECT set_config('app.whose', body, false) FROM notes").await.unwrap();
    assert_eq!(several.fault.unwrap().sqlstate, "0A000");
}

#[tokio::test]
async fn a_savepoint_undoes_settings_on_servers_that_came_later() {
    let mut session = daemon().await.session("app").await.unwrap();
    for sql in [
        "BEGIN",
        "SET work_mem = '5MB'",
        "SAVEPOINT a",
        "SET work_mem = '6MB'",
        "SET LOCAL timezone = 'Asia/Tokyo'",
    ] {
        assert!(session.ask(sql).await.unwrap().fault.is_none(), "{sql}");
    }
    let question = |tenant: i32| {
        format!(
            "SELECT current_setting('work_mem') || current_setting('timezone')
             FROM notes WHERE tenant_id = {tenant} AND note_id = 1"
        )
    };
    for tenant in 1..=12 {
        assert_eq!(session.ask(&question(tenant)).await.unwrap().value(), "6MBAsia/Tokyo");
    }
    session.ask("ROLLBACK TO a").await.unwrap();
    for tenant in 1..=12 {
        assert_eq!(session.ask(&question(tenant)).await.unwrap().value(), "5MBUTC");
    }
    session.ask("ROLLBACK").await.unwrap();
    for tenant in 1..=12 {
        assert_eq!(session.ask(&question(tenant)).await.unwrap().value(), "4MBUTC");
    }
}

#[tokio::test]
async fn a_cancel_request_reaches_every_server_of_a_statement() {
    let mut session = daemon().await.session("app").await.unwrap();
    let token = session.cancel_key();
    let running = tokio::spawn(async move {
        session
            .ask("SELECT count(*) FROM notes, generate_series(1, 1000000000) n WHERE note_id = 1")
            .await
            .unwrap()
    });
    until("the statement is cancelled", Duration::from_secs(10), async || {
        tests::cancel(token).await.unwrap();
        running.is_finished()
    })
    .await;
    let answer = running.await.unwrap();
    assert_eq!(answer.sqlstate(), "57014", "{answer}");
}

#[tokio::test]
async fn an_sql_prepared_statement_is_a_statement_like_others() {
    let mut session = daemon().await.session("app").await.unwrap();
    session
        .ask("PREPARE p (bigint) AS SELECT tenant_id FROM notes WHERE tenant_id = $1 AND note_id = 1")
        .await
        .unwrap();
    for tenant in ["1", "2", "3", "4"] {
        let answer = session.ask(&format!("EXECUTE p({tenant})")).await.unwrap();
        assert_eq!(answer.value(), tenant, "{answer}");
        let answer = session.extended(&format!("EXECUTE p('{tenant}'::bigint)"), &[]).await.unwrap();
        assert_eq!((answer.columns.len(), answer.value()), (1, tenant), "{answer}");
    }
    session.ask("DEALLOCATE p").await.unwrap();
    assert_eq!(session.ask("EXECUTE p(1)").await.unwrap().sqlstate(), "26000");
    session.ask("PREPARE p AS SELECT 1").await.unwrap();
    assert_eq!(session.ask("PREPARE p AS SELECT 1").await.unwrap().sqlstate(), "42P05");
    session.ask("DISCARD ALL").await.unwrap();
    assert_eq!(session.ask("EXECUTE p").await.unwrap().sqlstate(), "26000");
}

#[tokio::test]
async fn a_copy_goes_in_by_the_extended_protocol_and_its_errors_leave_nothing() {
    let mut session = daemon().await.session("app").await.unwrap();
    let data = |text: &str| {
        let length = i32::try_from(text.len() + 4).unwrap().to_be_bytes();
        [&b"d"[..], &length, text.as_bytes(), b"c\0\0\0\x04"].concat()
    };
    for (sql, rows, tag) in [
        ("COPY notes FROM STDIN", "101\t800\tx\n102\t800\ty\n", Some("COPY 2")),
        ("COPY notes FROM STDIN", "101\t801\tx\nnonsense\t801\ty\n", None),
        ("COPY notes FROM STDIN", "101\t801\tx\n101\t801\ty\n", None),
        ("COPY notes (note_id, tenant_id) FROM STDIN", "801\t107\n", Some("COPY 1")),
    ] {
        session.queue_parse("", sql).unwrap().queue_bind("", &[]).unwrap().queue_execute(0).unwrap();
        session.sync().await.unwrap();
        while session.next().await.unwrap() != Message::CopyIn {}
        session.queue(&data(rows));
        session.sync().await.unwrap();
        let messages = session.until_ready().await.unwrap();
        assert_eq!(messages.len(), 2, "{messages:?}");
        match tag {
            Some(tag) => assert_eq!(messages[0], Message::Complete(tag.to_owned())),
            None => assert!(matches!(messages[0], Message::Error(_)), "{messages:?}"),
        }
        assert_eq!(session.ask("SELECT 1").await.unwrap().value(), "1");
    }
    assert_eq!((count(&mut session, 800).await, count(&mut session, 801).await), ("2".into(), "1".into()));
}

#[tokio::test]
async fn several_statements_in_one_query_are_one_transaction() {
    let mut session = daemon().await.session("app").await.unwrap();
    let both = "INSERT INTO notes VALUES (101, 900, 'a'); INSERT INTO notes VALUES (102, 900, 'b')";
    session.simple(&format!("{both}; SELECT 1 / 0")).await.unwrap();
    assert_eq!(count(&mut session, 900).await, "0");
    session
        .simple(&format!("{both}; BEGIN; INSERT INTO notes VALUES (103, 900, 'c'); ROLLBACK"))
        .await
        .unwrap();
    assert_eq!(count(&mut session, 900).await, "0");
    session.simple(&format!("{both}; COMMIT; SELECT 1 / 0")).await.unwrap();
    assert_eq!(count(&mut session, 900).await, "2");
    session.simple("DELETE FROM notes WHERE tenant_id = 101 AND note_id = 900; SELECT 1 / 0").await.unwrap();
    assert_eq!(count(&mut session, 900).await, "2");
    session.simple("BEGIN; DELETE FROM notes WHERE tenant_id = 101 AND note_id = 900; DELETE FROM notes WHERE tenant_id = 102 AND note_id = 900; COMMIT; SELECT 1").await.unwrap();
    assert_eq!(count(&mut session, 900).await, "0");
}

#[tokio::test]
async fn a_table_is_used_in_the_transaction_that_makes_it() {
    let mut session = daemon().await.session("app").await.unwrap();
    for extended in [false, true] {
        let all = [
            "BEGIN",
            "CREATE TABLE fresh (tenant_id bigint PRIMARY KEY, x int)",
            "INSERT INTO fresh VALUES (1, 1)",
            "INSERT INTO fresh VALUES (2, 2)",
            "INSERT INTO fresh VALUES (3, 3)",
            "UPDATE fresh SET x = 5 WHERE tenant_id = 2",
        ];
        for sql in all {
            let answer = match extended {
                true => session.extended(sql, &[]).await.unwrap(),
                false => session.ask(sql).await.unwrap(),
            };
            assert!(answer.fault.is_none(), "{sql}: {answer}");
        }
        assert_eq!(session.ask("SELECT sum(x) FROM fresh").await.unwrap().value(), "9");
        session.ask("ROLLBACK").await.unwrap();
        assert_eq!(session.ask("SELECT sum(x) FROM fresh").await.unwrap().sqlstate(), "42P01");
    }
}

#[tokio::test]
async fn every_session_knows_of_ddl_once_it_is_done_in_a_burst_too() {
    let daemon = daemon().await;
    let (mut maker, mut user) = (daemon.session("app").await.unwrap(), daemon.session("app").await.unwrap());
    for (extended, way) in [(false, "simple"), (true, "extended")] {
        for count in 0..4 {
            let made = format!("CREATE TABLE burst_{way}_{count} (tenant_id bigint PRIMARY KEY)");
            assert_eq!(maker.ask(&made).await.unwrap().tag, "CREATE TABLE");
        }
        for tenant in 1..=3 {
            let sql = format!("INSERT INTO burst_{way}_3 VALUES ({tenant})");
            let answer = match extended {
                true => user.extended(&sql, &[]).await.unwrap(),
                false => user.ask(&sql).await.unwrap(),
            };
            assert_eq!(answer.tag, "INSERT 0 1", "{answer}");
        }
        let counted = user.ask(&format!("SELECT count(*) FROM burst_{way}_3")).await.unwrap();
        assert_eq!(counted.value(), "3", "one row a tenant, each on one server");
        maker.ask(&format!("DROP TABLE burst_{way}_3")).await.unwrap();
        let gone = user.ask(&format!("SELECT count(*) FROM burst_{way}_3")).await.unwrap();
        assert_eq!(gone.sqlstate(), "42P01");
    }
}

#[tokio::test]
async fn ddl_waits_for_no_lock_but_its_own() {
    let daemon = daemon().await;
    let (mut locker, mut maker) =
        (daemon.session("app").await.unwrap(), daemon.session("app").await.unwrap());
    maker.ask("CREATE VIEW seen AS SELECT tenant_id FROM notes").await.unwrap();
    locker.ask("BEGIN").await.unwrap();
    assert_eq!(locker.ask("ALTER VIEW seen ALTER tenant_id SET DEFAULT 1").await.unwrap().tag, "ALTER VIEW");
    for name in ["unlocked_1", "unlocked_2"] {
        let made = format!("CREATE TABLE {name} (tenant_id bigint PRIMARY KEY)");
        assert_eq!(maker.ask(&made).await.unwrap().tag, "CREATE TABLE");
        for tenant in 1..=6 {
            maker.ask(&format!("INSERT INTO {name} VALUES ({tenant})")).await.unwrap();
        }
    }
    locker.ask("COMMIT").await.unwrap();
    maker.ask("CREATE TABLE unlocked_3 (tenant_id bigint PRIMARY KEY)").await.unwrap();
    for tenant in 1..=6 {
        let found = maker.ask(&format!("SELECT count(*) FROM unlocked_2 WHERE tenant_id = {tenant}")).await;
        assert_eq!(found.unwrap().value(), "1", "the row of tenant {tenant} is on its server");
    }
}

#[tokio::test]
async fn ddl_that_a_savepoint_undid_is_not_known_any_more() {
    let (fleet, daemon) = stage().await;
    let mut session = daemon.session("app").await.unwrap();
    let all = [
        "BEGIN",
        "CREATE TABLE undone (tenant_id_or_not bigint PRIMARY KEY)",
        "SAVEPOINT s",
        "ALTER TABLE undone RENAME tenant_id_or_not TO tenant_id",
        "SELECT * FROM undone WHERE tenant_id = 1",
        "ROLLBACK TO s",
        "INSERT INTO undone VALUES (1)",
        "COMMIT",
    ];
    for sql in all {
        let answer = session.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
    }
    for server in fleet.servers() {
        let client = server.connect("app").await.unwrap();
        let copies: i64 = client.query_one("SELECT count(*) FROM undone", &[]).await.unwrap().get(0);
        assert_eq!(copies, 1, "a table without the tenant column has its rows on every server");
    }
}

#[tokio::test]
async fn what_lives_on_a_connection_stays_with_its_session() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    let mut other = daemon.session("app").await.unwrap();
    for sql in ["CREATE TEMP TABLE mine (x int)", "INSERT INTO mine VALUES (1)", "LISTEN news"] {
        let answer = session.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
    }
    assert_eq!(session.ask("SELECT count(*) FROM mine").await.unwrap().value(), "1");
    assert_eq!(other.ask("SELECT count(*) FROM mine").await.unwrap().sqlstate(), "42P01");
    other.ask("NOTIFY news, 'hello'").await.unwrap();
    session.ask("SELECT 1").await.unwrap();
    until("the notification has come", Duration::from_secs(5), async || {
        session.ask("SELECT 1").await.unwrap();
        session.notifications.contains(&("news".to_owned(), "hello".to_owned()))
    })
    .await;
    session.ask("DISCARD ALL").await.unwrap();
    assert_eq!(session.ask("SELECT count(*) FROM mine").await.unwrap().sqlstate(), "42P01");
}

#[tokio::test]
async fn strings_are_read_by_the_standard_whatever_a_role_says() {
    let fleet = Fleet::builder().servers(1).start().await.unwrap();
    let server = fleet.server(0).connect("app").await.unwrap();
    server.batch_execute("ALTER ROLE app SET standard_conforming_strings = off").await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    for sql in [
        "SET standard_conforming_strings = off",
        "SET LOCAL standard_conforming_strings TO 'false'",
        "SELECT set_config('standard_conforming_strings', 'off', false)",
    ] {
        assert_eq!(session.ask(sql).await.unwrap().sqlstate(), "0A000", "{sql}");
    }
    session.ask("SET standard_conforming_strings = on").await.unwrap();
    assert_eq!(session.ask("SELECT length('\\')").await.unwrap().value(), "1");
    let off = [("options", "-c standard_conforming_strings=off")];
    assert!(Session::open(daemon.port(), "app", "app", &off).await.is_err());
}

#[tokio::test]
async fn an_encoding_of_several_bytes_a_character_is_refused() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    for sql in [
        "SET client_encoding = 'SJIS'",
        "SET NAMES 'GB18030'",
        "SELECT set_config('client_encoding', 'LATIN1', false)",
    ] {
        assert_eq!(session.ask(sql).await.unwrap().sqlstate(), "0A000", "{sql}");
    }
    assert_eq!(session.ask("SHOW client_encoding").await.unwrap().value(), "UTF8");
    let foreign = Session::open(daemon.port(), "app", "app", &[("client_encoding", "BIG5")]).await;
    assert!(foreign.unwrap_err().to_string().contains("client_encoding"));
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_statement_along() {
    let (fleet, daemon) = stage().await;
    let text = b"SELECT count(*) AS vanished FROM notes, generate_series(1, 1000000000) n\0";
    let one = b"SELECT pg_sleep(60), 'vanished' FROM notes WHERE tenant_id = 1\0";
    for text in [&text[..], one] {
        let mut session = daemon.session("app").await.unwrap();
        session.queue(&[b"Q", &u32::try_from(text.len() + 4).unwrap().to_be_bytes()[..], text].concat());
        session.flush().await.unwrap();
        until("the statement runs", Duration::from_secs(10), async || running(fleet, "vanished").await > 0)
            .await;
        drop(session);
        until("the statement has ended", Duration::from_secs(10), async || {
            running(fleet, "vanished").await == 0
        })
        .await;
    }
}

async fn running(fleet: &Fleet, word: &str) -> i64 {
    let mut count = 0;
    for server in fleet.servers() {
        let admin = server.connect("app").await.unwrap();
        let question = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = 'app'
             AND query LIKE '%' || $1::text || '%'";
        count += admin.query_one(question, &[&word]).await.unwrap().get::<_, i64>(0);
    }
    count
}

#[tokio::test]
async fn a_transaction_that_lost_a_server_cannot_be_saved_by_a_savepoint() {
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    session.ask("CREATE TABLE t (tenant_id bigint PRIMARY KEY)").await.unwrap();
    session.ask("BEGIN").await.unwrap();
    for tenant in 1..=6 {
        session.ask(&format!("INSERT INTO t VALUES ({tenant})")).await.unwrap();
    }
    session.ask("SAVEPOINT a").await.unwrap();
    let admin = fleet.server(1).connect("app").await.unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'";
    admin.execute(kill, &[]).await.unwrap();
    let mut failed = false;
    for tenant in 11..=16 {
        let messages = session.simple(&format!("INSERT INTO t VALUES ({tenant})")).await.unwrap();
        assert!(messages.len() == 1, "one answer: {messages:?}");
        failed |= messages[0].fault.is_some();
    }
    assert!(failed);
    let rescue = session.ask("ROLLBACK TO a").await.unwrap();
    assert!(rescue.fault.is_some(), "{rescue}");
    assert_eq!(session.ask("COMMIT").await.unwrap().tag, "ROLLBACK");
    assert_eq!(session.ask("SELECT count(*) FROM t").await.unwrap().value(), "0");
}

#[tokio::test]
async fn cursors_are_read_in_either_protocol_and_end_with_the_transaction() {
    let mut session = daemon().await.session("app").await.unwrap();
    for extended in [false, true] {
        for (sql, rows) in [
            ("BEGIN", 0),
            ("DECLARE c CURSOR FOR SELECT note_id FROM notes WHERE tenant_id = 9", 0),
            ("FETCH 1 FROM c", 1),
            ("MOVE BACKWARD ALL IN c", 0),
            ("FETCH ALL FROM c", 1),
            ("CLOSE c", 0),
            ("COMMIT", 0),
        ] {
            let answer = match extended {
                true => session.extended(sql, &[]).await.unwrap(),
                false => session.ask(sql).await.unwrap(),
            };
            assert_eq!((answer.fault.clone(), answer.rows.len()), (None, rows), "{sql}: {answer}");
        }
        assert_eq!(session.ask("FETCH 1 FROM c").await.unwrap().sqlstate(), "34000");
    }
}

#[tokio::test]
async fn the_token_of_ones_writes_is_shown_in_either_protocol() {
    let mut session = daemon().await.session("app").await.unwrap();
    let simple = session.ask("SHOW pgherd.token").await.unwrap();
    let extended = session.extended("SHOW pgherd.token", &[]).await.unwrap();
    assert_eq!((simple.columns.len(), simple.rows.len()), (1, 1), "{simple}");
    assert_eq!((extended.columns.len(), extended.rows.len()), (1, 1), "{extended}");
}

#[tokio::test]
async fn code_that_changes_its_connection_changes_no_other_session() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    session.ask("SET app.tenant = '1'").await.unwrap();
    let code = "DO $$ BEGIN PERFORM set_config('work_mem', '11MB', false); CREATE TEMP TABLE left_here (x int); END $$";
    assert!(session.ask(code).await.unwrap().fault.is_none());
    let mut other = daemon.session("app").await.unwrap();
    for _ in 0..5 {
        let question = "SELECT current_setting('work_mem') FROM notes WHERE tenant_id = 1 AND note_id = 1";
        assert_eq!(other.ask(question).await.unwrap().value(), "4MB");
    }
}

#[tokio::test]
async fn a_tenant_given_to_set_config_as_a_parameter_holds_for_the_transaction() {
    let mut session = daemon().await.session("app").await.unwrap();
    for tenant in ["1", "2", "3", "4"] {
        session.ask("BEGIN").await.unwrap();
        let value = [Some(tenant.to_owned())];
        let answer = session.extended("SELECT set_config('app.tenant', $1, true)", &value).await.unwrap();
        assert_eq!(answer.value(), tenant, "{answer}");
        let seen = session.ask("SELECT tenant_id FROM notes WHERE note_id = 1").await.unwrap();
        assert_eq!((seen.rows.len(), seen.value()), (1, tenant), "{seen}");
        session.ask("COMMIT").await.unwrap();
        let seen = session.ask("SELECT tenant_id FROM notes WHERE note_id = 1").await.unwrap();
        assert_eq!(seen.rows.len(), 12, "{seen}");
    }
    session.ask("SET app.tenant = '3'").await.unwrap();
    let answer = session.extended("SELECT set_config('app.tenant', $1, false)", &[None]).await.unwrap();
    assert_eq!(answer.value(), "", "NULL takes it back: {answer}");
    let seen = session.ask("SELECT tenant_id FROM notes WHERE note_id = 1").await.unwrap();
    assert_eq!(seen.rows.len(), 12, "{seen}");
}
