//! Prepared statements are virtual: a client's name stands for a text and its parameter types, and a
//! connection learns the text when it first needs it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use router::catalog::{SearchPath, is_of_user};
use router::ids::quote_identifier;
use router::sql::Statement;
use xxhash_rust::xxh3::Xxh3;

use crate::execute::described::Described;
use crate::server::Connection;
use crate::wire::view::Kind;
use crate::wire::write;

/// What a client prepared.
#[derive(Debug)]
pub struct Prepared {
    /// The statement's text.
    pub text: Arc<str>,
    /// How its parameters' types were declared.
    pub types: Types,
    /// What the client was told of its rows.
    pub described: Arc<Described>,
    known: Mutex<Option<Known>>,
    inferred: OnceLock<Inferred>,
}

/// The types of the parameters of SQL's PREPARE, as a server has them.
#[derive(Debug, Clone, Default)]
pub struct Inferred {
    /// Their names, separated by commas.
    pub names: String,
    /// Their OIDs.
    pub oids: Vec<u32>,
}

/// What a text says under one reading of the catalog and one search path.
#[derive(Debug)]
pub struct Known {
    version: u64,
    path: SearchPath,
    /// The statement.
    pub statement: Option<Arc<Statement>>,
    /// As [`Prepared::fingerprint`] has it.
    pub fingerprint: u128,
}

/// How parameter types were declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Types {
    /// By Parse, as OIDs; 0 is inferred by the server.
    Oids(Vec<u32>),
    /// By SQL's PREPARE, as the text between the parentheses; empty is none.
    Names(String),
}

impl Prepared {
    /// A text and its parameters' types.
    pub fn new(text: Arc<str>, types: Types) -> Prepared {
        Prepared {
            text,
            types,
            described: Arc::default(),
            known: Mutex::default(),
            inferred: OnceLock::new(),
        }
    }

    /// Notes what a server has inferred.
    pub fn infer(&self, inferred: Inferred) {
        let _known_already = self.inferred.set(inferred);
    }

    /// What a server has inferred.
    pub fn inferred(&self) -> Option<&Inferred> {
        self.inferred.get()
    }

    /// What was noted last, if it was noted under this catalog and search path.
    pub fn known<T>(&self, version: u64, path: &SearchPath, what: impl FnOnce(&Known) -> T) -> Option<T> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &&Known| {
            known.version == version && (Arc::ptr_eq(&known.path.0, &path.0) || known.path == *path)
        };
        known.as_ref().filter(same).map(what)
    }

    /// Notes what the text says; answers the statement as it is noted, which only this client holds.
    pub fn note(&self, version: u64, path: SearchPath, statement: &Arc<Statement>) -> Arc<Statement> {
        let statement = statement.apart();
        let fingerprint = self.fingerprint(version, &path.0);
        let known = Known { version, path, statement: Some(Arc::clone(&statement)), fingerprint };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        statement
    }

    /// The type of parameter `index`, counted from 0; 0 where the server infers it. Users' types have other
    /// OIDs on other servers.
    pub fn type_oid(&self, index: usize) -> u32 {
        match &self.types {
            Types::Oids(oids) => oids.get(index).copied().unwrap_or(0),
            Types::Names(_) => {
                let known = self.inferred.get().and_then(|inferred| inferred.oids.get(index).copied());
                known.filter(|oid| !is_of_user(*oid)).unwrap_or(0)
            }
        }
    }

    /// How many parameters were declared.
    pub fn declared(&self) -> usize {
        match &self.types {
            Types::Oids(oids) => oids.len(),
            Types::Names(names) => count_of(names),
        }
    }

    /// What the statement is known by on connections: its text, its types, and the reading of the
    /// catalog it was planned with, so that after DDL nobody meets a plan of the time before.
    pub fn fingerprint(&self, catalog_version: u64, search_path: &[String]) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(self.text.as_bytes());
        match &self.types {
            Types::Oids(oids) => oids.iter().for_each(|oid| hash.update(&oid.to_be_bytes())),
            Types::Names(names) => {
                hash.update(b"\0sql\0");
                hash.update(names.as_bytes());
            }
        }
        hash.update(&catalog_version.to_be_bytes());
        for schema in search_path {
            hash.update(b"\0");
            hash.update(schema.as_bytes());
        }
        hash.digest128()
    }

    /// Makes sure that the connection has the statement, under a name of its own. What is written to
    /// the connection for it is owed an answer, as [`Readied`] says.
    pub fn ready_on(&self, connection: &mut Connection, fingerprint: u128) -> Readied {
        if let Some(name) = connection.statements.get(fingerprint) {
            return Readied { name, parsed: false, closed: 0 };
        }
        let name = connection.statements.insert(fingerprint);
        let evicted = connection.statements.take_evicted();
        for evicted in &evicted {
            write::close(connection.out(), Kind::Statement, evicted.as_bytes());
        }
        match &self.types {
            Types::Oids(oids) => connection.queue_parse(&name, &self.text, oids),
            Types::Names(names) => {
                let types = if names.is_empty() { String::new() } else { format!(" ({names})") };
                let text = format!("PREPARE {}{types} AS {}", quote_identifier(&name), self.text);
                connection.queue_parse("", &text, &[]);
                write::bind(connection.out(), b"", b"", &[], [], &[]);
                write::execute(connection.out(), b"", 0);
            }
        }
        Readied { name, parsed: true, closed: evicted.len() }
    }
}

/// What was done to have a statement on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readied {
    /// Its name there.
    pub name: Arc<str>,
    /// It had to be prepared: ParseComplete is owed; for SQL's PREPARE also BindComplete and CommandComplete.
    pub parsed: bool,
    /// This many others had to make room before: so many CloseCompletes are owed first.
    pub closed: usize,
}

/// How many types a list of them names: the commas outside of parentheses and quotes, and one.
fn count_of(names: &str) -> usize {
    if names.trim().is_empty() {
        return 0;
    }
    let (mut depth, mut quoted, mut count) = (0_usize, false, 1);
    for character in names.chars() {
        match character {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_are_counted_as_postgresql_reads_them() {
        for (names, count) in [("", 0), ("int", 1), ("numeric(10, 2), text", 2), ("\"a,b\", int[]", 2)] {
            let prepared = Prepared::new("select 1".into(), Types::Names(names.to_owned()));
            assert_eq!(prepared.declared(), count, "{names}");
        }
    }
}
