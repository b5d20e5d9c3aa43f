//! Who a session is: its process id, which others may end it by, its user and its role.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tests::{APP_PASSWORD, Daemon, Fleet, Message, Session, until};
use tokio::sync::OnceCell;

/// Connections of roles of their own: a pool of one is what the next session gets.
const USERS: &str = r#"
[[user]]
name = "chief"
password = "app secret"
pool_size = 1
[[user]]
name = "clerk"
password = "app secret"
"#;

const PATIENCE: Duration = Duration::from_secs(10);

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn daemon() -> &'static Daemon {
    let start = async || {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        for server in fleet.servers() {
            let admin = server.connect("app").await.unwrap();
            let roles = format!(
                "CREATE ROLE chief LOGIN SUPERUSER PASSWORD '{APP_PASSWORD}'; CREATE ROLE clerk LOGIN PASSWORD '{APP_PASSWORD}'; \
                 CREATE ROLE anna; CREATE ROLE bert; GRANT bert TO anna"
            );
            admin.batch_execute(&roles).await.unwrap();
        }
        let daemon = fleet.daemon().section(USERS).start().await.unwrap();
        (fleet, daemon)
    };
    &STAGE.get_or_init(start).await.1
}

async fn session(user: &str) -> Session {
    Session::open(daemon().await.port(), user, "app", &[]).await.unwrap()
}

/// A simple query's bytes.
fn query(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len() + 5).unwrap().to_be_bytes();
    [b"Q", &length[..], text.as_bytes(), b"\0"].concat()
}

/// The SQLSTATE that a session ends with, and that it ends.
async fn last_words(session: &mut Session) -> String {
    let ends = async {
        let mut said = Vec::new();
        while let Ok(message) = session.next().await {
            if let Message::Error(fault) = message {
                said.push(fault.sqlstate);
            }
        }
        said.join(" ")
    };
    tokio::time::timeout(PATIENCE, ends).await.expect("it is ended")
}

#[tokio::test]
async fn a_session_has_the_process_id_that_its_client_was_told() {
    let mut session = session("clerk").await;
    let own = session.cancel_key().1.to_string();
    for _ in 0..2 {
        let answer = session.ask("SELECT pg_backend_pid()").await.unwrap();
        assert_eq!((answer.value(), answer.columns[0].name.as_str()), (own.as_str(), "pg_backend_pid"));
        let answer = session.extended("SELECT pg_catalog.pg_backend_pid() AS mine", &[]).await.unwrap();
        assert_eq!((answer.value(), answer.columns[0].name.as_str()), (own.as_str(), "mine"));
    }
    session.ask("PREPARE id AS SELECT pg_backend_pid()").await.unwrap();
    assert_eq!(session.ask("EXECUTE id").await.unwrap().value(), own);
    assert_eq!(session.ask("SELECT 1; SELECT pg_backend_pid()").await.unwrap().value(), own);
    let of_server =
        session.ask("SELECT pid < 4194304 FROM pg_stat_activity WHERE pid = pg_backend_pid()").await;
    assert_eq!(of_server.unwrap().value(), "t", "what a server says of its processes is its own");
}

#[tokio::test]
async fn another_session_is_cancelled_and_ended_by_its_process_id() {
    let (mut other, mut session) = (session("clerk").await, session("clerk").await);
    let id = other.cancel_key().1;
    other.queue(&query("SELECT pg_sleep(20)")).flush().await.unwrap();
    let asleep = until("the sleeper is cancelled", PATIENCE, async || {
        assert_eq!(session.ask(&format!("SELECT pg_cancel_backend({id})")).await.unwrap().value(), "t");
        tokio::time::timeout(Duration::from_millis(50), other.hear(b'Z', 1)).await.is_ok()
    });
    asleep.await;
    assert_eq!(other.ask("SELECT 1").await.unwrap().value(), "1");
    let ended = session.extended("SELECT pg_terminate_backend($1)", &[Some(id.to_string())]).await.unwrap();
    assert_eq!(ended.value(), "t");
    assert_eq!(last_words(&mut other).await, "57P01");
    let nobody = session.ask(&format!("SELECT pg_terminate_backend({id})")).await.unwrap();
    assert_eq!(nobody.sqlstate(), "0A000", "it may be a process of any server");
}

