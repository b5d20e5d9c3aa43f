//! Portals, cursors and COPY.

use tests::Message;

use crate::stage::{count, daemon};

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
