//! SQL: what a text says, and where it goes; a tenant key in its spellings.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use router::catalog::{
    Catalog, Collation, Column, FunctionFacts, Relation, RelationKind, SearchPath, Volatility,
};
use router::directory::{Directory, Start, start};
use router::ids::{KeyType, TenantKey};
use router::plan::{Parameter, SessionView, Tenants, Verdict, plan};
use router::sql::{Code, Learned, Outline, Statement, Template, learn, normalized};

static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);
static DIRECTORY: LazyLock<Directory> =
    LazyLock::new(|| start(&["alpha".into(), "beta".into()], 4096, Start::Spread));

/// A text is learned and planned, for a session with and without a tenant; what the plan sends to a
/// server is SQL again.
pub(super) fn sql(bytes: &[u8]) {
    let Some((parameter, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let path = SearchPath::standard("app");
    let Learned::Statements(statements) = learn(text, &CATALOG, &path) else { return };
    let value = [*parameter, 0, 0, 0];
    let parameters = [
        Parameter { type_oid: 23, binary: *parameter % 2 == 0, value: Some(&value) },
        Parameter { type_oid: 0, binary: false, value: Some(b"7") },
    ];
    let tenant = TenantKey::Integer(7);
    for tenant in [None, Some(&tenant)] {
        for statement in &statements {
            let session = session(tenant);
            if let Verdict::Run(plan) = plan(statement, &DIRECTORY, &CATALOG, &session, &parameters) {
                assert!(!plan.legs.is_empty(), "a plan has legs");
                for text in plan.legs.iter().filter_map(|leg| leg.text.as_deref()) {
                    let again = learn(text, &CATALOG, &path);
                    assert!(matches!(again, Learned::Statements(_)), "a leg's text is SQL: {text}");
                }
            }
        }
    }
}

/// A text read by the template of one that differs from it in its numbers is planned as if it were read
/// by itself.
pub(super) fn template(bytes: &[u8]) {
    let Some((shift, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let shifted = |letter: char| match letter.to_digit(10) {
        Some(digit) => char::from(b'0' + ((digit + u32::from(*shift)) % 10) as u8),
        None => letter,
    };
    let other: String = text.chars().map(shifted).collect();
    let (Some(outline), Some(outline_of_other)) = (Outline::of(text), Outline::of(&other)) else { return };
    let path = SearchPath::standard("app");
    let Some(template) = Template::learn(text, &outline, &CATALOG, &path) else { return };
    let Some(instance) = template.statement(&other, outline_of_other) else { return };
    let Learned::Statements(whole) = learn(&other, &CATALOG, &path) else {
        panic!("{other} was read by a template, and is none")
    };
    assert_eq!(whole.len(), 1, "a template is one statement");
    assert_eq!((instance.access(), instance.hold()), (whole[0].access(), whole[0].hold()));
    assert_eq!((instance.text(), instance.text_range()), (whole[0].text(), whole[0].text_range()));
    let planned = |statement: &Statement| plan(statement, &DIRECTORY, &CATALOG, &session(None), &[]);
    if let (Verdict::Run(short), Verdict::Run(full)) = (planned(&instance), planned(&whole[0])) {
        let only =
            |plan: &router::plan::Plan| (plan.legs.len(), plan.legs[0].server, plan.legs[0].text.clone());
        if full.tenants != Tenants::None {
            assert_eq!(only(&short), only(&full), "{other}");
        }
    }
}

/// What is read of a text word by word: what code writes and calls, and the line that a log has of it.
pub(super) fn words(bytes: &[u8]) {
    let Some((longest, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let code = Code::read(text);
    for name in code.writes.iter().chain(&code.calls) {
        let written = name.replace('"', "\"\"");
        assert!(text.contains(&written) || text.to_lowercase().contains(&written), "{name} is in the text");
    }
    let normal = normalized(text, usize::from(*longest));
    // A name in double quotes may have one in it.
    assert!(text.contains('"') || !normal.contains('\''), "no string is left: {normal}");
}

/// A key's text and binary forms: what is read is written as a literal that is read as the same.
pub(super) fn tenant(bytes: &[u8]) {
    let Some((kind, value)) = bytes.split_first() else { return };
    let key_type = [KeyType::Integer, KeyType::Uuid, KeyType::Text][usize::from(kind % 3)];
    let _ = key_type.read_binary(value).map(|key| key.shard(4096));
    let Ok(text) = std::str::from_utf8(value) else { return };
    if let Some(key) = key_type.parse(text) {
        assert_eq!(key.key_type(), key_type);
        let session = session(Some(&key));
        let path = SearchPath::standard("app");
        let asked = format!("/*tenant={}*/ SELECT * FROM notes WHERE tenant_id = '7'", key.literal());
        if let Learned::Statements(statements) = learn(&asked, &CATALOG, &path) {
            statements.iter().for_each(|statement| {
                let _ = plan(statement, &DIRECTORY, &CATALOG, &session, &[]);
            });
        }
    }
}

/// A session, perhaps a tenant's.
fn session(tenant: Option<&TenantKey>) -> SessionView<'_> {
    SessionView {
        tenant,
        fan_out: true,
        read_write_transaction: false,
        held: None,
        temporary: &[],
        in_block: false,
        fenced: &[],
        now: &"2026-01-01 00:00:00+00",
        away: &[],
        counted: None,
    }
}

/// A sharded table `notes`, a reference table `countries`, and functions of each sort.
fn catalog() -> Catalog {
    let column = |name: &str, type_oid| Column {
        name: name.into(),
        type_oid,
        written: router::catalog::Written {
            type_name: "text".into(),
            bare_type: "text".into(),
            collation: None,
            binary: true,
        },
        type_modifier: -1,
        collation: if type_oid == 25 { Collation::Bytes } else { Collation::None },
        not_null: name != "body",
        has_default: false,
        default: None,
        generated: false,
    };
    let relation = |name: &str, kind, columns: Vec<Column>, key: Vec<usize>| Relation {
        oid: 16_500,
        schema: "public".into(),
        name: name.into(),
        kind,
        columns,
        unique_keys: vec![key],
        has_acting_keys: false,
        partitioned: false,
        has_triggers: false,
        plain_triggers: false,
        trigger_writes: None,
        view: None,
        materialized: false,
    };
    let sharded = RelationKind::Sharded { tenant_column: 0, key_type: KeyType::Integer };
    let notes =
        vec![column("tenant_id", 20), column("note_id", 20), column("body", 25), column("price", 1700)];
    let relations = [
        relation("notes", sharded, notes, vec![0, 1]),
        relation("countries", RelationKind::Reference, vec![column("id", 23), column("code", 25)], vec![0]),
    ];
    Catalog {
        version: 1,
        relations: relations
            .into_iter()
            .map(|relation| ((relation.schema.clone(), relation.name.clone()), Arc::new(relation)))
            .collect(),
        functions: functions(),
        tenant_column: "tenant_id".into(),
        key_type: Some(KeyType::Integer),
        ..Catalog::default()
    }
}

fn functions() -> HashMap<String, FunctionFacts> {
    let facts = |volatility, aggregate| FunctionFacts {
        volatility,
        builtin: true,
        reads_copies: false,
        aggregate,
        window: false,
        returns_set: false,
    };
    let plain = ["lower", "length", "abs", "round"].map(|name| (name, facts(Volatility::Immutable, false)));
    let stable = ["now", "date_trunc", "to_char"].map(|name| (name, facts(Volatility::Stable, false)));
    let volatile = ["random", "nextval", "set_config"].map(|name| (name, facts(Volatility::Volatile, false)));
    let aggregates = ["count", "sum", "avg", "min", "max", "array_agg"]
        .map(|name| (name, facts(Volatility::Immutable, true)));
    let all = plain.into_iter().chain(stable).chain(volatile).chain(aggregates);
    all.map(|(name, facts)| (name.to_owned(), facts)).collect()
}
