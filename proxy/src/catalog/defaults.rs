//! What a database is by itself, before any table: encoding, collation, and the settings that its sessions
//! begin with, as far as answers depend on them. They must be the same on all servers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::facts::Facts;

/// Settings that answers depend on.
const ANSWERS: [&str; 24] = [
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "array_nulls",
    "backslash_quote",
    "bytea_output",
    "default_text_search_config",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "gin_fuzzy_search_limit",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "quote_all_identifiers",
    "row_security",
    "search_path",
    "session_replication_role",
    "standard_conforming_strings",
    "timezone_abbreviations",
    "transform_null_equals",
    "xmlbinary",
    "xmloption",
];

/// Those of them that statements are planned by, with PostgreSQL's own values.
const PLANNED: [(&str, &str); 6] = [
    ("search_path", "\"$user\", public"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("extra_float_digits", "1"),
    ("DateStyle", "ISO, MDY"),
    ("array_nulls", "on"),
];

/// A database, and what its sessions begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct DatabaseFacts {
    pub(super) encoding: String,
    pub(super) collate: String,
    pub(super) ctype: String,
    /// `c`, `i` or `b`; `None` before PostgreSQL 15, which has libc only.
    pub(super) provider: Option<String>,
    /// ICU's or the builtin provider's.
    pub(super) locale: Option<String>,
    /// `server_version_num`.
    pub(super) version: u32,
    /// Who asked, so whose settings `settings` has.
    pub(super) asker: String,
    /// The values of the settings that answers depend on.
    pub(super) settings: BTreeMap<String, String>,
    /// ALTER ROLE and ALTER DATABASE ... SET.
    pub(super) own: Vec<OwnSettings>,
}

/// A row of `pg_db_role_setting`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct OwnSettings {
    /// `None`: of all roles.
    pub(super) role: Option<String>,
    /// True where they are of this database alone.
    pub(super) here: bool,
    /// `name=value`.
    pub(super) settings: Vec<String>,
}

/// The part of the question that reads it.
pub(super) fn question() -> String {
    let names = ANSWERS.map(|name| format!("'{name}'")).join(", ");
    format!(
        "SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype, \
           to_jsonb(d) ->> 'datlocprovider' AS provider, \
           coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale, \
           current_setting('server_version_num')::int4 AS version, current_user AS asker, \
           (SELECT json_object_agg(name, coalesce(reset_val, '') ORDER BY name) FROM pg_settings \
             WHERE name IN ({names})) AS settings, \
           (SELECT coalesce(json_agg(json_build_object('role', r.rolname, 'here', s.setdatabase <> 0, \
               'settings', s.setconfig) ORDER BY r.rolname, s.setdatabase <> 0), '[]') \
             FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole \
             WHERE s.setdatabase IN (0, d.oid)) AS own \
         FROM pg_database d WHERE datname = current_database()"
    )
}

/// The settings that sessions of each role begin with.
#[derive(Clone, Debug, Default)]
pub struct Defaults(DatabaseFacts);

impl Defaults {
    pub(super) fn of(facts: &Facts) -> Defaults {
        Defaults(facts.database.clone())
    }

    /// What a session of this role begins with, where statements are planned by it and it is not
    /// PostgreSQL's own: name and value.
    pub fn of_role(&self, role: &str) -> Vec<(String, String)> {
        let found = |(name, usual): &(&str, &str)| {
            let value = self.0.value(name, role)?;
            (value != *usual).then(|| ((*name).to_owned(), value.to_owned()))
        };
        PLANNED.iter().filter_map(found).collect()
    }
}

impl DatabaseFacts {
    /// What a setting is at the start of a role's session, where that is known (PostgreSQL manual, ALTER ROLE:
    /// the role's in this database, the role's, the database's, the server's).
    fn value(&self, name: &str, role: &str) -> Option<&str> {
        let set = |of: Option<&str>, here: bool| {
            let mut own = self.own.iter().filter(move |own| own.role.as_deref() == of && own.here == here);
            own.find_map(|own| own.settings.iter().find_map(|line| value_in(line, name)))
        };
        let of = |role| set(role, true).or_else(|| set(role, false));
        let of_server = || match of(Some(&self.asker)) {
            // The server's own is hidden behind what the admin's role has.
            Some(_) => None,
            None => self.settings.get(name).map(String::as_str),
        };
        of(Some(role)).or_else(|| of(None)).or_else(of_server)
    }

