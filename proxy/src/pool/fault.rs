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
    /// The tenant holds as many as it may have, and gave none back in time.
    #[error("the tenant has {most} connections, as many as it may have")]
    TenantFull {
        /// How many it may have.
        most: usize,
    },
    /// The tenant has as many statements under way as it may have.
    #[error("the tenant has {most} statements under way, as many as it may have")]
    TenantBusy {
        /// How many it may have.
        most: usize,
    },
    /// The tenant has begun as many statements as it may in a second.
    #[error("the tenant has begun {most} statements within a second, as many as it may")]
    TenantFast {
        /// How many it may begin.
        most: usize,
    },
    /// The database is paused and was not resumed in time.
    #[error("the database is paused")]
    Paused,
    /// Too many wait already, and of this tenant not fewer than of others.
    #[error("too many wait for a connection")]
    TooManyWaiting,
    /// None could be made.
    #[error(transparent)]
    Dial(Arc<DialError>),
    /// None could be made a moment ago, and it is not tried again yet.
    #[error("server login has been failing, cached error: {0}")]
    Failing(Arc<DialError>),
    /// The pools are closed.
    #[error("the proxy is shutting down")]
    ShuttingDown,
}
