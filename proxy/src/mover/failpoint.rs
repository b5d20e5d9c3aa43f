//! Places where a test can let the daemon die: `PGHERD_FAIL_AT=<step>[:before|:after]`.
//!
//! Compiled in with debug assertions or the feature `failpoints` only.

use router::moves::Step;

/// The side of a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    /// Nothing of it is done.
    Before,
    /// It is done, the store does not know.
    After,
}

/// Dies here if the environment says so.
pub(super) fn pass(step: Step, side: Side) {
    if cfg!(any(debug_assertions, feature = "failpoints")) {
        let Ok(wanted) = std::env::var("PGHERD_FAIL_AT") else { return };
        let (name, wanted_side) = wanted.split_once(':').unwrap_or((wanted.as_str(), "before"));
        let side = match side {
            Side::Before => "before",
            Side::After => "after",
        };
        if name == step.word() && wanted_side == side {
            tracing::warn!(%name, %side, "dying at a fail point");
            std::process::abort();
        }
    }
}
