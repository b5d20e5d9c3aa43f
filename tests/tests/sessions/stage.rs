//! Two servers and a pgherd over them.

use tests::{Daemon, Fleet, Message, Session};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

pub(crate) async fn stage() -> &'static (Fleet, Daemon) {
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

pub(crate) async fn daemon() -> &'static Daemon {
    &stage().await.1
}

/// The messages of a pipeline of statements without parameters, each bound and executed, up to ReadyForQuery.
pub(crate) async fn pipeline(session: &mut Session, statements: &[&str]) -> Vec<Message> {
    for sql in statements {
        session.queue_parse("", sql).unwrap().queue_bind("", &[]).unwrap().queue_execute(0).unwrap();
    }
    session.sync().await.unwrap();
    session.until_ready().await.unwrap()
}

pub(crate) async fn count(session: &mut Session, note: i32) -> String {
    let question = format!("SELECT count(*) FROM notes WHERE note_id = {note}");
    session.ask(&question).await.unwrap().value().to_owned()
}

pub(crate) async fn running(fleet: &Fleet, word: &str) -> i64 {
    let mut count = 0;
    for server in fleet.servers() {
        let admin = server.connect("app").await.unwrap();
        let question = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = 'app'
             AND query LIKE '%' || $1::text || '%'";
        count += admin.query_one(question, &[&word]).await.unwrap().get::<_, i64>(0);
    }
    count
}
