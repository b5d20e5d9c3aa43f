//! Facts -> catalog. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use router::catalog::{
    Catalog, Collation, Column, FunctionFacts, Relation, RelationKind, Volatility, Writer, Written,
};
use router::sql::Dependence;

use super::compare::{Difference, Drift};
use super::defaults::DatabaseFacts;
use super::facts::{CollationFacts, ColumnFacts, Facts, FunctionRow, RelationFacts};
use super::sharding::Kinds;
use super::writers::Writers;
use super::{plain, sharding, through, views};

/// The catalog that one server's facts make; what the servers hold differently is unsafe in it, and
/// so is what reads that.
pub fn build(facts: &Facts, tenant_column: &str, version: u64, drift: &Drift) -> Catalog {
    let default_collation_is_c = default_is_c(&facts.database);
    let mut columns: HashMap<u32, Vec<(i16, Column)>> = HashMap::new();
    for row in &facts.columns {
        columns.entry(row.relation).or_default().push((row.number, column(row, default_collation_is_c)));
    }
    let (mut kinds, key_type) = sharding::classify(facts, &columns, tenant_column);
    distrust(facts, &mut kinds, &drift.unlike);
    views::classify(facts, &mut kinds);
    distrust(facts, &mut kinds, &drift.unlike);
    let copied = |row: &&RelationFacts| kinds.get(&row.oid) == Some(&RelationKind::Reference);
    let writers = Writers::of(facts, facts.relations.iter().filter(copied).map(|row| row.name.clone()));
    let functions = functions(facts, &kinds);
    let relations = facts.relations.iter().map(|row| {
        let kind = kinds.remove(&row.oid).unwrap_or(RelationKind::Sequence);
        let own = columns.remove(&row.oid).unwrap_or_default();
        let acts_otherwise = drift.acting.contains(&(row.schema.clone(), row.name.clone()));
        let computes = |name: &String| functions.get(name).is_some_and(only_computes);
        let plain = !acts_otherwise && !row.has_rules && row.trigger_functions.iter().all(computes);
        let relation = Relation {
            trigger_writes: writers.by_triggers(row),
            has_triggers: row.has_triggers || acts_otherwise,
            plain_triggers: row.has_triggers && plain,
            ..relation(row, kind, own, (facts, drift))
        };
        ((row.schema.clone(), row.name.clone()), Arc::new(relation))
    });
    let mut catalog = Catalog {
        version,
        relations: relations.collect(),
        writers: writers.functions(),
        functions,
        operators: facts.operators.iter().cloned().collect(),
        types: facts.types.iter().map(|row| (row.oid, row.name.clone())).collect(),
        tenant_column: tenant_column.to_owned(),
        key_type,
        default_collation_is_c,
        oldest: facts.database.version,
        unequal: None,
    };
    through::see_through(&mut catalog, facts);
    catalog
}

fn distrust(facts: &Facts, kinds: &mut Kinds, differences: &[Difference]) {
    for difference in differences {
        let differs = |row: &&RelationFacts| row.schema == difference.schema && row.name == difference.name;
        if let Some(row) = facts.relations.iter().find(differs) {
            let reason = format!("the servers hold it differently: {}", difference.what);
            kinds.insert(row.oid, RelationKind::Unsafe { reason });
        }
    }
}

fn relation(
    row: &RelationFacts,
    kind: RelationKind,
    columns: Vec<(i16, Column)>,
    (facts, drift): (&Facts, &Drift),
) -> Relation {
    let place = |number: &i16| columns.iter().position(|(own, _)| own == number);
    // The keys come primary first.
    let everywhere =
        |name: &String| !drift.partial.contains(&(row.schema.clone(), row.name.clone(), name.clone()));
    let keys = facts.keys.iter().filter(|key| key.relation == row.oid && key.plain && everywhere(&key.name));
    // Rows of the tables that inherit from it are read as its own, and its keys say nothing of those.
    let is_inherited = row.kind == "r" && facts.parents.iter().any(|link| link.parent == row.oid);
    let keys = keys.filter(|_| !is_inherited);
    let unique_keys = keys.filter_map(|key| key.columns.iter().map(place).collect()).collect();
    Relation {
        oid: row.oid,
        schema: row.schema.clone(),
        name: row.name.clone(),
        kind,
        unique_keys,
        columns: columns.into_iter().map(|(_, column)| column).collect(),
        has_acting_keys: row.has_acting_keys,
        partitioned: row.kind == "p",
        has_triggers: row.has_triggers,
        plain_triggers: false,
        trigger_writes: None,
        view: None,
        materialized: row.kind == "m",
    }
}

