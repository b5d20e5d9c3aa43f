//! The session settings that were applied on a connection: one value that sessions and connections
//! share, so that to compare two that are the same costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

/// Names of settings and the statements that made them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Applied(Arc<Statements>);

#[derive(Debug)]
struct Statements {
    by_name: BTreeMap<String, String>,
    fingerprint: u64,
}

impl Default for Statements {
    fn default() -> Statements {
        let by_name = BTreeMap::new();
        Statements { fingerprint: fingerprint(&by_name), by_name }
    }
}

impl Applied {
    /// These settings, each with the statement that makes it.
    pub fn new(by_name: BTreeMap<String, String>) -> Applied {
        Applied(Arc::new(Statements { fingerprint: fingerprint(&by_name), by_name }))
    }

    /// The statements by the settings' names.
    pub fn statements(&self) -> &BTreeMap<String, String> {
        &self.0.by_name
    }

    /// Names the settings, to find a connection that probably has them; who must know compares.
    pub fn fingerprint(&self) -> u64 {
        self.0.fingerprint
    }

    /// True where the two are one.
    pub fn is(&self, other: &Applied) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl PartialEq for Applied {
    fn eq(&self, other: &Applied) -> bool {
        self.is(other) || (self.0.fingerprint == other.0.fingerprint && self.0.by_name == other.0.by_name)
    }
}

impl Eq for Applied {}

fn fingerprint(settings: &BTreeMap<String, String>) -> u64 {
    let mut hasher = Xxh3::new();
    for (name, statement) in settings {
        for part in [name, statement] {
            hasher.update(&part.len().to_be_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.digest()
}
