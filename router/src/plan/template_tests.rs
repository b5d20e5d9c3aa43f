//! A template's plan beside the plan of the text read as a whole: where the template suffices, they agree.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::catalog::{Catalog, RelationKind, fixture};
use crate::directory::{Directory, Start, start};
use crate::ids::{KeyType, TenantKey};
use crate::sql::{Learned, Outline, Statement, Template, learn};

const TEXT: u32 = 25;

/// The fixture with its sharded tables keyed by `key_type`.
fn catalog(key_type: KeyType) -> Catalog {
    let mut catalog = fixture::catalog();
    for relation in catalog.relations.values_mut() {
        let relation = Arc::make_mut(relation);
        if let RelationKind::Sharded { key_type: keyed, .. } = &mut relation.kind {
            *keyed = key_type;
            if key_type == KeyType::Text {
                relation.columns[0].type_oid = TEXT;
            }
        }
    }
    catalog.key_type = Some(key_type);
    catalog
}

/// Literals of tenants and of other values, in the spellings that applications use.
fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..40i64).prop_map(|key| key.to_string()),
        4 => (0..40i64).prop_map(|key| format!("'{key}'")),
        1 => (0..40i64).prop_map(|key| format!("'{key}'::bigint")),
        1 => (0..40i64).prop_map(|key| format!("{key}::text")),
        1 => (0..40i64).prop_map(|key| format!("CAST({key} AS int)")),
        1 => (0..40i64).prop_map(|key| format!("-{key}")),
        1 => (0..40i64).prop_map(|key| format!("00{key}")),
        1 => (0..40i64).prop_map(|key| format!("' {key}'")),
        1 => Just("3000000000".to_owned()),
        1 => Just("9223372036854775808".to_owned()),
        1 => Just("1.0".to_owned()),
        1 => Just("'acme'".to_owned()),
        1 => Just("''".to_owned()),
        1 => Just("NULL".to_owned()),
        1 => Just("B'101'".to_owned()),
        1 => Just("E'5'".to_owned()),
        1 => Just("'5' ".to_owned()),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let key = prop_oneof![Just("tenant_id"), Just("u.tenant_id"), Just("\"tenant_id\"")];
    let leaf = prop_oneof![
        6 => (key.clone(), literal()).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => (key.clone(), literal()).prop_map(|(key, value)| format!("{value} = {key}")),
        1 => (key.clone(), literal(), literal()).prop_map(|(key, a, b)| format!("{key} IN ({a}, {b})")),
        1 => (key.clone(), literal()).prop_map(|(key, a)| format!("{key} = ANY(ARRAY[{a}])")),
        1 => (key.clone(), 0..9).prop_map(|(key, a)| format!("{key} = ANY('{{{a},4}}')")),
        1 => (key.clone(), literal()).prop_map(|(key, a)| format!("{key} IS NOT DISTINCT FROM {a}")),
        1 => (key.clone(), literal()).prop_map(|(key, a)| format!("{key} <> {a}")),
        1 => (key.clone(), literal()).prop_map(|(key, a)| format!("({key}, u.id) = ({a}, 7)")),
        1 => (key, literal()).prop_map(|(key, a)| format!("{key} = {a} + 1")),
        3 => literal().prop_map(|value| format!("u.id = {value}")),
        1 => literal().prop_map(|value| format!("name LIKE {value}")),
        1 => Just("1 = 0".to_owned()),
        1 => Just("true".to_owned()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            4 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            1 => inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => condition().prop_map(|when| format!("SELECT id, name FROM users u WHERE {when}")),
        1 => (condition(), 1..5, 0..3).prop_map(|(when, limit, offset)| {
            format!("SELECT id, count(*) FROM users u WHERE {when} GROUP BY 1 ORDER BY 1 LIMIT {limit} OFFSET {offset};")
        }),
        2 => (condition(), condition()).prop_map(|(on, when)| {
            format!("SELECT * FROM users u JOIN orders o ON u.tenant_id = o.tenant_id AND o.id = 3 AND {on} WHERE {when}")
        }),
        1 => condition().prop_map(|when| format!("SELECT * FROM countries WHERE id IN (SELECT 4 FROM users u WHERE {when})")),
        2 => (literal(), condition())
            .prop_map(|(value, when)| format!("UPDATE users u SET score = {value} WHERE {when}")),
        1 => (literal(), condition())
            .prop_map(|(value, when)| format!("UPDATE users u SET tenant_id = {value} WHERE {when}")),
        2 => condition().prop_map(|when| format!("DELETE FROM users u WHERE {when}")),
        3 => (literal(), literal())
            .prop_map(|(key, id)| format!("INSERT INTO users (tenant_id, id) VALUES ({key}, {id})")),
        1 => (literal(), literal(), literal(), literal())
            .prop_map(|(a, b, c, d)| format!("INSERT INTO users (tenant_id, id) VALUES ({a}, {b}), ({c}, {d})")),
        1 => literal().prop_map(|key| format!("INSERT INTO users (tenant_id, id) SELECT {key}, 5")),
        1 => literal().prop_map(|value| format!("INSERT INTO countries (id) VALUES ({value})")),
        1 => literal().prop_map(|value| format!("SELECT title FROM countries WHERE id = {value}")),
        1 => literal().prop_map(|value| format!("SELECT set_config('app.tenant', {value}, false), 1")),
        1 => literal().prop_map(|value| format!("SELECT now(), {value}")),
        1 => condition().prop_map(|when| format!("SELECT nextval('numbers') FROM users u WHERE {when}")),
        1 => condition().prop_map(|when| format!("SELECT 1 FROM users u WHERE {when} FOR UPDATE")),
    ]
}

