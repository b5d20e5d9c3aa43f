//! Before one server without sharded tables an application cannot tell pgherd from PostgreSQL: what drivers do
//! beyond plain statements.
#![allow(clippy::unwrap_used)]

use tests::{Daemon, Fleet, Message, Session};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn session() -> Session {
    let start = async || {
        let fleet = Fleet::builder().servers(1).start().await.unwrap();
        let daemon = fleet.daemon().start().await.unwrap();
        (fleet, daemon)
    };
    STAGE.get_or_init(start).await.1.session("app").await.unwrap()
}

#[tokio::test]
async fn the_client_commits_in_two_phases() {
    let (mut session, mut other) = (session().await, session().await);
    session.ask("CREATE TABLE phases (id int)").await.unwrap();
    for (gid, end, rows) in [("one", "COMMIT", "1"), ("two", "ROLLBACK", "1")] {
        session.ask("BEGIN").await.unwrap();
        session.ask("INSERT INTO phases VALUES (1)").await.unwrap();
        let prepared = session.ask(&format!("PREPARE TRANSACTION '{gid}'")).await.unwrap();
        assert_eq!(prepared.tag, "PREPARE TRANSACTION", "{prepared:?}");
        let ended = other.ask(&format!("{end} PREPARED '{gid}'")).await.unwrap();
        assert_eq!(ended.tag, format!("{end} PREPARED"), "{ended:?}");
        assert_eq!(session.ask("SELECT count(*) FROM phases").await.unwrap().value(), rows);
    }
    // A name of pgherd's own would be taken for a part of a transaction over servers.
    for name in ["'pgherd:alpha:1'", "U&'pgherd\\003a1'"] {
        session.ask("BEGIN").await.unwrap();
        let refused = session.ask(&format!("PREPARE TRANSACTION {name}")).await.unwrap();
        assert_eq!(refused.sqlstate(), "42939", "{refused:?}");
        session.ask("ROLLBACK").await.unwrap();
    }
    session.ask("BEGIN").await.unwrap();
    session.ask("SELECT 1/0").await.unwrap();
    assert_eq!(session.ask("PREPARE TRANSACTION 'three'").await.unwrap().tag, "ROLLBACK");
    assert_eq!(session.ask("SELECT 1").await.unwrap().value(), "1");
}

#[tokio::test]
async fn what_a_commit_says_beside_its_answer_is_heard() {
    let mut session = session().await;
    for sql in ["BEGIN", "LISTEN rumours", "NOTIFY rumours, 'today'"] {
        session.ask(sql).await.unwrap();
    }
    session.queue(b"Q\0\0\0\x0bCOMMIT\0").flush().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    let heard = messages.iter().any(|message| matches!(message, Message::Notification(..)));
    assert!(heard, "{messages:?}");
}

#[tokio::test]
async fn a_trigger_may_speak_while_rows_are_copied() {
    let mut session = session().await;
    for sql in [
        "CREATE TABLE heard (n int)",
        "CREATE FUNCTION speak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'rows come'; RETURN NULL; END $$",
        "CREATE TRIGGER speaks BEFORE INSERT ON heard FOR EACH STATEMENT EXECUTE FUNCTION speak()",
    ] {
        session.ask(sql).await.unwrap();
    }
    session.queue(b"Q\0\0\0\x1aCOPY heard FROM STDIN\0").flush().await.unwrap();
    let mut messages = Vec::new();
    while !messages.iter().any(|message| matches!(message, Message::Notice(..))) {
        messages.push(session.next().await.unwrap());
    }
    session.queue(b"d\0\0\0\x061\nc\0\0\0\x04").flush().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Complete("COPY 1".into())), "{messages:?}");
}

#[tokio::test]
async fn a_procedure_is_called_with_parameters() {
    let mut session = session().await;
    session.ask("CREATE PROCEDURE twice(INOUT n int) LANGUAGE sql AS 'SELECT 2 * n'").await.unwrap();
    session.queue_parse("", "CALL twice($1::int)").unwrap().queue_bind("", &[Some("21".into())]).unwrap();
    session.queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Complete("CALL".into())), "{messages:?}");
}

