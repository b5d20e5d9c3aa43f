//! Where servers hold different things. Names and definitions are compared, never OIDs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use super::facts::{CollationFacts, ColumnFacts, Facts, KeyFacts, RelationFacts};

/// A relation that two servers hold differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// How: names the servers.
    pub what: String,
}

/// How the servers differ, as far as the planner must know.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    /// The relations that cannot be used.
    pub unlike: Vec<Difference>,
    /// Unique keys that not all servers have, by schema, relation and name: nothing may count on them. An index
    /// that is being made on one server after the other is one for a while.
    pub partial: BTreeSet<(String, String, String)>,
    /// Relations, by schema and name, whose triggers and rules are not the same on all servers.
    pub acting: BTreeSet<(String, String)>,
}

/// Relations in words, by schema and name.
type Described = BTreeMap<(String, String), String>;

/// All differences between the first reading and the others. A server with no user relations at
/// all is new and differs from nobody.
pub(super) fn differences(readings: &[(&str, &Facts)]) -> Vec<Difference> {
    compared(readings, |_| true)
}

/// What of that keeps the planner from using a relation, or from counting on a key. Where a unique key is within
/// a tenant, or of a table that every server has a copy of, a server that lacks it gives no wrong answer.
pub(super) fn drift(readings: &[(&str, &Facts)], tenant_column: &str) -> Drift {
    let unlike = compared(readings, |key| !key.is_local(tenant_column));
    let keys: Vec<BTreeSet<_>> = readings
        .iter()
        .filter(|(_, facts)| !facts.relations.is_empty())
        .map(|(_, facts)| held(facts).iter().filter_map(Held::named).collect())
        .collect();
    let everywhere = |key: &(String, String, String, String)| keys.iter().all(|server| server.contains(key));
    let partial = keys.iter().flatten().filter(|key| !everywhere(key)).cloned();
    let partial = partial.map(|(schema, relation, name, _)| (schema, relation, name)).collect();
    Drift { unlike, partial, acting: acting(readings) }
}

/// The relations whose triggers and rules are not the same on all servers.
fn acting(readings: &[(&str, &Facts)]) -> BTreeSet<(String, String)> {
    let told = |facts: &Facts| -> BTreeMap<(String, String), (bool, Vec<String>)> {
        let acting = facts.relations.iter().filter(|row| row.has_triggers);
        let name = |row: &RelationFacts| (row.schema.clone(), row.name.clone());
        acting.map(|row| (name(row), (row.has_rules, row.trigger_functions.clone()))).collect()
    };
    let told: Vec<_> = readings
        .iter()
        .filter(|(_, facts)| !facts.relations.is_empty())
        .map(|(_, facts)| told(facts))
        .collect();
    let differs =
        |name: &&(String, String)| told.iter().any(|server| server.get(*name) != told[0].get(*name));
    told.iter().flat_map(BTreeMap::keys).filter(differs).cloned().collect()
}

/// A unique key or an exclusion constraint with the names of what it is about.
struct Held<'a> {
    relation: &'a RelationFacts,
    key: &'a KeyFacts,
    columns: Vec<&'a str>,
    of_tenant: Vec<&'a str>,
}

impl Held<'_> {
    /// True where it holds within each server, or on every copy.
    fn is_local(&self, tenant_column: &str) -> bool {
        let has_tenant = self.of_tenant.contains(&tenant_column);
        self.key.exclusion.is_none() && (!has_tenant || self.columns.contains(&tenant_column))
    }

    /// Its schema, relation, name and definition, where it is one to count on.
    fn named(&self) -> Option<(String, String, String, String)> {
        let (relation, key) = (self.relation, self.key);
        let definition = self.columns.join(", ");
        key.plain.then(|| (relation.schema.clone(), relation.name.clone(), key.name.clone(), definition))
    }
}

fn held(facts: &Facts) -> Vec<Held<'_>> {
    let mut columns: HashMap<u32, Vec<&ColumnFacts>> = HashMap::new();
    facts.columns.iter().for_each(|column| columns.entry(column.relation).or_default().push(column));
    let relations: HashMap<u32, &RelationFacts> =
        facts.relations.iter().map(|relation| (relation.oid, relation)).collect();
    let of = |key| held_key(key, &relations, &columns);
    facts.keys.iter().filter_map(of).collect()
}