    /// Each fact that must be the same on all servers, in words.
    fn lines(&self) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::from([
            ("encoding".to_owned(), self.encoding.clone()),
            ("collation".to_owned(), self.collate.clone()),
            ("character classification".to_owned(), self.ctype.clone()),
            ("collation provider".to_owned(), self.provider.clone().unwrap_or_else(|| "c".to_owned())),
            ("locale".to_owned(), self.locale.clone().unwrap_or_default()),
        ]);
        lines.extend(self.settings.clone());
        for own in &self.own {
            for line in &own.settings {
                if let Some(name) = ANSWERS.iter().find(|name| value_in(line, name).is_some()) {
                    let role = own.role.as_deref().unwrap_or("every role");
                    let whose =
                        if own.here { format!("{name} of {role} here") } else { format!("{name} of {role}") };
                    lines.insert(whose, value_in(line, name).unwrap_or_default().to_owned());
                }
            }
        }
        lines
    }
}

/// The value of a `name=value` of this name.
fn value_in<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (own, value) = line.split_once('=')?;
    own.eq_ignore_ascii_case(name).then_some(value)
}

/// Everything in which the servers' databases themselves differ, in words.
pub fn unequal(readings: &[(&str, &Facts)]) -> Vec<String> {
    let Some(((first, expected), others)) = readings.split_first() else { return Vec::new() };
    let expected = expected.database.lines();
    let mut found = Vec::new();
    for (server, facts) in others {
        let lines = facts.database.lines();
        let names: BTreeSet<&String> = expected.keys().chain(lines.keys()).collect();
        for name in names.into_iter().filter(|name| expected.get(*name) != lines.get(*name)) {
            let said = |lines: &BTreeMap<String, String>| {
                lines.get(name).map_or_else(|| "not set".to_owned(), |value| format!("\"{value}\""))
            };
            found.push(format!("{name} is {} on {first} and {} on {server}", said(&expected), said(&lines)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(role: Option<&str>, here: bool, line: &str) -> OwnSettings {
        OwnSettings { role: role.map(str::to_owned), here, settings: vec![line.to_owned()] }
    }

    #[test]
    fn a_session_begins_with_the_closest_setting() {
        let facts = DatabaseFacts {
            asker: "postgres".to_owned(),
            settings: BTreeMap::from([("search_path".to_owned(), "a".to_owned())]),
            own: vec![
                own(None, true, "search_path=b"),
                own(Some("app"), false, "search_path=c"),
                own(Some("web"), true, "search_path=d"),
            ],
            ..DatabaseFacts::default()
        };
        let path = |facts: &DatabaseFacts, role| facts.value("search_path", role).map(str::to_owned);
        assert_eq!(path(&facts, "web").as_deref(), Some("d"));
        assert_eq!(path(&facts, "app").as_deref(), Some("c"));
        assert_eq!(path(&facts, "other").as_deref(), Some("b"));
        let alone = DatabaseFacts { own: Vec::new(), ..facts.clone() };
        assert_eq!(path(&alone, "app").as_deref(), Some("a"));
        let hidden = DatabaseFacts { own: vec![own(Some("postgres"), false, "search_path=x")], ..facts };
        assert_eq!(path(&hidden, "app"), None, "the admin's is not the others'");
    }

    #[test]
    fn what_differs_between_servers_is_named() {
        let facts = |zone: &str| Facts {
            database: DatabaseFacts {
                settings: BTreeMap::from([("TimeZone".to_owned(), zone.to_owned())]),
                ..DatabaseFacts::default()
            },
            ..Facts::default()
        };
        let (utc, other) = (facts("UTC"), facts("Asia/Tokyo"));
        assert_eq!(unequal(&[("alpha", &utc), ("beta", &utc)]), Vec::<String>::new());
        let said = unequal(&[("alpha", &utc), ("beta", &other)]);
        assert_eq!(said, ["TimeZone is \"UTC\" on alpha and \"Asia/Tokyo\" on beta"]);
    }
}
