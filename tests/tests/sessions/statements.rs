//! Prepared statements and what is told of them.

use std::time::Duration;

use tests::{Fleet, Message, until};

use crate::stage::daemon;

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
