//! All other messages, and those that are none.

use crate::judge::Where::Reference;
use tests::frames::Say::*;
use tests::frames::transcript;

use crate::judge::{HERE, Judge, ONE, play, readies, ready, stage};

#[tokio::test]
async fn other_messages_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    // lo_create, lo_open, lowrite, lo_tell, lo_close.
    judge
        .same(
            "large objects",
            HERE,
            vec![
                ready(vec![F(952, &["4242", "393216"]), F(952, &[]), F(958, &["7"])]),
                ready(vec![
                    Q("BEGIN"),
                    F(715, &["4242"]),
                    F(952, &["4242", "393216"]),
                    F(955, &["0", "\\x4142"]),
                    F(958, &["0"]),
                    F(953, &["0"]),
                    F(953, &["0"]),
                    F(952, &["4242", "393216"]),
                    Q("ROLLBACK"),
                ]),
                ready(vec![P("", ONE), B("", "", &[Some("17")]), E("", 0), F(958, &["7"]), S]),
                readies(1, vec![P("", "SELEC"), F(958, &["7"]), S]),
            ],
        )
        .await;
    judge.same("an unknown message", HERE, vec![readies(1, vec![Raw(b'y', b"")])]).await;
    judge.same("not UTF-8", HERE, vec![ready(vec![Raw(b'Q', b"SELECT '\xff'\0"), Q("SELECT 1")])]).await;
    judge
        .same(
            "notifications",
            HERE,
            vec![ready(vec![
                Q("LISTEN here"),
                Q("NOTIFY here, 'x'"),
                Q("BEGIN"),
                Q("NOTIFY here, 'y'"),
                Q("SELECT 1"),
                Q("COMMIT"),
                Q("UNLISTEN here"),
                Q("NOTIFY here"),
            ])],
        )
        .await;
    judge.end();
}

#[tokio::test]
async fn a_malformed_message_is_an_error_and_the_session_goes_on() {
    let mut session = stage().await.1.session("app").await.unwrap();
    for message in [Raw(b'B', b"x"), Raw(b'D', b"Xa\0"), Raw(b'C', b"Xa\0"), Raw(b'E', b"\0"), Raw(b'P', b"")]
    {
        let step = [ready(vec![message.clone(), S]), ready(vec![Q("SELECT 1")])];
        let heard = transcript(&play(&mut session, Reference, &step).await);
        assert!(heard.starts_with("E SERROR|VERROR|C08P01|"), "{message:?}: {heard}");
        assert!(heard.ends_with("C SELECT 1\\x00\nZ I\n"), "{message:?}: {heard}");
    }
    let heard = transcript(&play(&mut session, Reference, &[readies(1, vec![Raw(b'Q', b"SELECT 1")])]).await);
    assert!(heard.starts_with("E SERROR|VERROR|C08P01|") && heard.ends_with("Z I\n"), "{heard}");
}
