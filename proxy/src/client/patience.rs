//! How long a client and its statements may take, and what ends those that take longer.
//!
//! | timeout | runs while | ends |
//! | --- | --- | --- |
//! | `query_timeout` | a message is worked on | the statement, 57014 |
//! | `transaction_timeout` | the client's transaction is open | the session, 25P04; without BEGIN the statement, 57014 |
//! | `idle_transaction_timeout` | the client is silent within one | the session, 25P03 |
//! | `client_idle_timeout` | the client is silent outside one | the session, 57P05 |

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::time::timeout;

use crate::config::{Config, OwnTimeouts};
use crate::error::ClientError;
use crate::execute::cancel::Cancellable;

/// What one session's client and statements may take.
pub(super) struct Patience {
    config: Arc<Config>,
    /// On the heap, where there are any.
    timeouts: Option<Box<OwnTimeouts>>,
    /// When the client's transaction was first seen open.
    transaction: Option<Instant>,
}

/// How long the client may say nothing now.
pub(super) struct Silence {
    until: Option<Instant>,
    /// What it hears after that.
    pub(super) error: ClientError,
}

/// How long a message may be worked on.
#[derive(Clone, Copy)]
pub(super) struct Work {
    limit: Duration,
    /// What the statement is told after that.
    why: &'static str,
}

impl Patience {
    pub(super) fn new(config: Arc<Config>, user: &str) -> Patience {
        let timeouts = timeouts(&config, user);
        Patience { config, timeouts, transaction: None }
    }

    /// Called between messages: whether a transaction of the client, this user, is open, and which
    /// configuration is in force.
    pub(super) fn look(&mut self, in_force: &ArcSwap<Config>, user: &str, explicit: bool) {
        let config = in_force.load();
        if !Arc::ptr_eq(&config, &self.config) {
            self.timeouts = timeouts(&config, user);
            self.config = Arc::clone(&config);
        }
        match explicit && self.of(|own| own.transaction_timeout).is_some() {
            true => _ = self.transaction.get_or_insert_with(Instant::now),
            false => self.transaction = None,
        }
    }

    /// True where the client's transaction has lasted for too long.
    pub(super) fn is_exhausted(&self) -> bool {
        self.end_of_transaction().is_some_and(|end| end <= Instant::now())
    }

    /// True where the client may not be silent for ever from now on.
    pub(super) fn is_bounded(&self, idle: bool) -> bool {
        match idle {
            true => self.of(|own| own.client_idle_timeout).is_some(),
            false => {
                self.of(|own| own.idle_transaction_timeout).is_some() || self.end_of_transaction().is_some()
            }
        }
    }

    /// How long the client may be silent from now on.
    pub(super) fn silence(&self, idle: bool) -> Option<Silence> {
        if idle {
            let limit = self.of(|own| own.client_idle_timeout)?;
            let until = Instant::now().checked_add(limit);
            return Some(Silence { until, error: ClientError::idle_session_timeout() });
        }
        let idle = self.of(|own| own.idle_transaction_timeout);
        let idle = idle.and_then(|limit| Instant::now().checked_add(limit));
        match (idle, self.end_of_transaction()) {
            (None, None) => None,
            (Some(idle), end) if end.is_none_or(|end| idle < end) => {
                Some(Silence { until: Some(idle), error: ClientError::idle_transaction_timeout() })
            }
            (_, until) => Some(Silence { until, error: ClientError::transaction_timeout() }),
        }
    }

    /// True where a message may not be worked on for ever.
    pub(super) fn bounds_work(&self) -> bool {
        self.of(|own| own.query_timeout.or(own.transaction_timeout)).is_some()
    }

    /// How long the message that came now may be worked on.
    pub(super) fn work(&self) -> Option<Work> {
        let query = self.of(|own| own.query_timeout);
        let end = self.end_of_transaction();
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.or(self.of(|own| own.transaction_timeout));
        match (query, left) {
            (None, None) => None,
            (Some(limit), left) if left.is_none_or(|left| limit <= left) => {
                Some(Work { limit, why: "canceling statement due to query_timeout" })
            }
            (_, left) => {
                left.map(|limit| Work { limit, why: "canceling statement due to transaction timeout" })
            }
        }
    }

    fn of(&self, timeout: impl FnOnce(&OwnTimeouts) -> Option<Duration>) -> Option<Duration> {
        self.timeouts.as_deref().and_then(timeout)
    }

    fn end_of_transaction(&self) -> Option<Instant> {
        self.transaction
            .zip(self.of(|own| own.transaction_timeout))
            .and_then(|(since, limit)| since.checked_add(limit))
    }
}

/// A user's own timeouts count before everybody's; `None` where nothing is bounded.
fn timeouts(config: &Config, user: &str) -> Option<Box<OwnTimeouts>> {
    let own = config.user(user).map(|user| user.timeouts.clone()).unwrap_or_default();
    let timeouts = OwnTimeouts {
        query_timeout: own.query_timeout.or(config.pool.query_timeout),
        transaction_timeout: own.transaction_timeout.or(config.pool.transaction_timeout),
        idle_transaction_timeout: own.idle_transaction_timeout.or(config.pool.idle_transaction_timeout),
        client_idle_timeout: own.client_idle_timeout.or(config.proxy.client_idle_timeout),
    };
    (timeouts != OwnTimeouts::default()).then(|| Box::new(timeouts))
}

/// Resolves when the client has been silent for too long.
pub(super) async fn broken(silence: Option<&Silence>) {
    match silence.and_then(|silence| silence.until) {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

/// Works on a message. What takes too long is canceled, again and again until it ends: a cancel
/// request may come between two statements. A server whose client does not read hears none of them, so
/// such a client is given up after some.
pub(super) async fn within<T>(
    limit: Option<Work>,
    cancellable: &Cancellable,
    work: impl Future<Output = T>,
) -> T {
    const AGAIN: Duration = Duration::from_secs(1);
    const TRIES: u32 = 5;
    let Some(Work { limit, why }) = limit else { return work.await };
    let (mut work, mut patience, mut tries) = (pin!(work), limit, 0);
    loop {
        if let Ok(done) = timeout(patience, work.as_mut()).await {
            return done;
        }
        // The request is waited for in any case: dropped, it might still hit a later statement.
        let mut cancel = pin!(cancellable.time_out(why));
        tokio::select! {
            done = work.as_mut() => {
                cancel.await;
                return done;
            }
            () = cancel.as_mut() => {}
        }
        tries += 1;
        if tries == TRIES {
            cancellable.hang_up().give_up();
        }
        patience = AGAIN;
    }
}
