//! Places where a test can make the daemon die: `PGHERD_FAIL_AT=name` aborts the process there; or tarry:
//! `PGHERD_SLOW_AT=name`. Only in builds with debug assertions.

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

/// Tarries here for half a second if a test asked for it.
#[cfg(debug_assertions)]
pub(super) async fn slowpoint(name: &str) {
    if std::env::var("PGHERD_SLOW_AT").is_ok_and(|wanted| wanted == name) {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

/// Nothing, in a build for use.
#[cfg(not(debug_assertions))]
pub(super) async fn slowpoint(_: &str) {}
