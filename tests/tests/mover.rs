//! The mover alone, on real servers: writers obey the directory as the daemon's clients do.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proxy::config::{Config, DatabaseConfig, NodeAddress, ServerConfig};
use proxy::directory::{LiveDirectory, open};
use proxy::mover::{MoveReport, Mover, StartError};
use proxy::replicas::Servers;
use router::directory::{MoveStage, Start, start};
use router::ids::{MoveId, ServerId, TenantKey};
use router::moves::{Request, parse_shards, parse_tenants};
use router::plan::Tenants;
use tests::{Fleet, until};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const TENANTS: i64 = 40;
const SHARDS: u32 = 64;

const SCHEMA: &str = "
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE accounts (tenant_id bigint, id bigint GENERATED ALWAYS AS IDENTITY, name text, mood mood DEFAULT 'sad',
    balance numeric NOT NULL DEFAULT 0, long text, doubled numeric GENERATED ALWAYS AS (balance * 2) STORED,
    PRIMARY KEY (tenant_id, id));
CREATE TABLE ledger (tenant_id int, at timestamptz DEFAULT now(), amount float8, note json) PARTITION BY HASH (tenant_id);
CREATE TABLE ledger_0 PARTITION OF ledger FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE ledger_1 PARTITION OF ledger FOR VALUES WITH (MODULUS 2, REMAINDER 1);
ALTER TABLE ledger_0 REPLICA IDENTITY FULL;
ALTER TABLE ledger_1 REPLICA IDENTITY FULL;
ALTER TABLE ledger REPLICA IDENTITY FULL;
CREATE TABLE \"Odd name\" (\"the \"\"key\" text, tenant_id bigint, PRIMARY KEY (\"the \"\"key\", tenant_id));
CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a trigger fired'; END $$;
CREATE TRIGGER forbidden BEFORE DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION forbid();
";

struct Stage {
    fleet: Fleet,
    config: Config,
    folder: tempfile::TempDir,
    daemon: std::sync::Mutex<Arc<Daemon>>,
}

/// What a daemon has, as far as a move cares.
struct Daemon {
    live: LiveDirectory,
    mover: Mover,
    ends: CancellationToken,
    tasks: TaskTracker,
}

impl Daemon {
    fn start(config: &Config, folder: &std::path::Path) -> Daemon {
        let store = open(&format!("file:{}", folder.display())).unwrap();
        let live = LiveDirectory::open("app", Arc::clone(&store)).unwrap().unwrap_or_else(|| {
            let names: Vec<String> = config.servers.iter().map(|server| server.name.clone()).collect();
            LiveDirectory::create("app", store, start(&names, SHARDS, Start::Adopt(ServerId(0)))).unwrap()
        });
        let (ends, tasks) = (CancellationToken::new(), TaskTracker::new());
        let servers = Arc::new(Servers::new(config).expect("no TLS files"));
        servers.probe(config, &tasks, &ends);
        let mover = Mover::new(
            &config.databases[0],
            &config.moves,
            live.clone(),
            servers,
            tasks.clone(),
            ends.clone(),
        );
        mover.resume();
        Daemon { live, mover, ends, tasks }
    }
}

impl Stage {
    async fn set() -> Stage {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        let mut config = Config::default();
        for server in fleet.servers() {
            let client = server.node(0).connect("app").await.unwrap();
            client.batch_execute(SCHEMA).await.unwrap();
            let node = NodeAddress { host: "127.0.0.1".into(), port: server.node(0).port() };
            config.servers.push(ServerConfig {
                name: server.name().to_owned(),
                nodes: vec![node],
                ..ServerConfig::default()
            });
        }
        config.databases.push(DatabaseConfig {
            name: "app".into(),
            shards: SHARDS,
            ..DatabaseConfig::default()
        });
        let client = fleet.server(0).node(0).connect("app").await.unwrap();
        let fill = format!(
            "INSERT INTO accounts (tenant_id, name, long) SELECT t, 'n' || n, repeat(md5(n::text), 200)
                FROM generate_series(1, {TENANTS}) t, generate_series(1, 50) n;
             INSERT INTO ledger SELECT t, now(), n / 3.0, '{{\"a\": 1}}' FROM generate_series(1, {TENANTS}) t, generate_series(1, 50) n;
             INSERT INTO \"Odd name\" SELECT t || '''', t FROM generate_series(1, {TENANTS}) t"
        );
        client.batch_execute(&fill).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(&config, folder.path());
        Stage { fleet, config, folder, daemon: std::sync::Mutex::new(Arc::new(daemon)) }
    }

    fn daemon(&self) -> Arc<Daemon> {
        Arc::clone(&self.daemon.lock().unwrap())
    }

