//! `pg_ident.conf`: which roles somebody may be whom others call by another name.

use regex_lite::Regex;

use super::words::{LineFault, lines};

/// All maps.
#[derive(Clone, Debug, Default)]
pub struct IdentMaps {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    map: String,
    outside: Outside,
    role: String,
}

/// What somebody is called outside.
#[derive(Clone, Debug)]
enum Outside {
    Name(String),
    /// `/expression`; `\1` in the role is its first group.
    Like(Regex),
}

impl PartialEq for IdentMaps {
    fn eq(&self, other: &IdentMaps) -> bool {
        let key = |entry: &Entry| {
            let outside = match &entry.outside {
                Outside::Name(name) => (false, name.clone()),
                Outside::Like(like) => (true, like.as_str().to_owned()),
            };
            (entry.map.clone(), outside, entry.role.clone())
        };
        self.entries.iter().map(key).eq(other.entries.iter().map(key))
    }
}

impl IdentMaps {
    /// Reads `pg_ident.conf`.
    ///
    /// # Errors
    /// The first [`LineFault`].
    pub fn parse(text: &str) -> Result<IdentMaps, LineFault> {
        let mut entries = Vec::new();
        for line in lines(text)? {
            let fault = |what: String| LineFault { line: line.number, what };
            let [map, outside, role] = &line.fields[..] else {
                return Err(fault("a line is a map, a name outside and a role".into()));
            };
            let ([map], [outside], [role]) = (&map[..], &outside[..], &role[..]) else {
                return Err(fault("there must be one value here, not a list".into()));
            };
            let outside = match outside.text.strip_prefix('/').filter(|_| !outside.quoted) {
                Some(like) => Outside::Like(Regex::new(like).map_err(|error| fault(error.to_string()))?),
                None => Outside::Name(outside.text.clone()),
            };
            if !role.quoted && (role.text.starts_with(['+', '/']) || role.text == "all") {
                return Err(fault(format!("{} is not supported: write the role", role.text)));
            }
            entries.push(Entry { map: map.text.clone(), outside, role: role.text.clone() });
        }
        Ok(IdentMaps { entries })
    }

    /// True where there is a map of this name.
    pub fn has(&self, map: &str) -> bool {
        self.entries.iter().any(|entry| entry.map == map)
    }

    /// True where who is called `name` outside may be the role: by the map, or without one by the
    /// same name.
    pub fn allow(&self, map: Option<&str>, name: &str, role: &str) -> bool {
        let Some(map) = map else { return name == role };
        self.entries.iter().filter(|entry| entry.map == map).any(|entry| match &entry.outside {
            Outside::Name(outside) => outside == name && entry.role == role,
            Outside::Like(like) => like.captures(name).is_some_and(|found| {
                let group = found.get(1).map_or("", |group| group.as_str());
                entry.role.replacen("\\1", group, 1) == role
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_outside_goes_by_its_map() {
        let maps =
            IdentMaps::parse("ops  anna  postgres\nops /^(.*)@example\\.com$ \\1 # mail\nother bob bob")
                .expect("sound");
        assert!(maps.allow(None, "app", "app") && !maps.allow(None, "anna", "postgres"));
        assert!(maps.allow(Some("ops"), "anna", "postgres") && !maps.allow(Some("ops"), "anna", "anna"));
        assert!(maps.allow(Some("ops"), "app@example.com", "app"));
        assert!(!maps.allow(Some("ops"), "app@example.org", "app"));
        assert!(!maps.allow(Some("ops"), "bob", "bob") && maps.has("ops") && !maps.has("none"));
        assert!(IdentMaps::parse("a b").is_err() && IdentMaps::parse("a /( b").is_err());
    }
}
