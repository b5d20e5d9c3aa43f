use std::collections::BTreeSet;

use super::*;
use crate::catalog::Catalog;
use crate::catalog::fixture::{catalog, path};
use crate::directory::{Change, Directory, MoveMark, MoveStage, Scope, Start, change, start};
use crate::ids::{KeyType, MoveId, ServerId, TenantKey};
use crate::sql::{Learned, learn};

/// Two servers; shards in two runs. Tenants 5, 7 and 6, 8 are found by their hash.
fn directory() -> Directory {
    start(&["alpha".into(), "beta".into()], 4096, Start::Spread)
}

/// Three tenants: two on alpha, one on beta.
fn tenants(directory: &Directory) -> (i64, i64, i64) {
    let on = |server| {
        let here = move |key: &i64| directory.locate(&TenantKey::Integer(*key)).server == ServerId(server);
        (1..200).filter(here).collect::<Vec<i64>>()
    };
    let (alpha, beta) = (on(0), on(1));
    (alpha[0], alpha[1], beta[0])
}

struct Asked<'a> {
    directory: &'a Directory,
    tenant: Option<i64>,
    fan_out: bool,
    away: &'a [ServerId],
}

fn ask_fenced(directory: &Directory, fenced: &[MoveId], text: &str) -> Verdict {
    let session = SessionView {
        tenant: None,
        fan_out: true,
        read_write_transaction: true,
        held: None,
        temporary: &[],
        in_block: false,
        fenced,
        now: &"2026-01-01 00:00:00+00",
        away: &[],
        counted: None,
    };
    let Learned::Statements(statements) = learn(text, &catalog(), &path()) else { panic!("{text} parses") };
    plan(&statements[0], directory, &catalog(), &session, &[])
}

fn ask(asked: &Asked<'_>, text: &str, parameters: &[Parameter<'_>]) -> Verdict {
    let tenant = asked.tenant.map(TenantKey::Integer);
    let session = SessionView {
        tenant: tenant.as_ref(),
        fan_out: asked.fan_out,
        read_write_transaction: false,
        held: None,
        temporary: &[],
        in_block: false,
        fenced: &[],
        now: &"2026-01-01 00:00:00+00",
        away: asked.away,
        counted: None,
    };
    let Learned::Statements(statements) = learn(text, &catalog(), &path()) else { panic!("{text} parses") };
    plan(&statements[0], asked.directory, &catalog(), &session, parameters)
}

/// A verdict in a few words.
fn words(verdict: &Verdict, directory: &Directory) -> String {
    match verdict {
        Verdict::Refuse(refusal) => {
            assert!(!refusal.message.is_empty());
            refusal.sqlstate.to_owned()
        }
        Verdict::Wait(moves) => format!("wait {moves:?}"),
        Verdict::Learn => "learn".to_owned(),
        Verdict::Run(plan) => {
            let servers: Vec<&str> = plan.legs.iter().map(|leg| directory.server_name(leg.server)).collect();
            let way = match &plan.way {
                Way::Single => "single",
                Way::Merge(_) => "merge",
                Way::Everywhere(_) => "everywhere",
                Way::InTurn => "in turn",
                Way::Gather(_) => "gather",
                Way::CopyIn(_) => "copy",
                Way::Insert(_) => "insert",
                Way::Chosen(_) => "chosen",
                Way::CopiesChosen(_) => "chosen copies",
                Way::Locked(_) => "locked",
                Way::Staged(_) => "staged",
                Way::Stored(_) => "stored",
                Way::Matched(_) => "matched",
                Way::Copies(_) => "copies",
                Way::CopyOut(_) => "copy out",
            };
            format!("{way} {}", servers.join(","))
        }
    }
}

#[test]
fn what_any_server_can_answer_avoids_one_that_is_away() {
    let directory = directory();
    for (away, expected) in [([ServerId(0)], "single beta"), ([ServerId(1)], "single alpha")] {
        let asked = Asked { directory: &directory, tenant: None, fan_out: true, away: &away };
        for text in ["select 1", "select 2", "select count(*) from countries", "select now()"] {
            assert_eq!(words(&ask(&asked, text, &[]), &directory), expected, "{text}");
        }
    }
}