fn as_a_whole(text: &str, catalog: &Catalog) -> Option<Arc<Statement>> {
    match learn(text, catalog, &fixture::path()) {
        Learned::Statements(statements) if statements.len() == 1 => Some(Arc::clone(&statements[0])),
        _ => None,
    }
}

fn by_template(text: &str, shaped_by: &str, catalog: &Catalog) -> Option<Statement> {
    let template = Template::learn(shaped_by, &Outline::of(shaped_by)?, catalog, &fixture::path())?;
    template.statement(text, Outline::of(text)?)
}

fn covers(tenants: &Tenants, exact: &Tenants) -> bool {
    match (tenants, exact) {
        (Tenants::Some(more), Tenants::Some(exact)) => exact.iter().all(|key| more.contains(key)),
        (_, Tenants::None) => true,
        (one, other) => one == other,
    }
}

/// The template's plan where it suffices, held beside the whole text's.
fn agree(
    text: &str,
    shaped_by: &str,
    catalog: &Catalog,
    directory: &Directory,
    session: &SessionView<'_>,
) -> bool {
    let Some(instance) = by_template(text, shaped_by, catalog) else { return false };
    let whole = as_a_whole(text, catalog).unwrap_or_else(|| panic!("{text} was read by its template"));
    assert_eq!(instance.text(), text);
    assert_eq!(instance.text_range(), whole.text_range());
    assert_eq!(instance.access(), whole.access(), "{text}");
    assert_eq!(instance.hold(), whole.hold(), "{text}");
    assert_eq!(instance.parameter_count(), 0, "{text}");
    assert_eq!(instance.is_session_command(), whole.is_session_command(), "{text}");
    assert_eq!(instance.runs_unread_code(), whole.runs_unread_code(), "{text}");
    assert_eq!(instance.sets_config(), whole.sets_config(), "{text}");
    match (plan(&instance, directory, catalog, session, &[]), plan(&whole, directory, catalog, session, &[]))
    {
        (Verdict::Learn, _) => false,
        (Verdict::Run(short), Verdict::Run(full)) => {
            assert!(matches!((&short.way, &full.way), (Way::Single, Way::Single)), "{text}");
            assert_eq!(full.legs[0].text, None, "{text}");
            assert_eq!(short.legs[0].text, None, "{text}");
            assert!(covers(&short.tenants, &full.tenants), "{text}: {short:?} {full:?}");
            if full.tenants != Tenants::None || short.tenants == Tenants::None {
                assert_eq!(short.legs[0].server, full.legs[0].server, "{text}");
                assert_eq!(short.role, full.role, "{text}");
            }
            true
        }
        (short, full) => panic!("{text}\n{short:?}\n{full:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_template_plans_as_the_whole_text_does(
        text in statement(),
        text_key in any::<bool>(),
        servers in 1..4usize,
        tenant in proptest::option::weighted(0.2, 0..40i64),
        fan_out in any::<bool>(),
    ) {
        let key_type = if text_key { KeyType::Text } else { KeyType::Integer };
        let catalog = catalog(key_type);
        let names: Vec<String> = (0..servers).map(|number| format!("s{number}")).collect();
        let directory = start(&names, 64, Start::Spread);
        let tenant = tenant.and_then(|tenant| key_type.parse(&tenant.to_string()));
        let session = SessionView {
            tenant: tenant.as_ref(),
            fan_out,
            read_write_transaction: false,
            held: None,
            temporary: &[],
            in_block: false,
        fenced: &[],
            now: &"2026-01-01 00:00:00+00",
            away: &[],
            counted: None,
        };
        agree(&text, &text, &catalog, &directory, &session);
    }
}

#[test]
fn the_usual_point_statements_are_planned_by_their_templates() {
    let catalog = catalog(KeyType::Integer);
    let directory = start(&["alpha".into(), "beta".into()], 64, Start::Spread);
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
    for (one, other) in [
        (
            "SELECT name FROM users WHERE tenant_id = 1 AND id = 2",
            "SELECT name FROM users WHERE tenant_id = 30 AND id = 4",
        ),
        ("SELECT name FROM users WHERE tenant_id = '1'", "SELECT name FROM users WHERE tenant_id = '37'"),
        (
            "UPDATE users SET name = 'a' WHERE tenant_id = 1",
            "UPDATE users SET name = 'xyz' WHERE tenant_id = 9",
        ),
        (
            "INSERT INTO users (tenant_id, id) VALUES (1, 2)",
            "INSERT INTO users (tenant_id, id) VALUES (12, 3)",
        ),
        (
            "DELETE FROM orders WHERE tenant_id = 1 AND id IN (1, 2)",
            "DELETE FROM orders WHERE tenant_id = 8 AND id IN (3, 4)",
        ),
        ("SELECT title FROM countries WHERE id = 5", "SELECT title FROM countries WHERE id = 6"),
    ] {
        assert!(agree(other, one, &catalog, &directory, &session), "{other}");
    }
    let tenant = TenantKey::Integer(30);
    let text = "SELECT name FROM users WHERE tenant_id = 30 AND id = 4";
    let session = SessionView { tenant: Some(&tenant), ..session };
    assert!(agree(text, text, &catalog, &directory, &session), "{text}");
}
