//! The replication stream of a move, the configuration, and the files that say who gets in.

use proxy::auth::hba::{Hba, IdentMaps};
use proxy::auth::{Secret, Verifier, userlist};

/// One message of `pgoutput`.
pub(super) fn pgoutput(bytes: &[u8]) {
    proxy::mover::hostile_change(bytes);
}

/// A configuration file.
pub(super) fn config(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = proxy::config::Config::parse(text, "pgherd.toml");
    }
}

/// Who gets in: rules, maps, and lists of secrets.
pub(super) fn access(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(rules) = Hba::parse(text) {
        let _ = (rules.asks_for_certificates(), rules.maps().count());
    }
    if let Ok(maps) = IdentMaps::parse(text) {
        let _ = maps.allow(Some("staff"), "ann@example.com", "ann");
    }
    let _ = (userlist(text), Secret::parse(text), Verifier::parse(text));
}
