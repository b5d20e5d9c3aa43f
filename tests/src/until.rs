//! Waiting for facts instead of sleeping.

use std::time::{Duration, Instant};

/// Asks `probe` again and again until it says yes; panics with `what` when it has not within `patience`.
pub async fn until(what: &str, patience: Duration, mut probe: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !probe().await {
        assert!(started.elapsed() < patience, "waited {patience:?} and it never came true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
