//! The configuration: one TOML file, read once at start and again on SIGHUP.
