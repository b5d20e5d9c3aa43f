//! A commit over several servers, with proxies and servers killed before and after each of its messages.
//!
//! | message | number | to |
//! | --- | --- | --- |
//! | `prepare` PREPARE TRANSACTION `prepared` | each but the first | all writers but the decider |
//! | `decide` INSERT INTO pgherd.decision `decided` | 0 | the decider |
//! | `commit` COMMIT `committed` | 0 | the decider |
//! | `finish` COMMIT PREPARED `finished` | each but the first | the others |
//! | `undo` ROLLBACK PREPARED `undone` | each but the first | the others, where one could not prepare |
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::{Daemon, Fleet, until};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// The places of a commit that can be reached with so many participants, in the order of their coming.
fn places(participants: usize) -> Vec<String> {
    let others = participants - 1;
    let each = |names: [&str; 2]| -> Vec<String> {
        (0..others).flat_map(|number| names.map(|name| format!("two_phase.{name}.{number}"))).collect()
    };
    let decider = ["decide", "decided", "commit", "committed"].map(|name| format!("two_phase.{name}.0"));
    [each(["prepare", "prepared"]), decider.to_vec(), each(["finish", "finished"])].concat()
}

/// True where the decision has been made by then.
fn is_decided(place: &str) -> bool {
    ["committed", "finish", "finished"].iter().any(|name| place.split('.').nth(1) == Some(*name))
}

/// One transaction that was interrupted.
struct Attempt {
    number: i32,
    place: String,
    tenants: Vec<i64>,
    /// Whether it must stand; `None` where nobody could say.
    stands: Option<bool>,
}

impl Attempt {
    /// Its rows: a number's, one of each of the tenants. What is doomed cannot be prepared by the last.
    fn text(&self, doomed: bool) -> String {
        let number = self.number;
        let rows = self.tenants.iter().map(|tenant| format!("INSERT INTO t VALUES ({tenant}, {number});"));
        let orphan = format!("INSERT INTO parts VALUES ({}, {number}, -1);", self.tenants.last().unwrap());
        format!("BEGIN; {} {} COMMIT", rows.collect::<String>(), if doomed { orphan.as_str() } else { "" })
    }
}

/// Three servers, and a tenant of each.
struct Stage {
    fleet: Fleet,
    daemon: Daemon,
    tenants: Vec<i64>,
    attempts: Vec<Attempt>,
}

impl Stage {
    async fn new() -> Stage {
        let fleet = Fleet::builder().servers(3).start().await.unwrap();
        let daemon = daemon(&fleet, "first");
        daemon.start().await.unwrap();
        let client = daemon.connect().await.unwrap();
        let tables = "CREATE TABLE t (tenant_id bigint, n int, PRIMARY KEY (tenant_id, n));
            CREATE TABLE parts (tenant_id bigint, n int, of int, PRIMARY KEY (tenant_id, n),
                FOREIGN KEY (tenant_id, of) REFERENCES t (tenant_id, n) DEFERRABLE INITIALLY DEFERRED);
            INSERT INTO t SELECT tenant, 0 FROM generate_series(1, 60) tenant";
        client.batch_execute(tables).await.unwrap();
        let mut tenants = Vec::new();
        for server in fleet.servers() {
            let row =
                server.connect("app").await.unwrap().query_one("SELECT min(tenant_id) FROM t", &[]).await;
            tenants.push(row.unwrap().get(0));
        }
        client.batch_execute("DELETE FROM t").await.unwrap();
        Stage { fleet, daemon, tenants, attempts: Vec::new() }
    }

    /// A transaction over so many servers, which is to be interrupted.
    fn attempt(&mut self, participants: usize, place: &str) -> &mut Attempt {
        let number = i32::try_from(self.attempts.len()).unwrap() + 1;
        let tenants = self.tenants[..participants].to_vec();
        self.attempts.push(Attempt { number, place: place.to_owned(), tenants, stands: None });
        self.attempts.last_mut().unwrap()
    }

    /// Runs a transaction through a daemon that dies at the place.
    async fn die(&mut self, daemon: &Daemon, participants: usize, place: &str, doomed: bool) {
        order(daemon, "die", place);
        let attempt = self.attempt(participants, place);
        attempt.stands = Some(is_decided(place));
        let client = daemon.connect().await.unwrap();
        let outcome = client.batch_execute(&attempt.text(doomed)).await;
        assert!(outcome.is_err(), "{place}: nobody was told that it worked");
        until(place, Duration::from_secs(20), async || !daemon.is_running()).await;
    }

    /// Waits until a transaction gets through to all servers: what was restarted is known to be back.
    async fn all_servers_are_there(&self) {
        let rows: Vec<String> = self.tenants.iter().map(|tenant| format!("({tenant}, 0)")).collect();
        let text = format!("BEGIN; INSERT INTO t VALUES {}; ROLLBACK", rows.join(", "));
        until("all servers are there", Duration::from_secs(30), async || match self.daemon.connect().await {
            Ok(client) => client.batch_execute(&text).await.is_ok(),
            Err(_) => false,
        })
        .await;
    }