fn held_key<'a>(
    key: &'a KeyFacts,
    relations: &HashMap<u32, &'a RelationFacts>,
    columns: &HashMap<u32, Vec<&'a ColumnFacts>>,
) -> Option<Held<'a>> {
    let own = columns.get(&key.relation).map(Vec::as_slice).unwrap_or_default();
    let name = |number: &i16| {
        own.iter()
            .find(|column| column.number == *number)
            .map_or("(expression)", |column| column.name.as_str())
    };
    Some(Held {
        relation: relations.get(&key.relation)?,
        key,
        columns: key.columns.iter().map(name).collect(),
        of_tenant: own.iter().map(|column| column.name.as_str()).collect(),
    })
}

/// The differences with those keys that count.
fn compared(readings: &[(&str, &Facts)], counts: impl Fn(&Held<'_>) -> bool) -> Vec<Difference> {
    if readings.len() < 2 {
        return Vec::new();
    }
    let described: Vec<(&str, Described)> =
        readings.iter().map(|(server, facts)| (*server, describe(facts, &counts))).collect();
    let mut held = described.iter().filter(|(_, relations)| !relations.is_empty());
    let Some((first, expected)) = held.next() else { return Vec::new() };
    let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
    for (server, relations) in held {
        let names: BTreeSet<_> = expected.keys().chain(relations.keys()).collect();
        for name in names {
            let what = match (expected.get(name), relations.get(name)) {
                (Some(one), Some(other)) if one == other => continue,
                (Some(one), Some(other)) => part(first, one, server, other),
                (Some(_), None) => format!("{first} has it, {server} has not"),
                (None, _) => format!("{server} has it, {first} has not"),
            };
            found.entry(name.clone()).or_insert(what);
        }
    }
    found.into_iter().map(|((schema, name), what)| Difference { schema, name, what }).collect()
}

/// The first line in which two descriptions differ.
fn part(first: &str, one: &str, server: &str, other: &str) -> String {
    let said = |line: Option<&str>| line.unwrap_or("nothing more").to_owned();
    let (mut ones, mut others) = (one.lines(), other.lines());
    loop {
        let (left, right) = (ones.next(), others.next());
        if left != right || left.is_none() {
            return format!("{first} has {}, {server} has {}", said(left), said(right));
        }
    }
}

/// Each relation in words, one line a part.
fn describe(facts: &Facts, counts: impl Fn(&Held<'_>) -> bool) -> Described {
    let mut described = BTreeMap::new();
    let (mut columns, mut keys) =
        (HashMap::<u32, Vec<&ColumnFacts>>::new(), HashMap::<u32, Vec<Held<'_>>>::new());
    facts.columns.iter().for_each(|column| columns.entry(column.relation).or_default().push(column));
    for key in held(facts).into_iter().filter(counts) {
        keys.entry(key.relation.oid).or_default().push(key);
    }
    for relation in &facts.relations {
        let mut text = format!("relkind {}\n", relation.kind);
        let columns = columns.remove(&relation.oid).unwrap_or_default();
        for column in &columns {
            describe_column(&mut text, column);
        }
        for key in keys.remove(&relation.oid).unwrap_or_default() {
            let _ = writeln!(text, "key {} ({})", key.key.name, key.columns.join(", "));
        }
        if let Some(definition) = &relation.definition {
            text.push_str(definition);
        }
        described.insert((relation.schema.clone(), relation.name.clone()), text);
    }
    described
}

fn describe_column(text: &mut String, column: &ColumnFacts) {
    let ColumnFacts { name, type_name, .. } = column;
    let _ = write!(text, "column {name} {type_name}");
    if let Some(collation) = &column.collation {
        let CollationFacts { name, provider, collate, locale, deterministic } = collation;
        let locale = collate.as_ref().or(locale.as_ref()).map_or("", String::as_str);
        let kind = if *deterministic { "" } else { ", not deterministic" };
        let _ = write!(text, " collate {name} ({provider} {locale}{kind})");
    }
    if column.not_null {
        text.push_str(" not null");
    }
    if let Some(default) = &column.default {
        let _ = write!(text, " default {default}");
    }
    let _ = writeln!(text, " {}{}", column.identity, column.generated);
}
