//! Where servers hold different things. Names and definitions are compared, never OIDs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use super::facts::{CollationFacts, ColumnFacts, Facts, KeyFacts};

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

/// Relations in words, by schema and name.
type Described = BTreeMap<(String, String), String>;

/// All differences between the first reading and the others. A server with no user relations at
/// all is new and differs from nobody.
pub fn differences(readings: &[(&str, &Facts)]) -> Vec<Difference> {
    if readings.len() < 2 {
        return Vec::new();
    }
    let described: Vec<(&str, Described)> =
        readings.iter().map(|(server, facts)| (*server, describe(facts))).collect();
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
fn describe(facts: &Facts) -> Described {
    let mut described = BTreeMap::new();
    let (mut columns, mut keys) =
        (HashMap::<u32, Vec<&ColumnFacts>>::new(), HashMap::<u32, Vec<&KeyFacts>>::new());
    facts.columns.iter().for_each(|column| columns.entry(column.relation).or_default().push(column));
    facts.keys.iter().for_each(|key| keys.entry(key.relation).or_default().push(key));
    for relation in &facts.relations {
        let mut text = format!("relkind {}\n", relation.kind);
        let columns = columns.remove(&relation.oid).unwrap_or_default();
        for column in &columns {
            describe_column(&mut text, column);
        }
        for key in keys.remove(&relation.oid).unwrap_or_default() {
            let name = |number: &i16| {
                columns
                    .iter()
                    .find(|column| column.number == *number)
                    .map_or("(expression)", |column| &column.name)
            };
            let names: Vec<&str> = key.columns.iter().map(name).collect();
            let _ = writeln!(text, "key {} ({})", key.name, names.join(", "));
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
