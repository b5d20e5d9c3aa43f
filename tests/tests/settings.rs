//! What a session, a role or a database sets changes how values are written, never which; and servers whose
//! databases are not alike make no answer together.
#![allow(clippy::unwrap_used)]

use tests::{Daemon, Fleet, Oracle, Session};

const TABLES: [&str; 3] = [
    "CREATE TABLE tenants (tenant_id bigint PRIMARY KEY, name text)",
    "CREATE TABLE odd (tenant_id bigint NOT NULL, id int NOT NULL, f8 float8, f4 float4, at timestamptz, span interval, raw bytea,
        cash money, doc xml, floats float8[], words text[], times timestamptz[], PRIMARY KEY (tenant_id, id))",
    "CREATE TABLE facts (id int PRIMARY KEY, f8 float8, at timestamptz, floats float8[], words text[])",
];

const ROWS: [&str; 2] = [
    "INSERT INTO tenants SELECT t, 'tenant ' || t FROM generate_series(1, 8) t",
    "INSERT INTO odd SELECT t, n, (t + n) / 3.0, (t + n) / 7.0, timestamptz '1850-06-01 12:00+00' + (t * 40 + n) * interval '1 year',
        t * interval '-1 month 2 days 03:04:05.5', decode(md5(t::text), 'hex'), (t * 1000 + n)::numeric / 8, xmlparse(CONTENT t || '<a/>b'),
        ARRAY[(t + n) / 3.0, NULL], ARRAY['null', NULL, 'a,\"b'], ARRAY[timestamptz '2024-10-27 00:30+00' + t * interval '30 minutes']
        FROM generate_series(1, 8) t, generate_series(1, 2) n",
];

/// What a session may set.
const SETTINGS: [&[&str]; 7] = [
    &[],
    &["SET extra_float_digits TO 0"],
    &["SET DateStyle TO 'SQL, DMY'", "SET TimeZone TO 'Asia/Kolkata'"],
    &["SET DateStyle TO German", "SET TimeZone TO 'Europe/Vienna'"],
    &["SET array_nulls TO off"],
    &["SET IntervalStyle TO sql_standard", "SET bytea_output TO escape", "SET TimeZone TO 'Europe/Dublin'"],
    &[
        "SET extra_float_digits TO -7",
        "SET DateStyle TO 'Postgres, MDY'",
        "SET TimeZone TO 'America/New_York'",
    ],
];

/// What is then asked; of all, nothing may be refused without settings.
const STATEMENTS: [&str; 15] = [
    "SELECT o.* FROM odd o JOIN tenants t ON t.tenant_id <> o.tenant_id AND o.id = 1 AND t.name = 'tenant 3' ORDER BY o.tenant_id, o.id",
    "SELECT tenant_id, f8, f4, at, span, raw, cash, rank() OVER (ORDER BY f8 DESC) FROM odd ORDER BY f8, tenant_id, id",
    "SELECT at, floats, words, times, doc FROM odd ORDER BY at LIMIT 5",
    "SELECT DISTINCT f8, f4 FROM odd ORDER BY f8, f4",
    "SELECT f8::text, at::text, floats::text, count(*) FROM odd GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT min(f8), max(f4), min(at), max(span), sum(cash), min(raw::text) FROM odd",
    "INSERT INTO odd (tenant_id, id, f8, f4, at, span, raw, cash) SELECT tenant_id, id + 10, f8, f4, at, span, raw, cash FROM odd",
    "INSERT INTO odd (tenant_id, id, floats, words, times) SELECT tenant_id, id + 20, floats, words, times FROM odd WHERE id = 1",
    "INSERT INTO odd (tenant_id, id, f8, at, words) VALUES (1, 31, 1 / 3.0::float8, timestamptz '1850-06-01 12:00+00' + interval '1 day', ARRAY['NULL', NULL]),
        (2, 32, sqrt(2::float8), '2024-06-01 12:00+00', NULL), (3, 33, '0.1', '1850-06-01 12:00+00'::timestamptz, ARRAY[upper('null')])",
    "UPDATE odd SET f8 = (SELECT max(f8) / 7 FROM odd), at = (SELECT min(at) FROM odd) WHERE id = 2",
    "UPDATE odd SET f8 = x.f8, floats = x.floats, words = x.words FROM odd x WHERE x.tenant_id = 9 - odd.tenant_id AND x.id = odd.id",
    "UPDATE odd SET tenant_id = 9 - tenant_id, id = 40, f8 = f8 / 3 WHERE id = 1 AND tenant_id IN (1, 2, 3)",
    "DELETE FROM odd WHERE f8 > (SELECT avg(f8) FROM odd)",
    "INSERT INTO facts SELECT 1, random() * 0 + 1 / 3.0::float8, timestamptz '1850-06-01 12:00+00' + random() * interval '0', ARRAY[1 / 3.0 + random() * 0, NULL], ARRAY['NULL', NULL]",
    "SELECT * FROM facts",
];

