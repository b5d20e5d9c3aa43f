//! Places where a test can make the daemon die or wait. The file that `PGHERD_FAULTS` names says
//! `die two_phase.commit.0` or `wait two_phase.commit.0`; who comes there takes the file away. To wait leaves
//! a file of the same name and `.met`, and lasts until that is gone. `PGHERD_SLOW_AT=name` tarries.
//!
//! Only in builds with debug assertions.

/// Dies or waits here if a test asked for it. The number tells the servers of a commit apart.
#[cfg(debug_assertions)]
pub(super) async fn failpoint(name: &str, number: usize) {
    let Some(file) = std::env::var_os("PGHERD_FAULTS").map(std::path::PathBuf::from) else { return };
    let Ok(wanted) = std::fs::read_to_string(&file) else { return };
    let Some((verb, place)) = wanted.split_once(' ') else { return };
    if place != format!("{name}.{number}") {
        return;
    }
    let met = file.with_extension("met");
    // Whoever moves the file was here first.
    if std::fs::rename(&file, &met).is_err() {
        return;
    }
    if verb == "die" {
        tracing::error!(name, number, "dying at a fail point");
        std::process::abort();
    }
    while met.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Nothing, in a build for use.
#[cfg(not(debug_assertions))]
pub(super) async fn failpoint(_: &str, _: usize) {}

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