#[test]
fn what_is_done_step_by_step_is_not_explained_and_the_reason_says_so() {
    let directory = directory();
    let (one, _, far) = tenants(&directory);
    let asked = Asked { directory: &directory, tenant: None, fan_out: true, away: &[] };
    for text in [
        format!("insert into users (tenant_id, id) values ({far}, 1), ({one}, 2)"),
        "update users set id = id + (select count(*) from orders)".into(),
        "select * from users order by id limit 2 for update".into(),
    ] {
        assert!(matches!(ask(&asked, &text, &[]), Verdict::Run(_)), "{text}");
        let Verdict::Refuse(refusal) = ask(&asked, &format!("explain {text}"), &[]) else { panic!("{text}") };
        assert!(refusal.message.contains("step by step"), "{text}: {}", refusal.message);
    }
    for text in ["explain update users set name = 'x'", "explain select * from users for update"] {
        assert!(matches!(ask(&asked, text, &[]), Verdict::Run(_)), "{text}");
    }
}

#[test]
fn a_statement_runs_where_its_rows_are() {
    let directory = directory();
    let (one, other, far) = tenants(&directory);
    let asked = Asked { directory: &directory, tenant: None, fan_out: true, away: &[] };
    for (text, expected) in [
        (format!("select * from users where tenant_id = {one}"), "single alpha"),
        (format!("select * from users where tenant_id = {far}"), "single beta"),
        (format!("select * from users where tenant_id in ({one}, {other})"), "single alpha"),
        (format!("select * from users where tenant_id in ({one}, {far})"), "merge alpha,beta"),
        ("select * from users".into(), "merge alpha,beta"),
        ("select count(*) from users".into(), "merge alpha,beta"),
        (
            format!("select 1 from users u, orders o where u.tenant_id = {one} and o.tenant_id = {far}"),
            "gather alpha,beta",
        ),
        (format!("select count(*) from users where tenant_id = {one} and tenant_id = {far}"), "single alpha"),
        ("select exists (select 1 from users)".into(), "gather alpha,beta"),
        (format!("insert into users (tenant_id, id) values ({far}, 1)"), "single beta"),
        (format!("insert into users (tenant_id, id) values ({far}, 1), ({one}, 2)"), "insert alpha,beta"),
        ("insert into users (id) values (1)".into(), "insert alpha,beta"),
        ("insert into users (tenant_id) values (1 + 1)".into(), "insert alpha,beta"),
        ("insert into users (tenant_id, id) select 1 + id, id from countries".into(), "insert alpha,beta"),
        (
            "insert into users (tenant_id, id) select tenant_id, id from orders".into(),
            "everywhere alpha,beta",
        ),
        ("update users set name = 'x'".into(), "everywhere alpha,beta"),
        (format!("update users set tenant_id = {far} where tenant_id = {one}"), "chosen alpha,beta"),
        (format!("update users set tenant_id = {one} where tenant_id = {one}"), "single alpha"),
        (format!("delete from users where tenant_id = {far}"), "single beta"),
        ("select * from users for update".into(), "everywhere alpha,beta"),
        ("select * from users order by id for update".into(), "merge alpha,beta"),
        ("select * from users limit 1 for update".into(), "locked alpha,beta"),
        ("select relname from pg_class".into(), "single alpha"),
        ("select nextval('numbers')".into(), "single alpha"),
        ("select my_function()".into(), "0A000"),
        (format!("select my_function() from users where tenant_id = {far}"), "0A000"),
        ("insert into countries values (1, 'a', 'b')".into(), "everywhere alpha,beta"),
        ("update countries set title = random()::text".into(), "copies alpha,beta"),
        ("update countries set title = current_timestamp::text".into(), "copies alpha,beta"),
        ("update countries set id = random()::int".into(), "0A000"),
        ("insert into countries select 1, name, name from users".into(), "stored alpha,beta"),
        ("create table x (a int)".into(), "everywhere alpha,beta"),
        ("create index concurrently on users (id)".into(), "0A000"),
        ("create index concurrently i on users (id)".into(), "in turn alpha,beta"),
        ("truncate users".into(), "everywhere alpha,beta"),
        ("vacuum users".into(), "in turn alpha,beta"),
        ("do 'begin end'".into(), "0A000"),
        ("copy users from stdin".into(), "copy alpha,beta"),
        ("copy users (id) from stdin".into(), "0A000"),
        ("copy users to stdout".into(), "copy out alpha,beta"),
        (format!("copy (select * from users where tenant_id = {far}) to stdout"), "single beta"),
        ("select * from broken".into(), "0A000"),
        ("explain select * from users".into(), "merge alpha,beta"),
        ("explain declare c cursor for select * from users".into(), "merge alpha,beta"),
        ("explain create table t as select * from users".into(), "merge alpha,beta"),
        (format!("explain delete from users where tenant_id = {far}"), "single beta"),
        ("explain delete from users".into(), "everywhere alpha,beta"),
        ("explain update countries set title = 'x'".into(), "single alpha"),
        ("explain analyze update countries set title = 'x'".into(), "0A000"),
        ("explain (analyze) create table copy as select * from countries".into(), "0A000"),
        ("prepare transaction 'x'".into(), "0A000"),
    ] {
        assert_eq!(words(&ask(&asked, &text, &[]), &directory), expected, "{text}");
    }
}

