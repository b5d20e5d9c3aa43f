//! SQL: what a text says, and where it goes; a tenant key in its spellings.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use router::catalog::{
    Catalog, Collation, Column, FunctionFacts, Relation, RelationKind, SearchPath, Volatility,
};
use router::directory::{Directory, Start, start};
use router::ids::{KeyType, TenantKey};
use router::plan::{Parameter, SessionView, Verdict, plan};
use router::sql::{Learned, learn};

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
            let session = SessionView {
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
            };
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

/// A key's text and binary forms: what is read is written as a literal that is read as the same.
pub(super) fn tenant(bytes: &[u8]) {
    let Some((kind, value)) = bytes.split_first() else { return };
    let key_type = [KeyType::Integer, KeyType::Uuid, KeyType::Text][usize::from(kind % 3)];
    let _ = key_type.read_binary(value).map(|key| key.shard(4096));
    let Ok(text) = std::str::from_utf8(value) else { return };
    if let Some(key) = key_type.parse(text) {
        assert_eq!(key.key_type(), key_type);
        let session = SessionView {
            tenant: Some(&key),
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
        let path = SearchPath::standard("app");
        let asked = format!("/*tenant={}*/ SELECT * FROM notes WHERE tenant_id = '7'", key.literal());
        if let Learned::Statements(statements) = learn(&asked, &CATALOG, &path) {
            statements.iter().for_each(|statement| {
                let _ = plan(statement, &DIRECTORY, &CATALOG, &session, &[]);
            });
        }
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
        trigger_writes: None,
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