    /// The daemon's tasks end where they are; another daemon goes on from the store. Nobody can be in it meanwhile.
    async fn replace_daemon(&self) {
        let old = self.daemon();
        old.ends.cancel();
        old.tasks.close();
        old.tasks.wait().await;
        let (live, mover) = (old.live.clone(), old.mover.clone());
        drop((old, live, mover));
        let folder = self.folder.path().to_owned();
        // The store is unlocked once the old daemon is gone; writers let it go soon.
        let blank = tempfile::tempdir().unwrap();
        let standby = Daemon::start(&self.config, blank.path());
        standby.ends.cancel();
        let old = std::mem::replace(&mut *self.daemon.lock().unwrap(), Arc::new(standby));
        drop(old);
        until("the store is free", Duration::from_secs(10), async || {
            open(&format!("file:{}", folder.display())).is_ok()
        })
        .await;
        *self.daemon.lock().unwrap() = Arc::new(Daemon::start(&self.config, &folder));
    }

    async fn connect(&self, server: ServerId) -> Client {
        self.fleet.server(usize::from(server.0)).node(0).connect("app").await.unwrap()
    }

    async fn count(&self, server: u16, sql: &str) -> i64 {
        self.connect(ServerId(server)).await.query_one(sql, &[]).await.unwrap().get(0)
    }

    fn report(&self, id: MoveId) -> MoveReport {
        self.daemon().mover.show(id).unwrap()
    }

    async fn until_over(&self, id: MoveId) -> MoveReport {
        until("the move is over", Duration::from_secs(60), async || {
            self.daemon()
                .mover
                .show(id)
                .is_some_and(|report| matches!(report.phase.as_str(), "done" | "aborted"))
        })
        .await;
        self.report(id)
    }

    /// Nothing of any move is left on the servers.
    async fn assert_tidy(&self) {
        for server in [0, 1] {
            let left = "SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_publication)
                + (SELECT count(*) FROM pg_replication_origin) + (SELECT count(*) FROM pgherd.hidden)
                + (SELECT count(*) FROM pgherd.cleanup) + (SELECT count(*) FROM pg_class WHERE relname LIKE 'fence%')";
            assert_eq!(self.count(server, left).await, 0, "server {server} has something left of a move");
        }
    }
}