#[test]
fn the_session_tenant_sees_its_rows_and_no_others() {
    let directory = directory();
    let (one, _, far) = tenants(&directory);
    let asked = Asked { directory: &directory, tenant: Some(far), fan_out: false, away: &[] };
    for (text, expected) in [
        ("select * from users".into(), "single beta"),
        (format!("select * from users where tenant_id = {far}"), "single beta"),
        (format!("select * from users where tenant_id = {one}"), "42501"),
        (format!("select * from users where tenant_id in ({one}, {far})"), "42501"),
        ("update users set name = 'x'".into(), "single beta"),
        ("delete from users".into(), "single beta"),
        (format!("insert into users (tenant_id, id) values ({far}, 1)"), "single beta"),
        (format!("insert into users (tenant_id, id) values ({one}, 1)"), "42501"),
        ("insert into users (id) values (1)".into(), "insert beta"),
        (format!("update users set tenant_id = {one}"), "0A000"),
        ("truncate users".into(), "42501"),
        ("select * from countries".into(), "single beta"),
        ("select my_function()".into(), "single beta"),
        ("do 'begin end'".into(), "single beta"),
        ("copy users from stdin".into(), "copy alpha,beta"),
    ] {
        let verdict = ask(&asked, &text, &[]);
        assert_eq!(words(&verdict, &directory), expected, "{text}");
        if let Verdict::Run(plan) = &verdict
            && text.as_str() == "select * from users"
        {
            assert_eq!(
                plan.legs[0].text.as_deref(),
                Some(format!("SELECT * FROM users WHERE users.tenant_id = {far}").as_str())
            );
        }
    }
}

#[test]
fn a_comment_names_the_tenant_where_the_session_does_not() {
    let directory = directory();
    let (_, _, far) = tenants(&directory);
    let asked = Asked { directory: &directory, tenant: None, fan_out: false, away: &[] };
    let text = format!("select * from users /*tenant='{far}'*/");
    assert_eq!(words(&ask(&asked, &text, &[]), &directory), "single beta");
    assert_eq!(words(&ask(&asked, "select * from users", &[]), &directory), "42501");
    assert_eq!(words(&ask(&asked, "select * from users /*tenant='x'*/", &[]), &directory), "22023");
}

#[test]
fn a_parameter_counts_by_its_value_only_where_its_type_is_certain() {
    let directory = directory();
    let (_, _, far) = tenants(&directory);
    let asked = Asked { directory: &directory, tenant: None, fan_out: true, away: &[] };
    let text = far.to_string();
    let binary = far.to_be_bytes();
    let inferred = Parameter { type_oid: 0, binary: false, value: Some(text.as_bytes()) };
    let cases = [
        ("select 1 from users where tenant_id = $1", inferred, "single beta"),
        (
            "select 1 from users where tenant_id = $1",
            Parameter { binary: true, value: Some(&binary), ..inferred },
            "single beta",
        ),
        (
            "select 1 from users where tenant_id = $1",
            Parameter { type_oid: 1700, ..inferred },
            "merge alpha,beta",
        ),
        ("select 1 from users where ratio > $1 and tenant_id = $1", inferred, "merge alpha,beta"),
        (
            "select 1 from users where ratio > $1 and tenant_id = $1",
            Parameter { type_oid: 20, ..inferred },
            "single beta",
        ),
        ("select 1 from users where tenant_id = $1", Parameter { value: None, ..inferred }, "single alpha"),
    ];
    for (text, parameter, expected) in cases {
        assert_eq!(words(&ask(&asked, text, &[parameter]), &directory), expected, "{text} {parameter:?}");
    }
    assert_eq!(
        words(&ask(&asked, "select 1 from users where tenant_id = $1", &[]), &directory),
        "merge alpha,beta"
    );
}

