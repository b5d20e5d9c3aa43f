//! Whom a client is handed to once it is authenticated: the seam between the door and the house.

use std::future::Future;
use std::sync::Arc;

use crate::client::{Burden, CancelRequest, Roles, Startup};
use crate::config::Config;

/// Serves clients; the fleet is one.
pub trait Host: Roles + Send + Sync + 'static {
    /// A client between two of its statements, which may be served on from another thread.
    type Resting: Send + 'static;

    /// Serves an authenticated client until it, or the daemon, ends, or its thread lets it go to another one.
    fn serve(
        self: Arc<Self>,
        startup: Box<Startup>,
        burden: Arc<Burden>,
    ) -> impl Future<Output = Option<Self::Resting>> + Send;

    /// The same of one that came from another thread.
    fn serve_on(
        self: Arc<Self>,
        resting: Self::Resting,
        burden: Arc<Burden>,
    ) -> impl Future<Output = Option<Self::Resting>> + Send;

    /// Cancels what the named session runs, if the secret is right.
    fn cancel(self: Arc<Self>, request: CancelRequest) -> impl Future<Output = ()> + Send;

    /// Lends no connections any more to anybody, or lends again.
    fn hold(&self, held: bool);

    /// Puts a configuration in force for what begins from now on.
    fn reload(&self, config: Arc<Config>);
}
