//! Which tables are sharded, and why a table that has the tenant column can not be.
//!
//! The rules are those of ARCHITECTURE: a server can keep a promise only about its own rows, so
//! every unique key, exclusion and foreign key between sharded tables must stay within one tenant.

use std::collections::HashMap;

use router::catalog::{Collation, Column, RelationKind};
use router::ids::KeyType;

use super::facts::{Facts, ForeignKeyFacts, KeyFacts, RelationFacts};

/// A table and what it is to the planner.
pub(super) type Kinds = HashMap<u32, RelationKind>;

/// Classifies all tables; `columns` are in the order of the table, with their `attnum`.
pub(super) fn classify(
    facts: &Facts,
    columns: &HashMap<u32, Vec<(i16, Column)>>,
    tenant_column: &str,
) -> (Kinds, Option<KeyType>) {
    let empty = Vec::new();
    let columns_of = |oid: u32| columns.get(&oid).unwrap_or(&empty);
    let mut kinds: Kinds = facts
        .relations
        .iter()
        .filter(|relation| matches!(relation.kind.as_str(), "r" | "p" | "f" | "m"))
        .map(|relation| (relation.oid, alone(relation, columns_of(relation.oid), tenant_column)))
        .collect();
    let key_type = common_type(&kinds);
    one_type(&mut kinds, key_type);
    for key in &facts.keys {
        if let Some(reason) = against_key(key, &kinds, columns_of(key.relation)) {
            kinds.insert(key.relation, RelationKind::Unsafe { reason });
        }
    }
    for foreign_key in &facts.foreign_keys {
        let source = columns_of(foreign_key.relation);
        if let Some(reason) = against_foreign_key(foreign_key, &kinds, source, columns_of(foreign_key.target))
        {
            kinds.insert(foreign_key.relation, RelationKind::Unsafe { reason });
        }
    }
    with_children(facts, &mut kinds);
    (kinds, key_type)
}

/// What a table is by its own columns.
fn alone(relation: &RelationFacts, columns: &[(i16, Column)], tenant_column: &str) -> RelationKind {
    let unsafe_for = |reason: &str| RelationKind::Unsafe { reason: reason.to_owned() };
    if relation.kind == "f" {
        return unsafe_for("it is a foreign table");
    }
    let Some(index) = columns.iter().position(|(_, column)| column.name == tenant_column) else {
        return match relation.unlogged {
            true => unsafe_for("it is unlogged, so replicas do not have it"),
            false => RelationKind::Reference,
        };
    };
    if relation.kind == "m" {
        return unsafe_for("it is a materialized view with the tenant column");
    }
    if relation.unlogged {
        return unsafe_for("it is unlogged, so neither replicas nor moves can have it");
    }
    let Some((_, column)) = columns.get(index) else { return unsafe_for("it has no columns") };
    let Some(key_type) = KeyType::of_type_oid(column.type_oid) else {
        return unsafe_for("the tenant column is not an integer, a uuid, text or varchar");
    };
    if column.collation == Collation::Nondeterministic {
        return unsafe_for("the tenant column has a nondeterministic collation");
    }
    if !column.not_null {
        return unsafe_for("the tenant column is not declared NOT NULL");
    }
    if column.generated {
        return unsafe_for("the tenant column is generated");
    }
    RelationKind::Sharded { tenant_column: index, key_type }
}

/// The type that most sharded tables have.
fn common_type(kinds: &Kinds) -> Option<KeyType> {
    let count = |wanted: KeyType| kinds.values().filter(|kind| type_of(kind) == Some(wanted)).count();
    let types = [KeyType::Integer, KeyType::Uuid, KeyType::Text];
    types.into_iter().filter(|key_type| count(*key_type) > 0).max_by_key(|key_type| count(*key_type))
}

fn one_type(kinds: &mut Kinds, common: Option<KeyType>) {
    for kind in kinds.values_mut() {
        if type_of(kind).is_some_and(|own| Some(own) != common) {
            let reason = "its tenant column has another type than that of the other tables".to_owned();
            *kind = RelationKind::Unsafe { reason };
        }
    }
}

fn type_of(kind: &RelationKind) -> Option<KeyType> {
    match kind {
        RelationKind::Sharded { key_type, .. } => Some(*key_type),
        RelationKind::Reference
        | RelationKind::ReferenceView
        | RelationKind::ShardedView { .. }
        | RelationKind::Sequence
        | RelationKind::Unsafe { .. } => None,
    }
}

/// The `attnum` of the tenant column of a sharded table.
fn tenant_number(kind: Option<&RelationKind>, columns: &[(i16, Column)]) -> Option<i16> {
    match kind? {
        RelationKind::Sharded { tenant_column, .. } => columns.get(*tenant_column).map(|(number, _)| *number),
        RelationKind::Reference
        | RelationKind::ReferenceView
        | RelationKind::ShardedView { .. }
        | RelationKind::Sequence
        | RelationKind::Unsafe { .. } => None,
    }
}

fn against_key(key: &KeyFacts, kinds: &Kinds, columns: &[(i16, Column)]) -> Option<String> {
    let tenant = tenant_number(kinds.get(&key.relation), columns)?;
    let place = key.columns.iter().position(|number| *number == tenant);
    let by_equality = |place: usize| match &key.exclusion {
        Some(operators) => operators.get(place).is_some_and(|operator| operator == "="),
        None => true,
    };
    if place.is_some_and(by_equality) {
        return None;
    }
    Some(format!("its key \"{}\" does not include the tenant column", key.name))
}

fn against_foreign_key(
    foreign_key: &ForeignKeyFacts,
    kinds: &Kinds,
    source: &[(i16, Column)],
    target: &[(i16, Column)],
) -> Option<String> {
    let referenced = tenant_number(kinds.get(&foreign_key.target), target)?;
    let name = &foreign_key.name;
    let Some(own) = tenant_number(kinds.get(&foreign_key.relation), source) else {
        return Some(format!("its foreign key \"{name}\" refers to a sharded table"));
    };
    let mut pairs = foreign_key.columns.iter().zip(&foreign_key.target_columns);
    if pairs.any(|pair| pair == (&own, &referenced)) {
        return None;
    }
    Some(format!("its foreign key \"{name}\" does not tie the tenant columns together"))
}

/// Reading a parent reads its children: what is unsafe below is unsafe above, and a parent and its
/// children must be of one kind. Repeated until nothing changes, for trees are shallow.
fn with_children(facts: &Facts, kinds: &mut Kinds) {
    let mut changed = true;
    while changed {
        changed = false;
        for link in &facts.parents {
            let (Some(child), Some(parent)) = (kinds.get(&link.child), kinds.get(&link.parent)) else {
                continue;
            };
            if matches!(parent, RelationKind::Unsafe { .. }) {
                continue;
            }
            if std::mem::discriminant(child) != std::mem::discriminant(parent) {
                let reason = "a partition or inheriting table of it is unsafe or of another kind".to_owned();
                kinds.insert(link.parent, RelationKind::Unsafe { reason });
                changed = true;
            }
        }
    }
}