#[tokio::test]
async fn a_statement_that_was_described_otherwise_is_to_be_prepared_again() {
    let (mut session, mut other) = (session().await, session().await);
    session.ask("CREATE TABLE shapes (a int, b int)").await.unwrap();
    session.ask("INSERT INTO shapes VALUES (1, 2)").await.unwrap();
    for text in ["SELECT a FROM shapes", "SELECT * FROM shapes"] {
        session.queue_parse(text, text).unwrap().queue(&describe(text));
        session.sync().await.unwrap();
        session.until_ready().await.unwrap();
    }
    other.ask("ALTER TABLE shapes ALTER COLUMN b TYPE text").await.unwrap();
    session.queue_bind("SELECT a FROM shapes", &[]).unwrap().queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Complete("SELECT 1".into())), "{messages:?}");
    for _ in 0..2 {
        session.queue_bind("SELECT * FROM shapes", &[]).unwrap().queue_execute(0).unwrap();
        session.sync().await.unwrap();
        let messages = session.until_ready().await.unwrap();
        let refused =
            |message: &Message| matches!(message, Message::Error(fault) if fault.sqlstate == "0A000");
        assert!(messages.iter().any(refused), "{messages:?}");
    }
    session.queue_parse("again", "SELECT * FROM shapes").unwrap().queue(&describe("again"));
    session.queue_bind("again", &[]).unwrap().queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Complete("SELECT 1".into())), "{messages:?}");
}

fn describe(statement: &str) -> Vec<u8> {
    let length = i32::try_from(statement.len() + 6).unwrap().to_be_bytes();
    [&b"D"[..], &length, b"S", statement.as_bytes(), b"\0"].concat()
}

#[tokio::test]
async fn a_copy_of_rows_longer_than_any_buffer_goes_in() {
    let mut session = session().await;
    session.ask("CREATE TABLE wide (body text)").await.unwrap();
    let row = "x".repeat(1 << 20) + "\n";
    let message = [&b"d"[..], &i32::try_from(row.len() + 4).unwrap().to_be_bytes(), row.as_bytes()].concat();
    session.queue(b"Q\0\0\0\x19COPY wide FROM STDIN\0").flush().await.unwrap();
    while session.next().await.unwrap() != Message::CopyIn {}
    for _ in 0..16 {
        session.queue(&message).flush().await.unwrap();
    }
    session.queue(b"c\0\0\0\x04").flush().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Complete("COPY 16".into())), "{messages:?}");
}

#[tokio::test]
async fn the_rows_of_execute_come_in_binary_where_that_was_asked_for() {
    let mut session = session().await;
    session.ask("PREPARE numbers AS SELECT 1").await.unwrap();
    session.queue_parse("", "EXECUTE numbers").unwrap();
    // Bind of the unnamed statement without parameters, all results in binary.
    session.queue(b"B\0\0\0\x0e\0\0\0\0\0\0\0\x01\0\x01").queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(messages.contains(&Message::Row(vec![Some(vec![0, 0, 0, 1])])), "{messages:?}");
}

#[tokio::test]
async fn a_copy_by_the_extended_protocol_is_answered_before_its_second_sync() {
    let mut session = session().await;
    session.ask("CREATE TABLE words (word text)").await.unwrap();
    session.queue_parse("", "COPY words FROM STDIN").unwrap().queue_bind("", &[]).unwrap();
    session.queue_execute(0).unwrap();
    session.sync().await.unwrap();
    while session.next().await.unwrap() != Message::CopyIn {}
    session.queue(b"d\0\0\0\x0ahello\nc\0\0\0\x04");
    session.sync().await.unwrap();
    assert_eq!(
        session.until_ready().await.unwrap(),
        [Message::Complete("COPY 1".to_owned()), Message::Ready('I')]
    );
    assert_eq!(session.ask("SELECT word FROM words").await.unwrap().value(), "hello");
}

#[tokio::test]
async fn what_a_session_notifies_itself_of_comes_with_the_commit() {
    let mut session = session().await;
    session.simple("LISTEN news; NOTIFY news, 'one'; NOTIFY news, 'two'").await.unwrap();
    let heard = |payload: &str| ("news".to_owned(), payload.to_owned());
    assert_eq!(session.notifications, [heard("one"), heard("two")]);
    for command in ["BEGIN", "NOTIFY news, 'three'", "COMMIT"] {
        session.extended(command, &[]).await.unwrap();
    }
    assert_eq!(session.notifications, [heard("one"), heard("two"), heard("three")]);
}

#[tokio::test]
async fn a_notification_names_the_client_that_sent_it() {
    let (mut listener, mut other) = (session().await, session().await);
    listener.ask("LISTEN senders").await.unwrap();
    let senders = [listener.backend_key().0, other.backend_key().0];
    listener.queue(b"Q\0\0\0\x13NOTIFY senders\0");
    for sender in senders {
        listener.flush().await.unwrap();
        let heard = listener.hear(b'A', 1).await.unwrap();
        let (_, notification) = heard.last().unwrap();
        assert_eq!(notification[..4], sender.to_be_bytes());
        other.ask("SELECT pg_notify('senders', '')").await.unwrap();
    }
}

