//! Pipelines: their order, their errors, their transactions.

use tests::Message;

use crate::stage::{count, daemon, pipeline};

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
