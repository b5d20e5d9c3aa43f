//! How many are logging in: a bound on what connections cost that have proven nothing yet.

use std::sync::Arc;

use tokio::sync::watch;

/// Those who are logging in, counted.
#[derive(Debug)]
pub(super) struct Logins(Arc<watch::Sender<usize>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Login(Arc<watch::Sender<usize>>);

impl Default for Logins {
    fn default() -> Self {
        Logins(Arc::new(watch::Sender::new(0)))
    }
}

impl Logins {
    /// Waits until fewer than `most` are logging in. Cancel-safe.
    pub(super) async fn room(&self, most: impl Fn() -> usize) {
        // It fails where the sender is gone only, and the sender is here.
        let _ = self.0.subscribe().wait_for(|logins| *logins < most()).await;
    }

    /// Counts one more. Listeners do that side by side, so there may be one more a listener than there
    /// was room for.
    pub(super) fn enter(&self) -> Login {
        self.0.send_modify(|logins| *logins += 1);
        Login(Arc::clone(&self.0))
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        self.0.send_modify(|logins| *logins -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_no_room_waits_until_somebody_leaves() {
        let logins = Logins::default();
        logins.room(|| 1).await;
        let first = logins.enter();
        let second = tokio::spawn({
            let logins = Logins(Arc::clone(&logins.0));
            async move { logins.room(|| 1).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        second.await.expect("room");
    }
}
