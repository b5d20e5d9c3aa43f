//! Users' functions that only compute: their code names no table of tenants' rows, nor any function that may, so
//! they give the same wherever they run.

use std::collections::{HashMap, HashSet};

use router::catalog::{FunctionFacts, RelationKind};
use router::sql::{Dependence, Meaning, dependence};

use super::facts::Facts;
use super::sharding::Kinds;

/// The plain functions by name, each with what its value depends on. `builtin` are PostgreSQL's own
/// functions and those of extensions.
pub(super) fn of<'a>(
    facts: &'a Facts,
    builtin: &HashMap<String, FunctionFacts>,
    kinds: &Kinds,
) -> HashMap<&'a str, Dependence> {
    let tables = tables(facts, kinds);
    let sources: HashMap<&str, &str> = facts
        .functions
        .iter()
        .filter(|row| row.readable && !row.aggregate && !row.window)
        .filter_map(|row| Some((row.name.as_str(), row.source.as_deref()?)))
        .filter(|(_, source)| !facts.operators.iter().any(|operator| source.contains(operator.as_str())))
        .collect();
    let others: HashSet<&str> =
        facts.functions.iter().filter(|row| !row.builtin).map(|row| row.name.as_str()).collect();
    // All that can be read are taken for plain at first, until none is left that names one which is not.
    let mut plain: HashMap<&str, Dependence> =
        sources.keys().map(|name| (*name, Dependence::Arguments)).collect();
    loop {
        let judged: HashMap<&str, Dependence> = plain
            .keys()
            .filter_map(|name| {
                let meaning = |word: &str| match (tables.get(word), plain.get(word)) {
                    (Some(false), _) => Meaning::Suspect,
                    (_, Some(Dependence::Copies)) | (Some(true), _) => Meaning::Copied,
                    (None, Some(Dependence::Arguments)) => Meaning::Nothing,
                    (None, None) if others.contains(word) => Meaning::Suspect,
                    (None, None) => Meaning::Nothing,
                };
                Some((*name, dependence(sources.get(name)?, builtin, meaning)?))
            })
            .collect();
        if judged == plain {
            return plain;
        }
        plain = judged;
    }
}

/// The relations by name; true where every server has a copy of all that have it.
fn tables<'a>(facts: &'a Facts, kinds: &Kinds) -> HashMap<&'a str, bool> {
    let mut tables = HashMap::new();
    for row in &facts.relations {
        let copied =
            matches!(kinds.get(&row.oid), Some(RelationKind::Reference | RelationKind::ReferenceView));
        tables.entry(row.name.as_str()).and_modify(|all| *all &= copied).or_insert(copied);
    }
    tables
}
