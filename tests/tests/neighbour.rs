//! One tenant's load and the others' statements: who makes them slower may hold fewer connections at once.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tests::{Daemon, Fleet, until};
use tokio::task::JoinHandle;
use tokio_postgres::SimpleQueryMessage;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server on which others' statements take longer the more of these run at once, as they do where
/// processors are short: but by how much is certain here.
const HARMFUL: &str = "SELECT pg_sleep(0.03) FROM notes WHERE tenant_id = 1";
const HARMLESS: &str = "SELECT pg_sleep(0.031) FROM notes WHERE tenant_id = 1";
const SLOWED: &str = "CREATE FUNCTION slowed() RETURNS void LANGUAGE sql AS $$
    SELECT pg_sleep(0.01 * greatest(count(*) - 1, 0)) FROM pg_stat_activity
    WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(0.03) FROM%' $$";

/// Sessions that say something again and again, until this is over.
struct Load {
    over: Arc<AtomicBool>,
    said: Arc<AtomicUsize>,
    harmful: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    fn new() -> Load {
        Load { over: Arc::default(), said: Arc::default(), harmful: Arc::new(true.into()), tasks: Vec::new() }
    }

    /// One more session that says this; the second where the load is harmless.
    async fn add(&mut self, daemon: &Daemon, harmful: String, harmless: String) {
        let mut session = daemon.session("app").await.unwrap();
        let (over, said, harms) = (Arc::clone(&self.over), Arc::clone(&self.said), Arc::clone(&self.harmful));
        self.tasks.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let sql = if harms.load(Ordering::Relaxed) { &harmful } else { &harmless };
                assert_eq!(session.ask(sql).await.unwrap().fault, None);
                said.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }

    fn said(&self) -> usize {
        self.said.load(Ordering::Relaxed)
    }

    async fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// How many connections each tenant that is held back may hold.
async fn allowed(daemon: &Daemon) -> Vec<(String, usize)> {
    let messages = daemon.console().await.unwrap().simple_query("SHOW HELD_BACK").await.unwrap();
    let tenant = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((row.get("tenant")?.to_owned(), row.get("allowed")?.parse().unwrap()))
        }
        _ => None,
    };
    messages.iter().filter_map(tenant).collect()
}

#[tokio::test]
async fn who_makes_others_slower_is_held_back_until_it_does_not() {
    let fleet = Fleet::builder().servers(1).start().await.unwrap();
    let limits = "tenant_column = \"tenant_id\"\nharmless_functions = [\"slowed\"]";
    let daemon = fleet.daemon().key("database", limits).start().await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    session.ask("CREATE TABLE notes (tenant_id bigint PRIMARY KEY)").await.unwrap();
    assert_eq!(session.ask(SLOWED).await.unwrap().fault, None);
    let admin = fleet.server(0).connect("app").await.unwrap();
    // Not through pgherd, to which no tenant has been there then.
    admin.execute("INSERT INTO notes SELECT generate_series(1, 7)", &[]).await.unwrap();
    let active = async || {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(0.03%'";
        admin.query_one(count, &[]).await.unwrap().get::<_, i64>(0)
    };

    let mut flood = Load::new();
    for _ in 0..16 {
        flood.add(&daemon, HARMFUL.to_owned(), HARMLESS.to_owned()).await;
    }
    until("a tenant alone has what it wants", PATIENCE, async || active().await >= 14).await;

    let mut others = Load::new();
    for tenant in 2..=7 {
        let read = format!("SELECT slowed() FROM notes WHERE tenant_id = {tenant}");
        others.add(&daemon, read.clone(), read).await;
    }
    until("it is held back to one", PATIENCE, async || {
        allowed(&daemon).await == [("1".to_owned(), 1)] && active().await <= 1
    })
    .await;
    until("the metric says so", PATIENCE, async || {
        let (_, metrics) = daemon.page("/metrics").await.unwrap();
        metrics.lines().any(|line| line.starts_with("pgherd_tenants_held_back{") && line.ends_with(" 1"))
    })
    .await;
    let said = flood.said();
    until("it is not starved", PATIENCE, async || flood.said() > said + 20).await;

    flood.harmful.store(false, Ordering::Relaxed);
    until("it has its share again", PATIENCE, async || {
        allowed(&daemon).await.is_empty() && active().await >= 9
    })
    .await;
    flood.end().await;
    others.end().await;
}