    /// What every server has of the copies and the tables that were made of all rows: the same.
    async fn copies(&self) -> String {
        let question = "SELECT (SELECT string_agg(c::text, ' ' ORDER BY id) FROM copies c) || \
             (SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class WHERE relname LIKE 'made%')";
        let mut held = Vec::new();
        for server in self.fleet.servers() {
            let row = server.connect("app").await.unwrap().query_one(question, &[]).await.unwrap();
            held.push(row.get::<_, String>(0));
        }
        held.dedup();
        assert_eq!(held.len(), 1, "{held:?}");
        held.remove(0)
    }

    /// What is left is finished by whoever lives; then each transaction is whole or not there.
    async fn judge(&self, daemon: &Daemon) {
        until("no prepared transaction is left", Duration::from_secs(60), async || {
            for server in self.fleet.servers() {
                let client = server.connect("app").await.unwrap();
                let count = client.query_one("SELECT count(*) FROM pg_prepared_xacts", &[]).await.unwrap();
                if count.get::<_, i64>(0) > 0 {
                    return false;
                }
            }
            true
        })
        .await;
        let client = daemon.connect().await.unwrap();
        for attempt in &self.attempts {
            let question = "SELECT count(*) FROM t WHERE n = $1";
            let row = client.query_one(question, &[&attempt.number]).await.unwrap();
            let count = usize::try_from(row.get::<_, i64>(0)).unwrap();
            let all = attempt.tenants.len();
            let (place, number) = (&attempt.place, attempt.number);
            assert!(count == 0 || count == all, "{place}, attempt {number}: {count} of {all} rows are there");
            let as_told = attempt.stands.is_none_or(|stands| stands == (count == all));
            assert!(as_told, "{place}, attempt {number}: told {:?}, {count} rows", attempt.stands);
        }
    }
}

fn faults(daemon: &Daemon) -> PathBuf {
    daemon.configuration().with_file_name("faults")
}

fn daemon(fleet: &Fleet, name: &str) -> Daemon {
    let daemon = fleet.daemon().name(name).prepare().unwrap();
    daemon.set_environment("PGHERD_FAULTS", faults(&daemon).to_str().unwrap());
    daemon
}

/// Tells a daemon to die or to wait where it comes to the place next; gives the file that it waits by.
fn order(daemon: &Daemon, verb: &str, place: &str) -> PathBuf {
    let (file, met) = (faults(daemon), faults(daemon).with_extension("met"));
    let _ = std::fs::remove_file(&met);
    // Whole at once: the daemon may look at any moment.
    let written = file.with_extension("new");
    std::fs::write(&written, format!("{verb} {place}")).unwrap();
    std::fs::rename(written, file).unwrap();
    met
}

async fn is_met(met: &Path, place: &str) {
    until(place, Duration::from_secs(20), async || met.exists()).await;
}

#[tokio::test]
async fn a_proxy_that_died_anywhere_in_a_commit_finishes_it_when_it_is_started_again() {
    let mut stage = Stage::new().await;
    let daemon = std::mem::replace(&mut stage.daemon, daemon(&stage.fleet, "unused"));
    for participants in [2, 3] {
        for place in places(participants) {
            stage.die(&daemon, participants, &place, false).await;
            daemon.start().await.unwrap();
        }
    }
    for place in ["two_phase.undo.0", "two_phase.undone.0"] {
        stage.die(&daemon, 3, place, true).await;
        daemon.start().await.unwrap();
    }
    stage.judge(&daemon).await;
}

#[tokio::test]
async fn a_commit_whose_proxy_is_gone_for_good_is_finished_by_another() {
    let mut stage = Stage::new().await;
    let mut daemons = Vec::new();
    for place in places(3) {
        let daemon = daemon(&stage.fleet, &place);
        daemon.start().await.unwrap();
        daemons.push((place, daemon));
    }
    for (place, daemon) in &daemons {
        stage.die(daemon, 3, place, false).await;
    }
    stage.judge(&stage.daemon).await;
}