async fn ask_both(ours: &mut Session, oracle: &mut Session, sql: &str) -> bool {
    let (mut answer, mut expected) =
        (ours.ask(sql).await.unwrap(), oracle.ask(&format!("BEGIN; {sql}")).await.unwrap());
    let refused = answer.fault.as_ref().is_some_and(tests::Fault::is_refusal);
    oracle.ask(if refused { "ROLLBACK" } else { "COMMIT" }).await.unwrap();
    if refused {
        return false;
    }
    if !sql.contains("ORDER BY") {
        (answer, expected) = (answer.sorted(), expected.sorted());
    }
    assert_eq!(answer.fault.is_some(), expected.fault.is_some(), "{sql}: {answer} instead of {expected}");
    assert_eq!(answer.rows, expected.rows, "{sql}");
    true
}

async fn lay(session: &mut Session) {
    for sql in TABLES.iter().chain(&ROWS) {
        let answer = session.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
    }
}

async fn ground() -> (Fleet, Daemon, Oracle) {
    let fleet = Fleet::builder().database("app_path").database("app_unlike").start().await.unwrap();
    for server in fleet.servers() {
        let admin = server.connect("app_path").await.unwrap();
        let sql = "CREATE SCHEMA \"Inner, one\" AUTHORIZATION app; ALTER DATABASE app_path SET search_path TO \"Inner, one\", public;
            ALTER ROLE app IN DATABASE app_path SET extra_float_digits TO 0";
        admin.batch_execute(sql).await.unwrap();
    }
    let unlike = fleet.server(1).connect("app_unlike").await.unwrap();
    unlike.batch_execute("ALTER DATABASE app_unlike SET TimeZone TO 'Asia/Tokyo'").await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let oracle = fleet.oracle().await.unwrap();
    (fleet, daemon, oracle)
}

async fn values_travel_whole(daemon: &Daemon, oracle: &Oracle) {
    let (mut ours, mut plain) = (daemon.session("app").await.unwrap(), oracle.session("app").await.unwrap());
    lay(&mut ours).await;
    lay(&mut plain).await;
    let mut refused = Vec::new();
    for settings in SETTINGS {
        for setting in settings {
            ours.ask(setting).await.unwrap();
            plain.ask(setting).await.unwrap();
        }
        for sql in STATEMENTS {
            if !ask_both(&mut ours, &mut plain, sql).await {
                refused.push((settings, sql));
            }
        }
        for session in [&mut ours, &mut plain] {
            session.ask("RESET ALL").await.unwrap();
        }
        for table in ["odd", "facts"] {
            assert!(
                ask_both(&mut ours, &mut plain, &format!("SELECT t::text FROM {table} t")).await,
                "{settings:?}"
            );
        }
        for sql in ["DELETE FROM odd", "DELETE FROM facts", ROWS[1]] {
            ours.ask(sql).await.unwrap();
            plain.ask(sql).await.unwrap();
        }
    }
    let plainly: Vec<_> = refused.iter().filter(|(settings, _)| settings.is_empty()).collect();
    assert!(plainly.is_empty(), "refused without any setting: {plainly:?}");
    assert!(refused.len() < 30, "{} are refused: {refused:?}", refused.len());
}