#[tokio::test]
async fn what_a_commit_says_besides_is_heard_before_its_end() {
    let mut session = session().await;
    session
        .simple(
            "CREATE TABLE watched (id int);
             CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'seen %', NEW.id; RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER late AFTER INSERT ON watched DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION say()",
        )
        .await
        .unwrap();
    session.ask("BEGIN").await.unwrap();
    session.ask("INSERT INTO watched VALUES (7)").await.unwrap();
    assert!(session.notices.is_empty());
    session.queue_parse("", "COMMIT").unwrap().queue_bind("", &[]).unwrap().queue_execute(0).unwrap();
    session.sync().await.unwrap();
    let messages = session.until_ready().await.unwrap();
    assert!(
        matches!(messages.as_slice(), [.., Message::Notice(said), Message::Complete(_), Message::Ready(_)] if said.message == "seen 7"),
        "{messages:?}"
    );
    let name = "x".repeat(70);
    session.ask(&format!("SET application_name = '{name}'")).await.unwrap();
    assert!(session.notices.last().unwrap().message.contains("will be truncated"), "{:?}", session.notices);
}

#[tokio::test]
async fn a_temporary_type_is_its_sessions_own_and_stays() {
    let (mut session, mut other) = (session().await, session().await);
    session.ask("CREATE TYPE pg_temp.pair AS (a int, b int)").await.unwrap();
    session.ask("CREATE FUNCTION pg_temp.one() RETURNS int RETURN 1").await.unwrap();
    assert_eq!(other.ask("SELECT pg_temp.one()").await.unwrap().sqlstate(), "3F000");
    assert_eq!(session.ask("SELECT (row(1, 2)::pair).b + pg_temp.one()").await.unwrap().value(), "3");
}

#[tokio::test]
async fn a_temporary_table_hides_another_of_its_name_for_its_session_only() {
    let (mut session, mut other) = (session().await, session().await);
    session.ask("CREATE TABLE hidden (n int)").await.unwrap();
    session.ask("INSERT INTO hidden VALUES (1)").await.unwrap();
    session.ask("CREATE TEMP TABLE hidden (n int)").await.unwrap();
    session.ask("INSERT INTO hidden VALUES (2)").await.unwrap();
    assert_eq!(session.extended("SELECT n FROM hidden", &[]).await.unwrap().value(), "2");
    assert_eq!(other.extended("SELECT n FROM hidden", &[]).await.unwrap().value(), "1");
    session.ask("DROP TABLE hidden").await.unwrap();
    assert_eq!(session.ask("SELECT n FROM hidden").await.unwrap().value(), "1");
}

#[tokio::test]
async fn a_part_of_the_date_style_leaves_the_rest_as_it_was() {
    let (mut session, mut other) = (session().await, session().await);
    let date = "SELECT '1999-01-08'::date";
    for (command, shown) in [
        ("SET datestyle TO SQL", "01/08/1999"),
        ("SET datestyle TO dmy", "08/01/1999"),
        ("SET datestyle TO postgres", "08-01-1999"),
        ("SET datestyle TO DEFAULT", "1999-01-08"),
    ] {
        session.ask(command).await.unwrap();
        assert_eq!(other.ask(date).await.unwrap().value(), "1999-01-08");
        assert_eq!(session.ask(date).await.unwrap().value(), shown, "{command}");
    }
    session.ask("SET datestyle TO SQL").await.unwrap();
    session.ask("BEGIN").await.unwrap();
    session.ask("SET LOCAL datestyle TO dmy").await.unwrap();
    assert_eq!(session.ask(date).await.unwrap().value(), "08/01/1999");
    session.ask("COMMIT").await.unwrap();
    assert_eq!(session.ask(date).await.unwrap().value(), "01/08/1999");
    session.ask("SELECT set_config('datestyle', 'dmy', false)").await.unwrap();
    assert_eq!(other.ask(date).await.unwrap().value(), "1999-01-08");
    assert_eq!(session.ask(date).await.unwrap().value(), "08/01/1999");
}

#[tokio::test]
async fn an_explanation_is_postgresqls_own() {
    assert_eq!(session().await.ask("EXPLAIN (COSTS OFF) SELECT 1").await.unwrap().value(), "Result");
}

#[tokio::test]
async fn a_cursor_with_hold_is_described_and_read_as_a_portal_after_its_transaction() {
    let mut session = session().await;
    session.ask("DECLARE kept CURSOR WITH HOLD FOR SELECT 7 AS seven").await.unwrap();
    session.queue(b"D\0\0\0\x0aPkept\0E\0\0\0\x0dkept\0\0\0\0\0").sync().await.unwrap();
    let tags: Vec<u8> = session.hear(b'Z', 1).await.unwrap().into_iter().map(|(tag, _)| tag).collect();
    assert_eq!(tags, b"TDCZ", "{}", tags.escape_ascii());
    session.queue(b"C\0\0\0\x0aPkept\0").sync().await.unwrap();
    session.until_ready().await.unwrap();
    assert_eq!(session.ask("FETCH kept").await.unwrap().sqlstate(), "34000");
}