/// Whether a transaction stands, by what its client was told.
fn told(outcome: &Result<(), Error>) -> Option<bool> {
    match outcome {
        Ok(()) => Some(true),
        Err(error) if error.code() == Some(&SqlState::TRANSACTION_RESOLUTION_UNKNOWN) => None,
        Err(error) => {
            assert!(error.code().is_some(), "the proxy lives and answers: {error}");
            Some(false)
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_anywhere_in_a_commit_leaves_no_half_and_no_wrong_word() {
    let mut stage = Stage::new().await;
    for (turn, place) in places(3).iter().enumerate() {
        for victim in 0..3 {
            stage.all_servers_are_there().await;
            let met = order(&stage.daemon, "wait", place);
            let text = stage.attempt(3, place).text(false);
            let client = stage.daemon.connect().await.unwrap();
            let commit = tokio::spawn(async move { client.batch_execute(&text).await });
            is_met(&met, place).await;
            let node = stage.fleet.server(victim).node(0);
            node.kill_9().unwrap();
            // The next message meets a server that is gone, or one that has forgotten it.
            if (turn + victim) % 2 == 0 {
                node.start().await.unwrap();
                std::fs::remove_file(&met).unwrap();
            } else {
                std::fs::remove_file(&met).unwrap();
                node.start().await.unwrap();
            }
            let outcome = commit.await.unwrap();
            stage.attempts.last_mut().unwrap().stands = told(&outcome);
        }
    }
    stage.judge(&stage.daemon).await;
    let told: Vec<_> = stage.attempts.iter().map(|attempt| attempt.stands).collect();
    let count = |what| told.iter().filter(|stands| **stands == what).count();
    println!(
        "{} commits stand, {} do not, {} clients were told that nobody knows",
        count(Some(true)),
        count(Some(false)),
        count(None)
    );
}

#[tokio::test]
async fn a_proxy_that_dies_while_it_forgets_decisions_takes_none_that_is_wanted() {
    let stage = Stage::new().await;
    let daemon = &stage.daemon;
    daemon.kill_9().unwrap();
    for server in stage.fleet.servers() {
        let old =
            "INSERT INTO pgherd.decision VALUES ('pgherd:x:p:old', 'commit', now() - interval '2 hours'),
            ('pgherd:x:p:wanted', 'commit', now() - interval '2 hours')";
        server.connect("app").await.unwrap().batch_execute(old).await.unwrap();
    }
    let elsewhere = stage.fleet.server(2).connect("postgres").await.unwrap();
    let branch = "BEGIN; CREATE TABLE wanted (n int); PREPARE TRANSACTION 'pgherd:x:p:wanted'";
    elsewhere.batch_execute(branch).await.unwrap();
    for number in 0..3 {
        order(daemon, "die", &format!("decisions.forget.{number}"));
        daemon.start().await.unwrap();
        until("it dies there", Duration::from_secs(30), async || !daemon.is_running()).await;
    }
    daemon.start().await.unwrap();
    for server in stage.fleet.servers() {
        let client = server.connect("app").await.unwrap();
        until("the old decision is forgotten", Duration::from_secs(30), async || {
            let gids = "SELECT string_agg(gid, ' ') FROM pgherd.decision WHERE gid LIKE 'pgherd:x:%'";
            let row = client.query_one(gids, &[]).await.unwrap();
            row.get::<_, Option<String>>(0).as_deref() == Some("pgherd:x:p:wanted")
        })
        .await;
    }
    elsewhere.batch_execute("ROLLBACK PREPARED 'pgherd:x:p:wanted'").await.unwrap();
}

/// Writes of copies and new tables, computed of rows of all servers; each is done once with a number.
const OF_ALL_ROWS: [&str; 4] = [
    "INSERT INTO copies SELECT {n}, count(*) FROM t",
    "UPDATE copies SET rows = {n} + 0 * (SELECT count(*) FROM t)",
    "CREATE TABLE made_{n} AS SELECT count(*) FROM t",
    "MERGE INTO copies USING (SELECT {n} + 0 * count(*) AS k FROM t) s ON id = k WHEN NOT MATCHED THEN INSERT VALUES (k, 0)",
];

#[tokio::test]
async fn a_proxy_that_dies_while_copies_are_written_leaves_them_equal() {
    let mut stage = Stage::new().await;
    let setup = "CREATE TABLE copies (id int PRIMARY KEY, rows bigint); INSERT INTO copies VALUES (0, 0)";
    stage.daemon.connect().await.unwrap().batch_execute(setup).await.unwrap();
    let daemon = std::mem::replace(&mut stage.daemon, daemon(&stage.fleet, "unused"));
    let mut before = stage.copies().await;
    for (number, place) in places(3).iter().chain(&places(3)).enumerate() {
        let text =
            OF_ALL_ROWS[(number + number / 12) % OF_ALL_ROWS.len()].replace("{n}", &(number + 1).to_string());
        order(&daemon, "die", place);
        let client = daemon.connect().await.unwrap();
        assert!(client.batch_execute(&text).await.is_err(), "{place}: nobody was told that it worked");
        until(place, Duration::from_secs(20), async || !daemon.is_running()).await;
        daemon.start().await.unwrap();
        stage.judge(&daemon).await;
        let after = stage.copies().await;
        assert_eq!(after != before, is_decided(place), "{place}: {text}: {before}, then {after}");
        before = after;
    }
}
