use std::collections::BTreeMap;

use super::setting::Map;
use super::*;

fn settings() -> Settings {
    Settings::starting_with([("work_mem".to_owned(), "1MB".to_owned())])
}

#[test]
fn a_branch_that_comes_late_goes_the_same_way() {
    let mut settings = settings();
    settings.begin();
    settings.set("timezone", Setting::of("timezone", "Asia/Tokyo"));
    settings.savepoint("a");
    settings.set_local("work_mem", Setting::of("work_mem", "3MB"));
    settings.savepoint("b");
    settings.set("work_mem", Setting::of("work_mem", "4MB"));
    settings.reset("timezone");
    assert_eq!(settings.before().keys().collect::<Vec<_>>(), ["work_mem"]);
    assert_eq!(
        settings.replay(),
        [
            r#"SET "timezone" TO 'Asia/Tokyo'"#,
            r#"SAVEPOINT "a""#,
            r#"SET LOCAL "work_mem" TO '3MB'"#,
            r#"SAVEPOINT "b""#,
            r#"RESET "timezone""#,
            r#"SET "work_mem" TO '4MB'"#,
        ]
    );
}

#[test]
fn whatever_changes_a_value_changes_the_stamp() {
    let steps: [fn(&mut Settings); 12] = [
        |settings| settings.set("a", Setting::of("a", "1")),
        Settings::begin,
        |settings| settings.set_local("a", Setting::of("a", "2")),
        |settings| settings.savepoint("s"),
        |settings| settings.set_local("a", Setting::of("a", "3")),
        |settings| settings.rollback_to("s"),
        Settings::commit,
        Settings::begin,
        |settings| settings.set("a", Setting::of("a", "4")),
        Settings::rollback,
        |settings| settings.reset("work_mem"),
        Settings::discard_all,
    ];
    let mut settings = settings();
    let mut seen = BTreeMap::new();
    for step in steps {
        step(&mut settings);
        let values = ["a", "work_mem"].map(|name| settings.value(name).map(str::to_owned));
        assert_eq!(*seen.entry(settings.stamp()).or_insert_with(|| values.clone()), values);
    }
}

#[test]
fn what_a_transaction_changed_is_made_anew_by_whoever_is_next() {
    let mut settings = settings();
    let before = settings.session().applied().clone();
    let mut applied = before.clone();
    settings.commit_on(&mut applied);
    assert_eq!(applied, before);
    settings.begin();
    settings.set("timezone", Setting::of("timezone", "Asia/Tokyo"));
    settings.set("work_mem", Setting::of("work_mem", "4MB"));
    settings.commit_on(&mut applied);
    settings.commit();
    assert_eq!(difference(applied.statements(), settings.session()).len(), 2);
    assert_eq!(difference(applied.statements(), &Map::new()), [r#"RESET "timezone""#, r#"RESET "work_mem""#]);
}

#[test]
fn a_rollback_undoes_what_the_transaction_set() {
    let mut settings = settings();
    settings.begin();
    settings.set("work_mem", Setting::of("work_mem", "2MB"));
    settings.set_local("app.tenant", Setting::of("app.tenant", "42"));
    assert_eq!(settings.value("work_mem"), Some("2MB"));
    assert_eq!(settings.value("app.tenant"), Some("42"));
    settings.rollback();
    assert_eq!(settings.value("work_mem"), Some("1MB"));
    assert_eq!(settings.value("app.tenant"), None);
}

#[test]
fn a_commit_keeps_set_and_ends_set_local() {
    let mut settings = settings();
    settings.begin();
    settings.set("work_mem", Setting::of("work_mem", "2MB"));
    settings.set_local("app.tenant", Setting::of("app.tenant", "42"));
    settings.commit();
    assert_eq!(settings.value("work_mem"), Some("2MB"));
    assert_eq!(settings.value("app.tenant"), None);
}

#[test]
fn a_rollback_to_a_savepoint_undoes_what_came_after_it() {
    let mut settings = settings();
    settings.begin();
    settings.set_local("a", Setting::of("a", "1"));
    settings.savepoint("s");
    settings.set_local("a", Setting::of("a", "2"));
    settings.rollback_to("s");
    assert_eq!(settings.value("a"), Some("1"));
    settings.set_local("a", Setting::of("a", "3"));
    settings.rollback_to("s");
    assert_eq!(settings.value("a"), Some("1"));
}

#[test]
fn set_local_to_default_is_what_the_session_began_with() {
    let mut settings = settings();
    settings.set("work_mem", Setting::of("work_mem", "2MB"));
    settings.begin();
    let default = Setting { value: None, statement: "SET LOCAL work_mem TO DEFAULT".to_owned() };
    settings.set_local("work_mem", default);
    assert_eq!(settings.value("work_mem"), Some("1MB"));
}

#[test]
fn set_local_outside_a_transaction_has_no_effect() {
    let mut settings = settings();
    settings.set_local("a", Setting::of("a", "1"));
    assert_eq!(settings.value("a"), None);
}

#[test]
fn the_difference_sets_what_is_new_and_resets_what_is_gone() {
    let mut applied = BTreeMap::new();
    applied.insert("role".to_owned(), "SET ROLE x".to_owned());
    let wanted = settings();
    assert_eq!(difference(&applied, wanted.session()), ["RESET \"role\"", "SET \"work_mem\" TO '1MB'"]);
}

#[test]
fn the_login_role_comes_back_before_and_another_is_taken_on_after_what_it_alone_may_set() {
    let mut first = settings();
    for name in ["lo_compat_privileges", "session_authorization", "role"] {
        first.set(name, Setting::of(name, "x"));
    }
    let applied = first.session().applied().clone();
    assert_eq!(
        difference(applied.statements(), settings().session()),
        ["RESET SESSION AUTHORIZATION", "RESET \"role\"", "RESET \"lo_compat_privileges\""]
    );
    assert_eq!(
        difference(&BTreeMap::new(), first.session()),
        [
            "SET \"lo_compat_privileges\" TO 'x'",
            "SET \"work_mem\" TO '1MB'",
            "SET \"session_authorization\" TO 'x'",
            "SET \"role\" TO 'x'",
        ]
    );
    let mut second = settings();
    second.set("role", Setting::of("role", "x"));
    let applied = second.session().applied().clone();
    assert!(difference(applied.statements(), second.session()).is_empty());
    second.set("statement_timeout", Setting::of("statement_timeout", "1"));
    assert_eq!(
        difference(applied.statements(), second.session()),
        ["RESET \"role\"", "SET \"statement_timeout\" TO '1'", "SET \"role\" TO 'x'"]
    );
    first.set("session_authorization", Setting::of("session_authorization", "y"));
    assert_eq!(first.value("role"), Some("none"), "another user has no role at first");
}

#[test]
fn reset_goes_back_to_what_the_session_began_with() {
    let mut settings = settings();
    settings.set("work_mem", Setting::of("work_mem", "9MB"));
    settings.reset("work_mem");
    assert_eq!(settings.value("work_mem"), Some("1MB"));
}
