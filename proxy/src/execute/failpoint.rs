//! Places where a test can make the daemon die: `PGHERD_FAIL_AT=name` aborts the process there. Only
//! in builds with debug assertions.

/// Dies here if a test asked for it.
#[cfg(debug_assertions)]
pub(super) fn failpoint(name: &str) {
    if std::env::var("PGHERD_FAIL_AT").is_ok_and(|wanted| wanted == name) {
        tracing::error!(name, "dying at a fail point");
        std::process::abort();
    }
}

/// Nothing, in a build for use.
#[cfg(not(debug_assertions))]
pub(super) fn failpoint(_: &str) {}