#[tokio::test]
async fn a_session_that_is_ended_at_work_is_told_so_and_nothing_else() {
    let (mut other, mut session) = (session("clerk").await, session("clerk").await);
    let id = other.cancel_key().1;
    other.queue(&query("SELECT pg_sleep(20)")).flush().await.unwrap();
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(20)' AND state = 'active'";
    let mut chief = self::session("chief").await;
    until("it sleeps", PATIENCE, async || chief.ask(sleeping).await.unwrap().value() == "1").await;
    session.ask(&format!("SELECT pg_terminate_backend({id})")).await.unwrap();
    assert_eq!(last_words(&mut other).await, "57P01");
}

#[tokio::test]
async fn a_session_that_ends_itself_is_gone() {
    for text in ["SELECT pg_terminate_backend(pg_backend_pid())", "SELECT pg_terminate_backend($1)"] {
        let mut session = session("clerk").await;
        let own = session.cancel_key().1.to_string();
        match text.contains('$') {
            false => session.queue(&query(text)),
            true => {
                let bound = session.queue_parse("", text).unwrap().queue_bind("", &[Some(own)]).unwrap();
                bound.queue_execute(0).unwrap()
            }
        };
        session.sync().await.unwrap();
        assert_eq!(last_words(&mut session).await, "57P01", "{text}");
    }
    let mut session = session("clerk").await;
    assert_eq!(session.ask("SELECT pg_cancel_backend(pg_backend_pid())").await.unwrap().sqlstate(), "57014");
    assert_eq!(session.ask("SELECT 1").await.unwrap().value(), "1");
}

#[tokio::test]
async fn sessions_are_ended_by_their_own_role_and_by_superusers_only() {
    let (mut app, mut clerk) = (session("app").await, session("clerk").await);
    let (of_app, of_clerk) = (app.cancel_key().1, clerk.cancel_key().1);
    for signal in ["pg_cancel_backend", "pg_terminate_backend"] {
        let answer = clerk.ask(&format!("SELECT {signal}({of_app})")).await.unwrap();
        assert_eq!(answer.sqlstate(), "42501", "{signal}");
    }
    assert_eq!(app.ask("SELECT 1").await.unwrap().value(), "1");
    let mut chief = session("chief").await;
    chief.ask(&format!("SELECT pg_terminate_backend({of_clerk})")).await.unwrap();
    assert_eq!(last_words(&mut clerk).await, "57P01");
}

#[tokio::test]
async fn what_a_superuser_set_before_it_took_another_role_is_left_to_nobody() {
    for identity in ["SET SESSION AUTHORIZATION anna", "SET ROLE anna"] {
        let mut session = session("chief").await;
        session.ask("SET lo_compat_privileges = on").await.unwrap();
        session.ask(identity).await.unwrap();
        assert_eq!(session.ask("SELECT current_user").await.unwrap().value(), "anna", "{identity}");
        drop(session);
        let mut next = self::session("chief").await;
        let answer =
            next.ask("SELECT current_user || ' ' || current_setting('lo_compat_privileges')").await.unwrap();
        assert_eq!((answer.fault.as_ref(), answer.value()), (None, "chief off"), "{identity}");
    }
}

#[tokio::test]
async fn a_session_s_user_and_role_are_taken_on_in_their_order() {
    let mut session = session("chief").await;
    let mut between = self::session("chief").await;
    for (text, expected) in [
        ("SET SESSION AUTHORIZATION anna", "anna anna"),
        ("SET ROLE bert", "anna bert"),
        ("SET SESSION AUTHORIZATION DEFAULT", "chief chief"),
        ("SET ROLE bert", "chief bert"),
        ("SET SESSION AUTHORIZATION anna", "anna anna"),
        ("SET application_name = 'x'", "anna anna"),
        ("RESET SESSION AUTHORIZATION", "chief chief"),
    ] {
        assert_eq!(session.ask(text).await.unwrap().fault, None, "{text}");
        // Another session has the only connection meanwhile.
        between.ask("SELECT 1").await.unwrap();
        let answer = session.ask("SELECT session_user || ' ' || current_user").await.unwrap();
        assert_eq!((answer.fault.as_ref(), answer.value()), (None, expected), "{text}");
    }
}