/// Marks functions that the configuration declares harmless: they read no user table, and what they write may
/// differ from server to server.
pub(super) fn trust(catalog: &mut Catalog, harmless: &[String]) {
    for name in harmless {
        if let Some(facts) = catalog.functions.get_mut(name) {
            facts.builtin = true;
        }
        catalog.writers.remove(name);
    }
    for relation in catalog.relations.values_mut() {
        let trusted = |writer: &Writer| harmless.contains(&writer.function);
        if relation.trigger_writes.as_ref().is_some_and(trusted) {
            Arc::make_mut(relation).trigger_writes = None;
        }
    }
}

fn column(row: &ColumnFacts, default_collation_is_c: bool) -> Column {
    Column {
        name: row.name.clone(),
        type_oid: row.type_oid,
        type_modifier: row.type_modifier,
        written: Written {
            type_name: row.type_name.clone(),
            bare_type: row.bare_type.clone(),
            collation: row.own_collation.clone(),
            binary: row.binary_arrays,
        },
        collation: row
            .collation
            .as_ref()
            .map_or(Collation::None, |facts| collation(facts, default_collation_is_c)),
        not_null: row.not_null,
        has_default: row.has_default || !row.identity.is_empty(),
        default: match row.generated.is_empty() {
            true => row.default.as_deref().map(Arc::from),
            false => None,
        },
        generated: !row.generated.is_empty(),
    }
}

/// By PostgreSQL's own rule (`lc_collate_is_c`): libc's `C` and `POSIX` compare by bytes; so does
/// all of the builtin provider, which orders by code point.
fn collation(facts: &CollationFacts, default_collation_is_c: bool) -> Collation {
    let is_c = matches!(facts.collate.as_deref(), Some("C" | "POSIX"));
    match facts.provider.as_str() {
        "d" if default_collation_is_c => Collation::Bytes,
        "d" => Collation::Deterministic,
        "c" if is_c => Collation::Bytes,
        "b" => Collation::Bytes,
        _ if facts.deterministic => Collation::Deterministic,
        _ => Collation::Nondeterministic,
    }
}

fn default_is_c(database: &DatabaseFacts) -> bool {
    match database.provider.as_deref() {
        None | Some("c") => matches!(database.collate.as_str(), "C" | "POSIX"),
        Some("b") => true,
        Some(_) => false,
    }
}

/// A user's function of a name that PostgreSQL has too makes the worst of both.
fn functions(facts: &Facts, kinds: &Kinds) -> HashMap<String, FunctionFacts> {
    let mut functions: HashMap<String, FunctionFacts> =
        facts.builtin.rows.iter().map(|row| (row.name.clone(), function(row))).collect();
    // Those of extensions are nobody's code either.
    for row in facts.functions.iter().filter(|row| row.builtin) {
        functions.insert(row.name.clone(), function(row));
    }
    let plain = plain::of(facts, &functions, kinds);
    // Of schema `pgherd`: it counts as PostgreSQL's own unless somebody else's has its name.
    let unique_id = FunctionFacts {
        volatility: Volatility::Volatile,
        builtin: true,
        reads_copies: false,
        aggregate: false,
        window: false,
        returns_set: false,
    };
    functions.insert("unique_id".to_owned(), unique_id);
    for row in &facts.functions {
        let own = match plain.get(row.name.as_str()) {
            Some(dependence) => computing(row, *dependence),
            None => function(row),
        };
        functions.entry(row.name.clone()).and_modify(|all| *all = worst(all, &own)).or_insert(own);
    }
    functions
}

/// True where a function's value depends on its arguments only, and it does nothing else.
fn only_computes(facts: &FunctionFacts) -> bool {
    facts.builtin && !facts.reads_copies && facts.volatility == Volatility::Immutable
}

/// A function that only computes is as volatile as what it depends on, whatever it is declared as.
fn computing(row: &FunctionRow, dependence: Dependence) -> FunctionFacts {
    let (volatility, reads_copies) = match dependence {
        Dependence::Arguments => (Volatility::Immutable, false),
        Dependence::Copies => (Volatility::Stable, true),
    };
    FunctionFacts { volatility, reads_copies, builtin: true, ..function(row) }
}

fn worst(one: &FunctionFacts, other: &FunctionFacts) -> FunctionFacts {
    FunctionFacts {
        volatility: one.volatility.max(other.volatility),
        builtin: one.builtin && other.builtin,
        reads_copies: one.reads_copies || other.reads_copies,
        aggregate: one.aggregate || other.aggregate,
        window: one.window || other.window,
        returns_set: one.returns_set || other.returns_set,
    }
}

fn function(row: &FunctionRow) -> FunctionFacts {
    let volatility = match row.volatility.as_str() {
        "i" => Volatility::Immutable,
        "s" => Volatility::Stable,
        _ => Volatility::Volatile,
    };
    FunctionFacts {
        volatility,
        builtin: row.builtin,
        reads_copies: false,
        aggregate: row.aggregate,
        window: row.window,
        returns_set: row.returns_set,
    }
}
