//! pg_dump and psql, as one who backs up or migrates a database would use them.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use tests::{APP_USER, Daemon, Fleet, Load, connect};

/// Tables of tenants and of all, with what hangs on them.
const SCHEMA: &str = "
    CREATE TYPE mood AS ENUM ('calm', 'cross');
    CREATE TABLE plans (plan text PRIMARY KEY, price numeric NOT NULL);
    CREATE TABLE people (
        tenant_id bigint NOT NULL, id bigserial, name text COLLATE \"C\", mood mood, born date, plan text REFERENCES plans,
        PRIMARY KEY (tenant_id, id));
    CREATE TABLE notes (
        tenant_id bigint NOT NULL, id uuid NOT NULL, person bigint, body text DEFAULT '', marks int[],
        extra jsonb CHECK (extra <> '0'), PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, person) REFERENCES people ON DELETE CASCADE);
    CREATE INDEX notes_by_person ON notes (tenant_id, person) WHERE person IS NOT NULL;
    CREATE VIEW calm AS SELECT tenant_id, name FROM people WHERE mood = 'calm';
    COMMENT ON TABLE notes IS 'what people wrote';
    INSERT INTO plans VALUES ('free', 0), ('paid', 9.50);";

/// pg_dump's text; without what differs from run to run.
async fn dump(url: &str) -> String {
    let program = tests::postgres_binaries().unwrap().join("pg_dump");
    let output = tokio::process::Command::new(program)
        .args(["--exclude-schema=pgherd", url])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let kept = text.lines().filter(|line| !line.starts_with("--") && !line.contains("restrict "));
    kept.map(|line| format!("{line}\n")).collect()
}

/// Runs a text with psql, which stops at the first error.
async fn restore(url: &str, directory: &std::path::Path, text: &str) {
    let file = directory.join("dump.sql");
    std::fs::write(&file, text).unwrap();
    let program = tests::postgres_binaries().unwrap().join("psql");
    let output = tokio::process::Command::new(program)
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file"])
        .args([file.as_os_str(), url.as_ref()])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The lines of a dump, each as often as it is there: the rows of a table are in no order.
fn lines(dump: &str) -> BTreeMap<&str, usize> {
    let mut lines = BTreeMap::new();
    for line in dump.lines() {
        *lines.entry(line).or_default() += 1;
    }
    lines
}

/// What one dump has that the other has not.
fn differences<'a>(one: &'a str, other: &'a str) -> Vec<&'a str> {
    let (one, other) = (lines(one), lines(other));
    let all: BTreeSet<&str> = one.keys().chain(other.keys()).copied().collect();
    all.into_iter().filter(|line| one.get(line) != other.get(line)).collect()
}

async fn fill(daemon: &Daemon) {
    let client = daemon.connect().await.unwrap();
    client.batch_execute(SCHEMA).await.unwrap();
    client
        .batch_execute(
            "INSERT INTO people (tenant_id, name, mood, born, plan)
             SELECT t, E'a\\tb\\\\ ' || t, CASE t % 2 WHEN 0 THEN 'calm'::mood END, date '2001-02-03' + t::int, 'free'
             FROM generate_series(1, 50) t;
             INSERT INTO notes (tenant_id, id, person, marks, extra)
             SELECT tenant_id, gen_random_uuid(), id, ARRAY[1, NULL], jsonb_build_object('a', tenant_id) FROM people",
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_the_fleet_restores_to_one_postgresql_and_to_another_fleet() {
    let fleet = Fleet::builder().servers(2).database("copy").start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    fill(&daemon).await;
    let dumped = dump(&daemon.url("app", APP_USER)).await;
    assert_eq!(dumped.matches("\tcalm\t").count(), 25, "{dumped}");

    let oracle = fleet.oracle().await.unwrap();
    restore(&oracle.url(APP_USER, "app"), fleet.path(), &dumped).await;
    let of_oracle = dump(&oracle.url(APP_USER, "app")).await;
    assert_eq!(differences(&of_oracle, &dumped), [""; 0]);

    restore(&daemon.url("copy", APP_USER), fleet.path(), &dumped).await;
    let of_copy = dump(&daemon.url("copy", APP_USER)).await;
    // The new fleet counts in steps of its own.
    let counts = |line: &&str| !line.contains("INCREMENT BY") && !line.contains("setval");
    let different: Vec<&str> = differences(&of_copy, &dumped).into_iter().filter(counts).collect();
    assert_eq!(different, [""; 0]);
    let client = connect(&daemon.url("copy", APP_USER)).await.unwrap();
    client.batch_execute("INSERT INTO people (tenant_id) SELECT generate_series(1, 50)").await.unwrap();
    let twice = "SELECT count(*) - count(DISTINCT id) FROM people";
    assert_eq!(client.query_one(twice, &[]).await.unwrap().get::<_, i64>(0), 0, "a number came twice");
    for server in fleet.servers() {
        let client = server.connect("copy").await.unwrap();
        let rows: i64 = client.query_one("SELECT count(*) FROM people", &[]).await.unwrap().get(0);
        assert!((1..100).contains(&rows), "{} has {rows} of 100 rows", server.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_is_of_one_moment() {
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    client
        .batch_execute(
            "CREATE TABLE accounts (tenant_id bigint PRIMARY KEY, n bigint NOT NULL);
             INSERT INTO accounts SELECT t, 100 FROM generate_series(1, 20) t",
        )
        .await
        .unwrap();
    let url = daemon.url("app", APP_USER);
    let transfers = Load::start(3, {
        let url = url.clone();
        move |worker| {
            let url = url.clone();
            move |round| {
                let url = url.clone();
                async move {
                    let from = 1 + (worker * 7 + round * 3) % 19;
                    let text = format!(
                        "BEGIN; UPDATE accounts SET n = n - 1 WHERE tenant_id = {from};
                         UPDATE accounts SET n = n + 1 WHERE tenant_id = 20; COMMIT"
                    );
                    connect(&url).await?.batch_execute(&text).await?;
                    Ok(())
                }
            }
        }
    });
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        let dumped = dump(&url).await;
        let rows = dumped.lines().filter_map(|line| line.split_once('\t'));
        let amounts: Vec<i64> = rows.map(|(_, amount)| amount.parse().unwrap()).collect();
        assert_eq!((amounts.len(), amounts.iter().sum::<i64>()), (20, 2000), "{dumped}");
        seen.insert(amounts);
    }
    let tally = transfers.stop().await;
    assert!(tally.acts > 0, "nothing was written");
    assert!(seen.len() > 1, "nothing was written meanwhile");
}
