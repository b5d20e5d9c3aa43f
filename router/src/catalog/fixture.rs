//! A small catalog for tests: sharded `users`, `orders`, `notes`, reference `countries`, a view of each
//! kind, and the functions that the tests name.

use std::sync::Arc;

use super::{
    Catalog, Collation, Column, FunctionFacts, Relation, RelationKind, SearchPath, Volatility, Written,
};
use crate::ids::KeyType;

/// OIDs of the types that the fixture's columns have.
const BOOL: u32 = 16;
const INT8: u32 = 20;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const TEXTS: u32 = 1009;
const FLOAT8: u32 = 701;
const DATE: u32 = 1082;
const TIMESTAMPTZ: u32 = 1184;
const INTERVAL: u32 = 1186;
const NUMERIC: u32 = 1700;
const JSONB: u32 = 3802;
/// A user's enum.
const MOOD: u32 = 16_400;

/// The search path of the tests.
pub(crate) fn path() -> SearchPath {
    SearchPath::standard("app")
}

/// The catalog; text columns order by an ICU collation, but `users.email` by bytes.
pub(crate) fn catalog() -> Catalog {
    let sharded = RelationKind::Sharded { tenant_column: 0, key_type: KeyType::Integer };
    let users = [
        ("tenant_id", INT8),
        ("id", INT8),
        ("name", TEXT),
        ("email", TEXT),
        ("score", INT4),
        ("balance", NUMERIC),
        ("price", NUMERIC),
        ("ratio", FLOAT8),
        ("active", BOOL),
        ("born", DATE),
        ("created_at", TIMESTAMPTZ),
        ("lasted", INTERVAL),
        ("extra", JSONB),
        ("mood", MOOD),
        ("country_id", INT4),
    ];
    let orders = [
        ("tenant_id", INT8),
        ("id", INT8),
        ("user_id", INT8),
        ("total", NUMERIC),
        ("status", TEXT),
        ("created_at", TIMESTAMPTZ),
    ];
    let view = RelationKind::ShardedView { definition: "SELECT * FROM users WHERE active".into() };
    let bad = RelationKind::Unsafe { reason: "a unique key without the tenant column".into() };
    let relations = [
        relation("public", "users", sharded.clone(), &users),
        relation("public", "orders", sharded.clone(), &orders),
        relation("audit", "users", sharded, &orders),
        relation(
            "public",
            "countries",
            RelationKind::Reference,
            &[("id", INT4), ("code", TEXT), ("title", TEXT)],
        ),
        relation("public", "titles", RelationKind::ReferenceView, &[("code", TEXT), ("title", TEXT)]),
        relation("public", "active_users", view, &users),
        relation("public", "broken", bad, &orders),
        relation("public", "numbers", RelationKind::Sequence, &[("last_value", INT8)]),
    ];
    Catalog {
        version: 1,
        relations: relations
            .into_iter()
            .map(|relation| ((relation.schema.clone(), relation.name.clone()), Arc::new(relation)))
            .collect(),
        functions: functions(),
        types: [(MOOD, "mood".to_owned())].into(),
        tenant_column: "tenant_id".into(),
        key_type: Some(KeyType::Integer),
        ..Catalog::default()
    }
}

/// The same catalog with `tenant_id text` everywhere.
pub(crate) fn text_catalog() -> Catalog {
    let mut catalog = catalog();
    for relation in catalog.relations.values_mut() {
        let relation = Arc::make_mut(relation);
        if let RelationKind::Sharded { key_type, .. } = &mut relation.kind {
            *key_type = KeyType::Text;
            relation.columns[0].type_oid = TEXT;
            relation.columns[0].collation = Collation::Deterministic;
        }
    }
    catalog.key_type = Some(KeyType::Text);
    catalog
}

fn relation(schema: &str, name: &str, kind: RelationKind, columns: &[(&str, u32)]) -> Relation {
    Relation {
        oid: 16_500,
        schema: schema.into(),
        name: name.into(),
        unique_keys: match kind {
            RelationKind::Sharded { .. } => vec![vec![0, 1]],
            _ => vec![vec![0]],
        },
        kind,
        columns: columns.iter().map(|(name, oid)| column(name, *oid)).collect(),
        has_acting_keys: false,
        partitioned: false,
        has_triggers: false,
        plain_triggers: false,
        trigger_writes: None,
        view: None,
        materialized: false,
    }
}

fn column(name: &str, type_oid: u32) -> Column {
    let collation = match (type_oid, name) {
        (TEXT, "email" | "code") => Collation::Bytes,
        (TEXT, _) => Collation::Deterministic,
        _ => Collation::None,
    };
    Column {
        name: name.into(),
        type_oid,
        // numeric(10, 2)
        type_modifier: if name == "price" { ((10 << 16) | 2) + 4 } else { -1 },
        written: written(name, type_oid),
        collation,
        not_null: matches!(name, "tenant_id" | "id"),
        has_default: false,
        default: None,
        generated: false,
    }
}

fn written(name: &str, type_oid: u32) -> Written {
    let bare_type = match type_oid {
        BOOL => "boolean",
        INT8 => "bigint",
        INT4 => "integer",
        TEXT => "text",
        FLOAT8 => "double precision",
        DATE => "date",
        TIMESTAMPTZ => "timestamp with time zone",
        INTERVAL => "interval",
        NUMERIC => "numeric",
        JSONB => "jsonb",
        TEXTS => "text[]",
        _ => "public.mood",
    };
    Written {
        type_name: if name == "price" { "numeric(10,2)".into() } else { bare_type.into() },
        bare_type: bare_type.into(),
        collation: (name == "email").then(|| "pg_catalog.\"C\"".into()),
        binary: type_oid != TEXTS,
    }
}

fn functions() -> std::collections::HashMap<String, FunctionFacts> {
    use Volatility::{Immutable, Stable, Volatile};
    let plain = |volatility| FunctionFacts {
        volatility,
        builtin: true,
        reads_copies: false,
        aggregate: false,
        window: false,
        returns_set: false,
    };
    let aggregate = FunctionFacts { aggregate: true, ..plain(Immutable) };
    let window = FunctionFacts { window: true, ..plain(Immutable) };
    let set = FunctionFacts { returns_set: true, ..plain(Stable) };
    let user = FunctionFacts { builtin: false, ..plain(Volatile) };
    let mut all: Vec<(&str, FunctionFacts)> =
        vec![("my_function", user), ("generate_series", set), ("unnest", set)];
    for name in ["lower", "upper", "length", "abs", "round", "md5", "substring", "date_bin"] {
        all.push((name, plain(Immutable)));
    }
    for name in [
        "now",
        "statement_timestamp",
        "transaction_timestamp",
        "date_trunc",
        "to_char",
        "extract",
        "concat",
        "inet_server_addr",
        "pg_is_in_recovery",
        "current_setting",
        "txid_current",
        "age",
        "version",
    ] {
        all.push((name, plain(Stable)));
    }
    for name in ["random", "clock_timestamp", "gen_random_uuid", "nextval", "pg_sleep", "pg_advisory_lock"] {
        all.push((name, plain(Volatile)));
    }
    for name in [
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "bool_and",
        "bool_or",
        "every",
        "array_agg",
        "string_agg",
        "stddev",
        "percentile_cont",
    ] {
        all.push((name, aggregate));
    }
    for name in ["row_number", "rank"] {
        all.push((name, window));
    }
    all.into_iter().map(|(name, facts)| (name.to_owned(), facts)).collect()
}
