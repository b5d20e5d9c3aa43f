//! The replication stream of a move, and the configuration.

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