/// The role's database begins with a search path of its own: a name is the table that the servers mean by it.
async fn a_name_is_looked_for_where_the_role_begins(daemon: &Daemon) {
    let mut session = daemon.session("app_path").await.unwrap();
    for sql in [
        "CREATE TABLE public.things (id int PRIMARY KEY, name text)",
        "INSERT INTO public.things VALUES (1, 'a copy on every server')",
        "CREATE TABLE things (tenant_id bigint NOT NULL, id int NOT NULL, PRIMARY KEY (tenant_id, id))",
        "INSERT INTO things SELECT t, 1 FROM generate_series(1, 8) t",
    ] {
        let answer = session.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
    }
    let count = session.ask("SELECT count(*) FROM things").await.unwrap();
    assert_eq!(count.rows, [[Some("8".to_owned())]], "{count}");
    session.ask("SET search_path TO public").await.unwrap();
    let count = session.ask("SELECT count(*) FROM things").await.unwrap();
    assert_eq!(count.rows, [[Some("1".to_owned())]], "{count}");
    session.ask("SET search_path TO \"Inner, one\"").await.unwrap();
    let count = session.ask("SELECT count(*) FROM things").await.unwrap();
    assert_eq!(count.rows, [[Some("8".to_owned())]], "{count}");
    session.ask("RESET search_path").await.unwrap();
    let count = session.ask("SELECT count(*) FROM things").await.unwrap();
    assert_eq!(count.rows, [[Some("8".to_owned())]], "{count}");
    let shown = session.ask("SHOW search_path").await.unwrap();
    assert_eq!(shown.rows, [[Some("\"Inner, one\", public".to_owned())]], "{shown}");
}

async fn what_older_servers_read_otherwise_is_refused(daemon: &Daemon) {
    let mut session = daemon.session("app").await.unwrap();
    let answer = session.ask(r"SELECT count(*) FROM tenants WHERE name = E'\v'").await.unwrap();
    assert_eq!(answer.sqlstate(), "0A000", "{answer}");
    let answer =
        session.ask(r"SELECT count(*) FROM tenants WHERE name = E'\\v' OR name = '\v'").await.unwrap();
    assert!(answer.fault.is_none(), "{answer}");
}

/// One statement over servers that begin with different settings would have several answers.
async fn unlike_databases_make_no_answer_together(fleet: &Fleet, daemon: &Daemon) {
    let mut session = daemon.session("app_unlike").await.unwrap();
    let table = "CREATE TABLE times (tenant_id bigint NOT NULL, id int NOT NULL, at timestamptz, PRIMARY KEY (tenant_id, id))";
    assert!(session.ask(table).await.unwrap().fault.is_none());
    assert!(session.ask("INSERT INTO times VALUES (1, 1, now())").await.unwrap().fault.is_none());
    let one = session.ask("SELECT count(*) FROM times WHERE tenant_id = 1").await.unwrap();
    assert_eq!(one.rows, [[Some("1".to_owned())]], "{one}");
    let several = session.ask("SELECT count(*) FROM times").await.unwrap();
    assert_eq!(several.sqlstate(), "0A000", "{several}");
    assert!(several.to_string().contains("TimeZone"), "{several}");
    let check = daemon.herdctl(&["check"]).await.unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("TimeZone is") && said.contains("Asia/Tokyo"), "{said}");
    let unlike = fleet.server(1).connect("app_unlike").await.unwrap();
    unlike.batch_execute("ALTER DATABASE app_unlike RESET TimeZone").await.unwrap();
    let check = daemon.herdctl(&["check"]).await.unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(!said.contains("TimeZone is"), "{said}");
    let several = session.ask("SELECT count(*) FROM times").await.unwrap();
    assert_eq!(several.rows, [[Some("1".to_owned())]], "{several}");
}

#[tokio::test]
async fn what_is_set_changes_no_answer() {
    let (fleet, daemon, oracle) = ground().await;
    values_travel_whole(&daemon, &oracle).await;
    a_name_is_looked_for_where_the_role_begins(&daemon).await;
    what_older_servers_read_otherwise_is_refused(&daemon).await;
    unlike_databases_make_no_answer_together(&fleet, &daemon).await;
}
