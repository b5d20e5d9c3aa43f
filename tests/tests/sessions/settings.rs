//! Settings: where they hold, and how they end.

use tests::{Fleet, Session};

use crate::stage::{daemon, pipeline};

#[tokio::test]
async fn a_setting_holds_on_every_server_and_in_no_other_session() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    let mut other = daemon.session("app").await.unwrap();
    session.ask("SET timezone = 'Asia/Tokyo'").await.unwrap();
    for tenant in 1..=12 {
        let question = format!("SELECT current_setting('timezone') FROM notes WHERE tenant_id = {tenant}");
        assert_eq!(session.ask(&question).await.unwrap().value(), "Asia/Tokyo");
        assert_eq!(other.ask(&question).await.unwrap().value(), "UTC");
    }
    session.ask("RESET timezone").await.unwrap();
    let answer =
        session.ask("SELECT current_setting('timezone') FROM notes WHERE tenant_id = 3").await.unwrap();
    assert_eq!(answer.value(), "UTC");
}

#[tokio::test]
async fn a_setting_ends_with_the_transaction_that_was_rolled_back() {
    let mut session = daemon().await.session("app").await.unwrap();
    let question = "SELECT current_setting('work_mem') FROM notes WHERE tenant_id = 1";
    let before = session.ask(question).await.unwrap();
    session.ask("BEGIN").await.unwrap();
    session.ask("SET work_mem = '9MB'").await.unwrap();
    assert_eq!(session.ask(question).await.unwrap().value(), "9MB");
    session.ask("ROLLBACK").await.unwrap();
    assert_eq!(session.ask(question).await.unwrap(), before);
    session.ask("BEGIN").await.unwrap();
    session.ask("SET LOCAL work_mem = '9MB'").await.unwrap();
    assert_eq!(session.ask(question).await.unwrap().value(), "9MB");
    session.ask("COMMIT").await.unwrap();
    assert_eq!(session.ask(question).await.unwrap(), before);
}

#[tokio::test]
async fn a_setting_that_a_transaction_committed_stays_with_its_session() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    for sql in [
        "BEGIN",
        "SELECT count(*) FROM notes",
        "SET timezone = 'Asia/Tokyo'",
        "SELECT set_config('work_mem', '9MB', false) FROM notes WHERE tenant_id = 1",
        "COMMIT",
    ] {
        assert!(session.ask(sql).await.unwrap().fault.is_none(), "{sql}");
    }
    pipeline(&mut session, &["SELECT set_config('statement_timeout', '77s', false)"]).await;
    let mut other = daemon.session("app").await.unwrap();
    for tenant in 1..=12 {
        let question = format!(
            "SELECT current_setting('timezone') || current_setting('work_mem') || current_setting('statement_timeout')
             FROM notes WHERE tenant_id = {tenant} AND note_id = 1"
        );
        assert_eq!(other.ask(&question).await.unwrap().value(), "UTC4MB0", "tenant {tenant}");
        assert_eq!(session.ask(&question).await.unwrap().value(), "Asia/Tokyo9MB77s", "tenant {tenant}");
    }
}

#[tokio::test]
async fn a_setting_by_a_function_is_what_the_server_made_of_it() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    session.ask("SELECT set_config('work_mem', (1 + 4) || 'MB', false)").await.unwrap();
    let mut extended = daemon.session("app").await.unwrap();
    pipeline(&mut extended, &["SELECT set_config('work_mem', (1 + 4) || 'MB', false)"]).await;
    for session in [&mut session, &mut extended] {
        session.ask("SELECT set_config('app.never', 'x', false) WHERE false").await.unwrap();
        session.ask("BEGIN").await.unwrap();
        session.ask("SELECT count(*) FROM notes").await.unwrap();
        let late = "SELECT set_config('app.whose', body, false) FROM notes WHERE tenant_id = 4";
        assert!(session.ask(late).await.unwrap().fault.is_none());
        session.ask("COMMIT").await.unwrap();
        let named = "SELECT set_config(name, '7s', false) FROM pg_settings WHERE name = 'lock_timeout'";
        assert_eq!(session.ask(named).await.unwrap().value(), "7s");
        for tenant in 1..=12 {
            let question = format!(
                "SELECT concat_ws(' ', current_setting('work_mem'), current_setting('app.whose', true),
                        current_setting('app.never', true), current_setting('lock_timeout'))
                 FROM notes WHERE tenant_id = {tenant} AND note_id = 1"
            );
            assert_eq!(session.ask(&question).await.unwrap().value(), "5MB first 7s", "tenant {tenant}");
        }
    }
    let several = session.ask("SELECT set_config('app.whose', body, false) FROM notes").await.unwrap();
    assert_eq!(several.fault.unwrap().sqlstate, "0A000");
}

