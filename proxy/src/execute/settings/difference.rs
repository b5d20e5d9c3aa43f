//! The statements that bring a connection to a session's settings, from whatever it has.

use std::collections::{BTreeMap, BTreeSet};

use router::ids::quote_identifier;

use super::setting::{Map, Setting, set_statement};
use crate::server::Applied;

/// The statement of a setting that a connection has from nobody knows whom; no setting is made by it.
pub(super) const UNKNOWN: &str = "";
/// The name under which a connection says that anything may have been set on it.
const EVERYTHING: &str = "*";

/// What is known of a connection on which code ran that may have changed anything of its session.
pub fn forget(applied: &Applied) -> Applied {
    let mut statements = applied.statements().clone();
    statements.insert(EVERYTHING.to_owned(), UNKNOWN.to_owned());
    Applied::new(statements)
}

/// What is known of a connection whose encoding was changed.
pub fn forget_encoding(applied: &Applied) -> Applied {
    let mut statements = applied.statements().clone();
    statements.insert("client_encoding".to_owned(), UNKNOWN.to_owned());
    Applied::new(statements)
}

/// The statements that bring a connection from what was applied to it to what the session has.
pub fn difference(applied: &BTreeMap<String, String>, wanted: &Map) -> Vec<String> {
    if applied.contains_key(EVERYTHING) {
        let anew = wanted.iter().map(|(name, setting)| (name.as_str(), setting.statement.clone()));
        return AS_NEW
            .iter()
            .map(|statement| (*statement).to_owned())
            .chain(ordered(anew.collect()))
            .collect();
    }
    let gone = applied.keys().filter(|name| !wanted.contains_key(*name));
    let new = wanted.iter().filter(|(name, setting)| applied.get(*name) != Some(&setting.statement));
    let mut steps: Vec<(&str, String)> = gone
        .map(|name| (name.as_str(), reset_statement(name)))
        .chain(new.map(|(name, setting)| (name.as_str(), setting.statement.clone())))
        .collect();
    // What another role set may be the login role's only to change: so that comes back first.
    if !steps.is_empty() {
        for name in IDENTITY.into_iter().filter(|name| applied.contains_key(*name)) {
            steps.retain(|(other, _)| *other != name);
            steps.push((name, reset_statement(name)));
            steps.extend(wanted.get(name).map(|setting| (name, setting.statement.clone())));
        }
    }
    ordered(steps)
}

/// Who a session is, in the order in which that is set: a session's user has no role at first.
const IDENTITY: [&str; 2] = ["session_authorization", "role"];

/// The statements in an order in which they may be run: the login role comes back first, and another is
/// taken on last.
fn ordered(mut steps: Vec<(&str, String)>) -> Vec<String> {
    steps.sort_by_key(|(name, statement)| {
        match (IDENTITY.iter().position(|identity| identity == name), statement.starts_with("RESET ")) {
            (Some(_), true) => 0,
            (None, _) => 1,
            (Some(place), false) => 2 + place,
        }
    });
    steps.into_iter().map(|(_, statement)| statement).collect()
}

/// DISCARD ALL but for the prepared statements, in parts that may stand beside others in one message.
const AS_NEW: [&str; 7] = [
    "CLOSE ALL",
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET ALL",
    "UNLISTEN *",
    "SELECT pg_catalog.pg_advisory_unlock_all()",
    "DISCARD TEMP",
    "DISCARD SEQUENCES",
];

/// The statements from one state of a transaction's settings to a later one.
pub(super) fn steps((session, local): (&Map, &Map), (then, then_local): (&Map, &Map)) -> Vec<String> {
    let names: BTreeSet<&String> = session.keys().chain(local.keys()).chain(then.keys()).collect();
    let again = |name: &&String| session.get(*name) != then.get(*name) || lifted(local, then_local, name);
    let lasting = |name: &String| match then.get(name) {
        Some(setting) => setting.statement.clone(),
        None => reset_statement(name),
    };
    let anew: BTreeSet<&String> = names.into_iter().filter(again).collect();
    let passing = then_local
        .iter()
        .filter(|(name, setting)| local.get(*name) != Some(setting) || anew.contains(name))
        .map(|(name, setting)| local_statement(name, setting));
    let lasting = anew.iter().map(|name| (name.as_str(), lasting(name))).collect();
    ordered(lasting).into_iter().chain(passing).collect()
}

/// True where a SET LOCAL was overridden by a SET or a RESET.
fn lifted(local: &Map, then_local: &Map, name: &str) -> bool {
    local.contains_key(name) && !then_local.contains_key(name)
}

fn local_statement(name: &str, setting: &Setting) -> String {
    match (&setting.value, setting.statement.strip_prefix("SET ")) {
        (Some(value), _) => set_statement("SET LOCAL", name, value),
        (None, Some(rest)) if !rest.starts_with("LOCAL ") => format!("SET LOCAL {rest}"),
        (None, _) => setting.statement.clone(),
    }
}

fn reset_statement(name: &str) -> String {
    match name {
        "session_authorization" => "RESET SESSION AUTHORIZATION".to_owned(),
        _ => {
            let name: Vec<String> = name.split('.').map(quote_identifier).collect();
            format!("RESET {}", name.join("."))
        }
    }
}
