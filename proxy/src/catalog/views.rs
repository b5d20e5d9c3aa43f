//! What a view reads in the end, through other views.

use std::collections::{HashMap, HashSet};

use router::catalog::RelationKind;

use super::facts::{Facts, RelationFacts};
use super::sharding::Kinds;

/// Classifies all views and materialized views, given the kinds of all tables.
pub(super) fn classify(facts: &Facts, kinds: &mut Kinds) {
    let known: HashMap<u32, &RelationFacts> =
        facts.relations.iter().map(|relation| (relation.oid, relation)).collect();
    let tables = kinds.clone();
    for relation in facts.relations.iter().filter(|relation| matches!(relation.kind.as_str(), "v" | "m")) {
        let reads = reads_of(relation.oid, facts, &known, &tables);
        let standing = kinds.remove(&relation.oid);
        kinds.insert(relation.oid, kind_of(relation, &reads, standing));
    }
}

/// What a view reaches.
#[derive(Default)]
struct Reads {
    sharded: bool,
    against: Option<String>,
}

fn reads_of(view: u32, facts: &Facts, known: &HashMap<u32, &RelationFacts>, tables: &Kinds) -> Reads {
    let mut reads = Reads::default();
    let (mut seen, mut ahead) = (HashSet::from([view]), vec![view]);
    while let Some(at) = ahead.pop() {
        for dependency in facts.dependencies.iter().filter(|dependency| dependency.view == at) {
            if let Some(function) = &dependency.function {
                reads.against.get_or_insert(format!("it calls {function}, which may read anything"));
            }
            let Some(oid) = dependency.relation else { continue };
            // What is no user relation is PostgreSQL's or an extension's.
            let Some(relation) = known.get(&oid) else { continue };
            if relation.kind == "v" && seen.insert(oid) {
                ahead.push(oid);
            }
            match tables.get(&oid) {
                Some(RelationKind::Sharded { .. }) => reads.sharded = true,
                Some(RelationKind::Unsafe { reason }) => {
                    reads.against.get_or_insert(format!("it reads \"{}\": {reason}", relation.name));
                }
                Some(
                    RelationKind::Reference
                    | RelationKind::ReferenceView
                    | RelationKind::ShardedView { .. }
                    | RelationKind::Sequence,
                )
                | None => {}
            }
        }
    }
    reads
}

fn kind_of(relation: &RelationFacts, reads: &Reads, standing: Option<RelationKind>) -> RelationKind {
    if let Some(reason) = &reads.against {
        return RelationKind::Unsafe { reason: reason.clone() };
    }
    match (relation.kind.as_str(), reads.sharded) {
        ("m", true) => RelationKind::Unsafe {
            reason: "it is a materialized view over sharded tables: each server holds its own part"
                .to_owned(),
        },
        ("m", false) => standing.unwrap_or(RelationKind::Reference),
        (_, true) => match &relation.definition {
            Some(definition) => RelationKind::ShardedView { definition: definition.clone() },
            None => RelationKind::Unsafe { reason: "another session is changing it".to_owned() },
        },
        (_, false) => RelationKind::ReferenceView,
    }
}
