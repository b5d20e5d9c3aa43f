//! Why no connection was lent.

use std::sync::Arc;
use std::time::Duration;

use crate::server::DialError;

/// Why no connection was lent.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CheckoutError {
    /// None came free in time.
    #[error("no connection came free within {waited:?}")]
    TimedOut {
        /// How long it waited.
        waited: Duration,
    },
    /// Too many wait already, and of this tenant not fewer than of others.
    #[error("too many wait for a connection")]
    TooManyWaiting,
    /// None could be made: the genuine error, now or a moment ago.
    #[error(transparent)]
    Dial(Arc<DialError>),
    /// The pools are closed.
    #[error("the proxy is shutting down")]
    ShuttingDown,
}
