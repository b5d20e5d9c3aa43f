//! What a statement costs before any server sees it: learning its text, planning it, both for a new text.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use router::catalog::{
    Catalog, Collation, Column, FunctionFacts, Relation, RelationKind, SearchPath, Volatility,
};
use router::directory::{Directory, Start, start};
use router::ids::KeyType;
use router::plan::{Parameter, SessionView, Verdict, plan};
use router::sql::{Learned, Statement, learn};

const INT8: u32 = 20;
const TEXT: u32 = 25;

const PREPARED: &str = "SELECT name, balance FROM accounts WHERE tenant_id = $1 AND account_id = $2";
const LITERAL: &str = "SELECT name, balance FROM accounts WHERE tenant_id = 42 AND account_id = 7";
const FAN_OUT: &str =
    "SELECT account_id, count(*), sum(balance) FROM accounts GROUP BY account_id ORDER BY 1 LIMIT 10";

fn column(name: &str, type_oid: u32, collation: Collation) -> Column {
    Column {
        name: name.into(),
        type_oid,
        written: router::catalog::Written::default(),
        type_modifier: -1,
        collation,
        not_null: true,
        has_default: false,
        default: None,
        generated: false,
    }
}

/// What PostgreSQL says of `count` and `sum`.
const AGGREGATE: FunctionFacts = FunctionFacts {
    volatility: Volatility::Immutable,
    builtin: true,
    reads_copies: false,
    aggregate: true,
    window: false,
    returns_set: false,
};

/// One sharded table, and the functions of the statements.
fn catalog() -> Catalog {
    let accounts = Relation {
        oid: 16_500,
        schema: "public".into(),
        name: "accounts".into(),
        kind: RelationKind::Sharded { tenant_column: 0, key_type: KeyType::Integer },
        columns: vec![
            column("tenant_id", INT8, Collation::None),
            column("account_id", INT8, Collation::None),
            column("name", TEXT, Collation::Deterministic),
            column("balance", INT8, Collation::None),
        ],
        unique_keys: vec![vec![0, 1]],
        has_acting_keys: false,
        partitioned: false,
        has_triggers: false,
        trigger_writes: None,
        view: None,
        materialized: false,
        plain_triggers: false,
    };
    let key = (accounts.schema.clone(), accounts.name.clone());
    Catalog {
        version: 1,
        relations: HashMap::from([(key, Arc::new(accounts))]),
        functions: HashMap::from([("count".into(), AGGREGATE), ("sum".into(), AGGREGATE)]),
        tenant_column: "tenant_id".into(),
        key_type: Some(KeyType::Integer),
        ..Catalog::default()
    }
}

fn directory() -> Directory {
    start(&["alpha".into(), "beta".into()], 4096, Start::Spread)
}

const SESSION: SessionView<'_> = SessionView {
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

fn learned(text: &str, catalog: &Catalog, path: &SearchPath) -> Arc<Statement> {
    match learn(text, catalog, path) {
        Learned::Statements(mut statements) => statements.remove(0),
        other => panic!("{text} is learned as {other:?}"),
    }
}

fn parameter(value: &[u8]) -> Parameter<'_> {
    Parameter { type_oid: INT8, binary: false, value: Some(value) }
}

fn router(criterion: &mut Criterion) {
    let (catalog, directory, path) = (catalog(), directory(), SearchPath::standard("app"));
    let planned = |statement: &Statement, parameters: &[Parameter<'_>]| {
        let verdict = plan(statement, &directory, &catalog, &SESSION, parameters);
        assert!(matches!(verdict, Verdict::Run(_)), "{verdict:?}");
        black_box(verdict);
    };
    let mut group = criterion.benchmark_group("router");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(30);
    for (name, text) in [("prepared read", PREPARED), ("literal read", LITERAL), ("fan-out", FAN_OUT)] {
        group.bench_function(format!("learn: {name}"), |bencher| {
            bencher.iter(|| black_box(learned(black_box(text), &catalog, &path)));
        });
    }
    let statement = learned(PREPARED, &catalog, &path);
    let parameters = [parameter(b"42"), parameter(b"7")];
    group.bench_function("plan: prepared read", |bencher| bencher.iter(|| planned(&statement, &parameters)));
    let statement = learned(LITERAL, &catalog, &path);
    group.bench_function("plan: literal read", |bencher| bencher.iter(|| planned(&statement, &[])));
    let statement = learned(FAN_OUT, &catalog, &path);
    group.bench_function("plan: fan-out", |bencher| bencher.iter(|| planned(&statement, &[])));
    group.finish();
}

criterion_group!(benches, router);
criterion_main!(benches);