#[test]
fn a_move_is_respected_at_each_stage() {
    let (_, _, far) = tenants(&directory());
    let scope = Scope::Tenants { key_type: KeyType::Integer, keys: BTreeSet::from([far.to_string()]) };
    let mark =
        MoveMark { id: MoveId(1), scope, from: ServerId(1), to: ServerId(0), stage: MoveStage::Copying };
    let copying = change(&directory(), Change::Begin(mark)).expect("lawful");
    let armed = change(&copying, Change::Stage(MoveId(1), MoveStage::Armed)).expect("lawful");
    let frozen = change(&armed, Change::Stage(MoveId(1), MoveStage::Frozen)).expect("lawful");
    let of_tenant = format!("select * from users where tenant_id = {far}");
    let asked = |directory| Asked { directory, tenant: None, fan_out: true, away: &[] };

    let Verdict::Run(plan) = ask(&asked(&copying), "select id from users", &[]) else { panic!("it runs") };
    assert!(plan.legs[0].text.as_deref().is_some_and(|text| text.contains("pgherd.hidden")));
    assert!(plan.legs[1].text.as_deref().is_some_and(|text| !text.contains("pgherd.hidden")));
    assert_eq!(plan.role, Role::Replica);

    let Verdict::Run(plan) = ask(&asked(&armed), &of_tenant, &[]) else { panic!("it runs") };
    assert_eq!((plan.legs[0].fences.clone(), plan.role), (vec!["fence_1".to_owned()], Role::Primary));
    let Verdict::Run(plan) = ask(&asked(&armed), "select id from users", &[]) else { panic!("it runs") };
    assert_eq!(plan.legs[0].fences, Vec::<String>::new());
    assert_eq!(plan.legs[1].fences, ["fence_1"]);

    assert!(matches!(ask(&asked(&frozen), &of_tenant, &[]), Verdict::Wait(moves) if moves == [MoveId(1)]));
    assert!(matches!(ask(&asked(&frozen), "select id from users", &[]), Verdict::Wait(_)));
    let Verdict::Run(plan) = ask_fenced(&frozen, &[MoveId(1)], &of_tenant) else { panic!("it runs") };
    assert_eq!(plan.legs[0].server, ServerId(1), "who holds the fence goes on at the source");
    assert!(matches!(ask_fenced(&frozen, &[MoveId(1)], "select id from users"), Verdict::Run(_)));
    assert!(matches!(ask_fenced(&frozen, &[MoveId(2)], &of_tenant), Verdict::Wait(_)));
    assert_eq!(
        words(&ask(&asked(&frozen), "select * from countries where id = 1", &[]), &frozen)[..6],
        *"single"
    );
    assert_eq!(words(&ask(&asked(&copying), "create table x (a int)", &[]), &copying), "55006");
    let Verdict::Run(plan) = ask(&asked(&directory()), "create table x (a int)", &[]) else { panic!("runs") };
    assert_eq!(plan.tenants, Tenants::All, "a move that begins waits for a change of the schema");
}

#[test]
fn with_one_server_everything_runs_there() {
    let directory = start(&["alpha".into()], 4096, Start::Spread);
    let asked = Asked { directory: &directory, tenant: None, fan_out: false, away: &[] };
    for text in [
        "select my_function() from users",
        "insert into users (tenant_id) values (1 + 1)",
        "update users set tenant_id = 6 where tenant_id = 5",
        "create index concurrently on users (id)",
        "vacuum users",
        "do 'begin end'",
        "select * from broken",
        "update countries set title = random()::text",
        "copy users to stdout",
    ] {
        assert_eq!(words(&ask(&asked, text, &[]), &directory), "single alpha", "{text}");
    }
}

#[test]
fn a_temporary_table_may_hide_another_on_the_only_server_of_an_unsharded_database() {
    let one = start(&["alpha".into()], 4096, Start::Spread);
    let mut plain = catalog();
    plain.key_type = None;
    let session = SessionView {
        tenant: None,
        fan_out: true,
        read_write_transaction: false,
        held: None,
        temporary: &[],
        in_block: false,
        fenced: &[],
        now: &"2026-01-01 00:00:00+00",
        away: &[],
        counted: None,
    };
    let judge = |text: &str, directory: &Directory, catalog: &Catalog| {
        let Learned::Statements(statements) = learn(text, catalog, &path()) else { panic!("{text} parses") };
        plan(&statements[0], directory, catalog, &session, &[])
    };
    let hiding = "CREATE TEMP TABLE countries (a int)";
    assert!(matches!(judge(hiding, &one, &plain), Verdict::Run(plan) if plan.role == Role::Primary));
    assert!(matches!(judge(hiding, &one, &catalog()), Verdict::Refuse(_)));
    assert!(matches!(judge(hiding, &directory(), &plain), Verdict::Refuse(_)));
    let of_server = "ALTER TABLESPACE t SET (random_page_cost = 1.0)";
    assert!(matches!(judge(of_server, &one, &plain), Verdict::Run(_)));
    assert!(matches!(judge(of_server, &directory(), &plain), Verdict::Refuse(_)));
}
