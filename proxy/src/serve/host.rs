//! Whom a client is handed to once it is authenticated: the seam between the door and the house.

use std::future::Future;
use std::sync::Arc;

use crate::client::{CancelRequest, Roles, Startup};
use crate::config::Config;

/// Serves clients; the fleet is one.
pub trait Host: Roles + Send + Sync + 'static {
    /// Serves an authenticated client until it, or the daemon, ends.
    fn serve(self: Arc<Self>, startup: Box<Startup>) -> impl Future<Output = ()> + Send;

    /// Cancels what the named session runs, if the secret is right.
    fn cancel(self: Arc<Self>, request: CancelRequest) -> impl Future<Output = ()> + Send;

    /// Lends no connections any more to anybody, or lends again.
    fn hold(&self, held: bool);

    /// Puts a configuration in force for what begins from now on.
    fn reload(&self, config: Arc<Config>);
}
