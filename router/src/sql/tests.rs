use std::sync::Arc;

use super::*;
use crate::catalog::fixture::{catalog, path};

fn learned(text: &str) -> Vec<Arc<Statement>> {
    match learn(text, &catalog(), &path()) {
        Learned::Statements(statements) => statements,
        other => panic!("{text}: {other:?}"),
    }
}

fn only(text: &str) -> Arc<Statement> {
    learned(text).remove(0)
}

#[test]
fn a_text_is_cut_into_its_statements() {
    let texts: Vec<String> = learned("begin; ; select ';' ; -- c\n commit")
        .iter()
        .map(|one| one.text().trim().to_owned())
        .collect();
    assert_eq!(texts, ["begin", "select ';'", "-- c\n commit"]);
    assert_eq!(only(" select 1; ").text(), " select 1; ");
    assert!(matches!(learn(" ; -- x", &catalog(), &path()), Learned::Empty));
    assert!(matches!(learn("selec 1", &catalog(), &path()), Learned::SyntaxError));
    assert!(matches!(learn("select '\0'", &catalog(), &path()), Learned::TooComplex));
}

#[test]
fn a_long_text_is_read_where_it_is_long_by_its_values() {
    let long = "x".repeat(17 << 20);
    let text = format!("INSERT INTO users VALUES (1, '{long}')");
    assert!(matches!(only(&text).kind(), Kind::Write));
    let many = format!("SELECT 1{}", ",1".repeat(9 << 20));
    assert!(matches!(learn(&many, &catalog(), &path()), Learned::TooComplex));
}

#[test]
fn every_kind_is_known_by_name() {
    for (text, expected) in [
        ("begin read only", "Begin { text: \"BEGIN READ ONLY\", read_only: true }"),
        ("commit and chain", "Commit { chain: true }"),
        ("abort", "Rollback { chain: false }"),
        ("savepoint A", "Savepoint(\"a\")"),
        ("release a", "Release(\"a\")"),
        ("rollback to a", "RollbackTo(\"a\")"),
        ("prepare transaction 'x'", "PrepareTransaction"),
        ("commit prepared 'x'", "PreparedTransaction"),
        ("rollback prepared 'x'", "PreparedTransaction"),
        ("reset all", "ResetAll"),
        ("reset Work_Mem", "Reset(\"work_mem\")"),
        ("show pgherd.token", "Show(\"pgherd.token\")"),
        ("deallocate all", "Deallocate(None)"),
        ("discard all", "Discard(All)"),
        ("listen x", "Listen"),
        ("notify x, 'it''s'", "Notify"),
        ("truncate users", "Truncate"),
        ("create index concurrently on users (id)", "Ddl { transactional: false, temporary: false }"),
        ("create temp table t (a int)", "Ddl { transactional: true, temporary: true }"),
        ("create table t as select 1", "CreateAs { temporary: false }"),
        ("select 1 into temp t", "CreateAs { temporary: true }"),
        ("with d as (delete from users returning 1) select * from d", "Write"),
        ("table users", "Query"),
        ("values (1)", "Query"),
        ("do 'begin end'", "Do"),
        ("call p()", "Call"),
        ("explain create table t as select 1", "Maintenance"),
        ("explain analyze create materialized view t as select 1", "Maintenance"),
        ("explain declare c cursor for select 1", "Maintenance"),
        ("explain analyze create temp table t as select 1", "Other"),
        ("explain analyze create table t as select set_config('a.b', 'x', false)", "Other"),
        ("explain analyze create table t as select * from users", "Other"),
        ("explain execute p", "Other"),
        ("vacuum users", "Upkeep"),
        ("analyze users", "Analyze"),
        (
            "set local app.tenant = 'acme' -- c",
            "Set { name: \"app.tenant\", scope: Local, value: Some(\"acme\"), text: \"SET LOCAL \\\"app\\\".\\\"tenant\\\" TO 'acme'\" }",
        ),
        (
            "set transaction isolation level serializable, read only",
            "Set { name: \"TRANSACTION\", scope: Transaction, value: None, text: \"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY\" }",
        ),
        (
            "set time zone interval '-08:00' hour to minute",
            "Set { name: \"timezone\", scope: Session, value: None, text: \"SET TIME ZONE interval '-08:00' hour to minute\" }",
        ),
        (
            "prepare p(int, numeric(3,1)) /* as */ as select $1;",
            "Prepare { name: \"p\", types: \"int, numeric(3,1)\", body: \"select $1\" }",
        ),
        (
            "execute p(5, null, '2020-01-01')",
            "Execute { name: \"p\", arguments: Literals([Some(\"5\"), None, Some(\"2020-01-01\")]) }",
        ),
        (
            "execute p(1 + 1, 2::int)",
            "Execute { name: \"p\", arguments: Computed { count: 2, text: \"1 + 1, 2::int\", before: 10 } }",
        ),
    ] {
        assert_eq!(format!("{:?}", only(text).kind()), expected, "{text}");
    }
}