#[tokio::test]
async fn a_savepoint_undoes_settings_on_servers_that_came_later() {
    let mut session = daemon().await.session("app").await.unwrap();
    for sql in [
        "BEGIN",
        "SET work_mem = '5MB'",
        "SAVEPOINT a",
        "SET work_mem = '6MB'",
        "SET LOCAL timezone = 'Asia/Tokyo'",
    ] {
        assert!(session.ask(sql).await.unwrap().fault.is_none(), "{sql}");
    }
    let question = |tenant: i32| {
        format!(
            "SELECT current_setting('work_mem') || current_setting('timezone')
             FROM notes WHERE tenant_id = {tenant} AND note_id = 1"
        )
    };
    for tenant in 1..=12 {
        assert_eq!(session.ask(&question(tenant)).await.unwrap().value(), "6MBAsia/Tokyo");
    }
    session.ask("ROLLBACK TO a").await.unwrap();
    for tenant in 1..=12 {
        assert_eq!(session.ask(&question(tenant)).await.unwrap().value(), "5MBUTC");
    }
    session.ask("ROLLBACK").await.unwrap();
    for tenant in 1..=12 {
        assert_eq!(session.ask(&question(tenant)).await.unwrap().value(), "4MBUTC");
    }
}

#[tokio::test]
async fn strings_are_read_by_the_standard_whatever_a_role_says() {
    let fleet = Fleet::builder().servers(1).start().await.unwrap();
    let server = fleet.server(0).connect("app").await.unwrap();
    server.batch_execute("ALTER ROLE app SET standard_conforming_strings = off").await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    for sql in [
        "SET standard_conforming_strings = off",
        "SET LOCAL standard_conforming_strings TO 'false'",
        "SELECT set_config('standard_conforming_strings', 'off', false)",
    ] {
        assert_eq!(session.ask(sql).await.unwrap().sqlstate(), "0A000", "{sql}");
    }
    session.ask("SET standard_conforming_strings = on").await.unwrap();
    assert_eq!(session.ask("SELECT length('\\')").await.unwrap().value(), "1");
    let off = [("options", "-c standard_conforming_strings=off")];
    assert!(Session::open(daemon.port(), "app", "app", &off).await.is_err());
}

#[tokio::test]
async fn an_encoding_of_several_bytes_a_character_is_refused() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    for sql in [
        "SET client_encoding = 'SJIS'",
        "SET NAMES 'GB18030'",
        "SELECT set_config('client_encoding', 'LATIN1', false)",
    ] {
        assert_eq!(session.ask(sql).await.unwrap().sqlstate(), "0A000", "{sql}");
    }
    assert_eq!(session.ask("SHOW client_encoding").await.unwrap().value(), "UTF8");
    let foreign = Session::open(daemon.port(), "app", "app", &[("client_encoding", "BIG5")]).await;
    assert!(foreign.unwrap_err().to_string().contains("client_encoding"));
}

#[tokio::test]
async fn the_token_of_ones_writes_is_shown_in_either_protocol() {
    let mut session = daemon().await.session("app").await.unwrap();
    let simple = session.ask("SHOW pgherd.token").await.unwrap();
    let extended = session.extended("SHOW pgherd.token", &[]).await.unwrap();
    assert_eq!((simple.columns.len(), simple.rows.len()), (1, 1), "{simple}");
    assert_eq!((extended.columns.len(), extended.rows.len()), (1, 1), "{extended}");
}

#[tokio::test]
async fn code_that_changes_its_connection_changes_no_other_session() {
    let daemon = daemon().await;
    let mut session = daemon.session("app").await.unwrap();
    session.ask("SET app.tenant = '1'").await.unwrap();
    let code = "DO $$ BEGIN PERFORM set_config('work_mem', '11MB', false); CREATE TEMP TABLE left_here (x int); END $$";
    assert!(session.ask(code).await.unwrap().fault.is_none());
    let mut other = daemon.session("app").await.unwrap();
    for _ in 0..5 {
        let question = "SELECT current_setting('work_mem') FROM notes WHERE tenant_id = 1 AND note_id = 1";
        assert_eq!(other.ask(question).await.unwrap().value(), "4MB");
    }
}

#[tokio::test]
async fn a_tenant_given_to_set_config_as_a_parameter_holds_for_the_transaction() {
    let mut session = daemon().await.session("app").await.unwrap();
    for tenant in ["1", "2", "3", "4"] {
        session.ask("BEGIN").await.unwrap();
        let value = [Some(tenant.to_owned())];
        let answer = session.extended("SELECT set_config('app.tenant', $1, true)", &value).await.unwrap();
        assert_eq!(answer.value(), tenant, "{answer}");
        let seen = session.ask("SELECT tenant_id FROM notes WHERE note_id = 1").await.unwrap();
        assert_eq!((seen.rows.len(), seen.value()), (1, tenant), "{seen}");
        session.ask("COMMIT").await.unwrap();
        let seen = session.ask("SELECT tenant_id FROM notes WHERE note_id = 1").await.unwrap();
        assert_eq!(seen.rows.len(), 12, "{seen}");
    }
    session.ask("SET app.tenant = '3'").await.unwrap();
    let answer = session.extended("SELECT set_config('app.tenant', $1, false)", &[None]).await.unwrap();
    assert_eq!(answer.value(), "", "NULL takes it back: {answer}");
    let seen = session.ask("SELECT tenant_id FROM notes WHERE note_id = 1").await.unwrap();
    assert_eq!(seen.rows.len(), 12, "{seen}");
}
