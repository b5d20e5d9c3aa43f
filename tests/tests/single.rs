//! A database on one server without sharded tables: an application cannot tell pgherd from PostgreSQL.
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