/// Writers of random tenants, each transaction planned, entered and fenced as the daemon does it.
struct Writers {
    stop: Arc<AtomicBool>,
    longest: Arc<AtomicU64>,
    written: Arc<AtomicI64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Writers {
    fn start(stage: &Arc<Stage>) -> Writers {
        let (stop, longest, written) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::default());
        let tasks = (0..4).map(|worker| {
            let (stage, stop, longest) = (Arc::clone(stage), Arc::clone(&stop), Arc::clone(&longest));
            let written: Arc<AtomicI64> = Arc::clone(&written);
            tokio::spawn(async move {
                let clients = [stage.connect(ServerId(0)).await, stage.connect(ServerId(1)).await];
                for round in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let begun = Instant::now();
                    let tenant = 1 + (round * 7 + worker) % TENANTS;
                    while !write(&stage, &clients, tenant, round).await {}
                    written.fetch_add(1, Ordering::SeqCst);
                    let elapsed = u64::try_from(begun.elapsed().as_millis()).unwrap();
                    longest.fetch_max(elapsed, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        });
        Writers { tasks: tasks.collect(), stop, longest, written }
    }

    /// How many transactions were written, and the longest that one took, in milliseconds.
    async fn stop(self) -> (i64, u64) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        (self.written.load(Ordering::SeqCst), self.longest.load(Ordering::SeqCst))
    }
}

/// One transaction; false where the directory moved on and it must be tried again.
async fn write(stage: &Stage, clients: &[Client; 2], tenant: i64, round: i64) -> bool {
    let live = stage.daemon().live.clone();
    let directory = live.load();
    let key = TenantKey::Integer(tenant);
    let place = directory.locate(&key);
    if place.mark.is_some_and(|mark| mark.stage == MoveStage::Frozen) {
        let _ = tokio::time::timeout(Duration::from_millis(50), live.newer_than(directory.version())).await;
        return false;
    }
    let Ok(_pass) = live.enter(&directory, &[place.server], &Tenants::Some([key].into())) else {
        return false;
    };
    let client = &clients[usize::from(place.server.0)];
    let fence = place.mark.and_then(|mark| mark.fence());
    let fence = fence.map(|fence| format!("SELECT FROM pgherd.{fence};")).unwrap_or_default();
    if client.batch_execute(&format!("BEGIN; {fence}")).await.is_err() {
        client.batch_execute("ROLLBACK").await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        return false;
    }
    let change = match round % 4 {
        0 => format!("INSERT INTO accounts (tenant_id, name, mood) VALUES ({tenant}, 'new''', 'glad')"),
        1 => format!(
            "UPDATE accounts SET mood = 'glad', name = NULL WHERE tenant_id = {tenant} AND id % 9 = 1"
        ),
        2 => format!(
            "DELETE FROM ledger WHERE ctid IN (SELECT ctid FROM ledger WHERE tenant_id = {tenant} LIMIT 0)"
        ),
        _ => format!("UPDATE ledger SET amount = amount + 0.1 WHERE tenant_id = {tenant} AND amount < 2"),
    };
    let add = format!(
        "UPDATE accounts SET balance = balance + 1 WHERE tenant_id = {tenant} AND id = (SELECT min(id) FROM accounts WHERE tenant_id = {tenant})"
    );
    client.batch_execute(&format!("{change}; {add}; COMMIT")).await.unwrap();
    true
}

async fn sum_of_balances(stage: &Stage) -> i64 {
    let sql = "SELECT coalesce(sum(balance), 0)::bigint FROM accounts";
    stage.count(0, sql).await + stage.count(1, sql).await
}

fn tenants(text: &str) -> Request {
    Request { scope: parse_tenants(text, router::ids::KeyType::Integer).unwrap(), to: "beta".into() }
}

async fn begin(stage: &Stage, request: Request) -> MoveId {
    let mover = stage.daemon().mover.clone();
    mover.start(request).await.unwrap()[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_and_shards_move_under_load_and_nothing_is_lost() {
    let stage = Arc::new(Stage::set().await);
    // Both tenant columns must be of the keys' type; int and bigint are.
    let writers = Writers::start(&stage);
    let id = begin(&stage, tenants("3,5,7,11")).await;
    let report = stage.until_over(id).await;
    assert_eq!(report.phase, "done", "{report:?}");
    let shards = Request { scope: parse_shards("0-31", SHARDS).unwrap(), to: "beta".into() };
    let second = stage.until_over(begin(&stage, shards).await).await;
    assert_eq!(second.phase, "done", "{second:?}");
    let (written, longest) = writers.stop().await;
    println!("{report:?}\n{second:?}\nwritten {written}, longest {longest} ms");
    assert_eq!(sum_of_balances(&stage).await, written);
    let mine = "SELECT count(DISTINCT tenant_id) FROM accounts WHERE tenant_id IN (3, 5, 7, 11)";
    assert_eq!((stage.count(0, mine).await, stage.count(1, mine).await), (0, 4));
    let long = "SELECT count(*) FROM accounts WHERE length(long) = 6400";
    assert_eq!(stage.count(0, long).await + stage.count(1, long).await, TENANTS * 50);
    assert!(longest < 1000, "a writer waited {longest} ms");
    stage.assert_tidy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_goes_on_whenever_its_daemon_is_replaced() {
    let stage = Arc::new(Stage::set().await);
    let id = begin(&stage, tenants("1,2,3,4,5,6,7,8")).await;
    let mut seen = Vec::new();
    for _ in 0..400 {
        let phase = stage.report(id).phase;
        if phase == "done" {
            break;
        }
        if !seen.contains(&phase) {
            seen.push(phase);
            stage.replace_daemon().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let report = stage.until_over(id).await;
    println!("interrupted in {seen:?}: {report:?}");
    assert_eq!(report.phase, "done", "{report:?}");
    assert!(seen.len() > 3, "{seen:?}");
    let mine = "SELECT count(*) FROM accounts WHERE tenant_id <= 8";
    assert_eq!((stage.count(0, mine).await, stage.count(1, mine).await), (0, 400));
    stage.assert_tidy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_move_leaves_nothing() {
    let stage = Arc::new(Stage::set().await);
    // A transaction that began before the move keeps the slot from being made.
    let holder = stage.connect(ServerId(0)).await;
    holder.batch_execute("BEGIN; CREATE TABLE x (); ").await.unwrap();
    let id = begin(&stage, tenants("9")).await;
    until("it copies", Duration::from_secs(20), async || stage.report(id).phase == "prepared").await;
    stage.daemon().mover.abort(id).unwrap();
    let report = stage.until_over(id).await;
    assert_eq!(report.phase, "aborted", "{report:?}");
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(stage.count(1, "SELECT count(*) FROM accounts").await, 0);
    assert!(stage.daemon().live.load().marks().is_empty());
    stage.assert_tidy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_transaction_makes_the_move_late_and_hurts_nobody() {
    let stage = Arc::new(Stage::set().await);
    let id = begin(&stage, tenants("9")).await;
    until("the fence stands", Duration::from_secs(20), async || {
        stage.daemon().live.load().marks().first().is_some_and(|mark| mark.stage != MoveStage::Copying)
    })
    .await;
    // Inside the fence, as a statement of the daemon is.
    let holder = stage.connect(ServerId(0)).await;
    let fence = format!("BEGIN; SELECT FROM pgherd.fence_{id}");
    if holder.batch_execute(&fence).await.is_ok() {
        until("the freeze is lifted", Duration::from_secs(20), async || stage.report(id).late > 0).await;
        holder.batch_execute("COMMIT").await.unwrap();
    }
    assert_eq!(stage.until_over(id).await.phase, "done");
    stage.assert_tidy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_forbids_a_move_is_listed_before_it_begins() {
    let stage = Arc::new(Stage::set().await);
    let bad =
        "CREATE TABLE keyless (tenant_id bigint); CREATE UNLOGGED TABLE quick (tenant_id bigint PRIMARY KEY)";
    stage.connect(ServerId(0)).await.batch_execute(bad).await.unwrap();
    let mover = stage.daemon().mover.clone();
    let refused = mover.start(tenants("9")).await;
    let Err(StartError::Findings(findings)) = refused else { panic!("{refused:?}") };
    let all = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for part in ["keyless\" has no replica identity", "quick\" is unlogged", "server beta has no table"] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
    assert!(mover.list().is_empty());
}