#[test]
fn what_may_write_needs_a_primary() {
    for (text, access) in [
        ("select 1", Access::Read),
        ("select random(), gen_random_uuid(), clock_timestamp(), pg_sleep(1)", Access::Read),
        ("select now(), lower('X')", Access::Read),
        ("select my_function()", Access::Write),
        ("select nobody_knows()", Access::Write),
        ("select nextval('s')", Access::Write),
        ("select pg_advisory_lock(1)", Access::Write),
        ("select * from users for update", Access::Write),
        ("select * from (select * from users for share) x", Access::Write),
        ("explain delete from users", Access::Read),
        ("explain analyze delete from users", Access::Write),
        ("explain (analyze false) delete from users", Access::Read),
        ("with d as (delete from users returning 1) select * from d", Access::Write),
    ] {
        assert_eq!(only(text).access(), access, "{text}");
    }
}

#[test]
fn what_keeps_its_connection_says_why() {
    for (text, hold) in [
        ("create temp table t (a int)", Some(Hold::TemporaryTable)),
        ("select 1 into temp t", Some(Hold::TemporaryTable)),
        ("create type pg_temp.mood as enum ('sad')", Some(Hold::TemporaryObject)),
        ("create type pg_temp.pair as (a int, b int)", Some(Hold::TemporaryObject)),
        ("create type pg_temp.span as range (subtype = float8)", Some(Hold::TemporaryObject)),
        ("create function pg_temp.one() returns int return 1", Some(Hold::TemporaryObject)),
        ("create domain pg_temp.small as int", Some(Hold::TemporaryObject)),
        ("create domain public.small as int", None),
        ("listen x", Some(Hold::Listen)),
        ("select pg_advisory_lock(1)", Some(Hold::AdvisoryLock)),
        ("select pg_advisory_xact_lock(1)", None),
        ("declare c cursor with hold for select 1", Some(Hold::Cursor)),
        ("declare c cursor for select 1", None),
    ] {
        assert_eq!(only(text).hold(), hold, "{text}");
    }
    assert!(only("create temp table users (a int)").refusal().is_some());
}

#[test]
fn set_config_is_tracked() {
    let mut catalog = catalog();
    let facts = catalog.functions["random"];
    catalog.functions.insert("set_config".into(), facts);
    for (text, name, value, local) in [
        ("select set_config('App.Tenant', '5', true)", "app.tenant", ConfigValue::Text("5".into()), true),
        ("select set_config('a.b', $1, false)", "a.b", ConfigValue::Parameter(1), false),
        ("select set_config('a.b', current_user, false)", "a.b", ConfigValue::Asked, false),
        ("select set_config('a.b', 'x', false) where $1", "a.b", ConfigValue::Asked, false),
        ("select case when $1 then set_config('a.b', 'x', false) end", "a.b", ConfigValue::Asked, false),
        (
            "select set_config(name, 'x', false) from pg_settings where name = 'work_mem'",
            "work_mem",
            ConfigValue::Asked,
            false,
        ),
    ] {
        let Learned::Statements(statements) = learn(text, &catalog, &path()) else {
            panic!("it parses: {text}");
        };
        let call = ConfigCall { name: name.into(), value, local };
        assert_eq!(statements[0].sets_config(), [call], "{text}");
    }
    for text in ["select set_config(name, 'x', false) from t", "select set_config($1, 'x', false)"] {
        let Learned::Statements(statements) = learn(text, &catalog, &path()) else {
            panic!("it parses: {text}");
        };
        assert!(statements[0].calls().unknown_config, "{text}");
    }
}

#[test]
fn a_call_about_a_session_s_process_is_known_where_it_is_all_of_the_statement() {
    let asks = |text: &str| only(text).process_call().map(|call| (call.column.clone(), call.asks));
    for (text, column, expected) in [
        ("SELECT pg_backend_pid()", "pg_backend_pid", ProcessAsk::Own),
        ("select pg_catalog.pg_backend_pid() AS \"My id\";", "My id", ProcessAsk::Own),
        (
            "SELECT pg_terminate_backend(17)",
            "pg_terminate_backend",
            ProcessAsk::Terminate(ProcessName::Number(17)),
        ),
        ("SELECT pg_cancel_backend('17')", "pg_cancel_backend", ProcessAsk::Cancel(ProcessName::Number(17))),
        ("SELECT pg_cancel_backend($1)", "pg_cancel_backend", ProcessAsk::Cancel(ProcessName::Parameter(1))),
        (
            "SELECT pg_terminate_backend($1::int4)",
            "pg_terminate_backend",
            ProcessAsk::Terminate(ProcessName::Parameter(1)),
        ),
        (
            "SELECT pg_terminate_backend(pg_backend_pid())",
            "pg_terminate_backend",
            ProcessAsk::Terminate(ProcessName::Own),
        ),
    ] {
        assert_eq!(asks(text), Some((column.to_owned(), expected)), "{text}");
    }
    for text in [
        "SELECT pg_backend_pid() FROM notes",
        "SELECT pg_backend_pid(), 1",
        "SELECT pg_backend_pid() + 0",
        "SELECT pg_backend_pid() WHERE false",
        "SELECT pg_backend_pid() UNION SELECT 1",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
        "SELECT pg_terminate_backend(17, 1000)",
        "SELECT mine.pg_backend_pid()",
    ] {
        assert_eq!(asks(text), None, "{text}");
    }
}
