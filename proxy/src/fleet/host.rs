//! Whom an authenticated client is handed to: the console or a session.

use std::sync::Arc;

use super::Fleet;
use crate::client::{CancelRequest, Startup};
use crate::config::{CONSOLE, Config};
use crate::net::peer::Peer;
use crate::serve::Host;
use crate::{client, console};

impl Host for Fleet {
    async fn serve(self: Arc<Self>, startup: Startup) {
        if startup.database != CONSOLE {
            return client::serve(self, startup).await;
        }
        let Startup { stream, leftover, slot, user, .. } = startup;
        let may_act = user == self.config.load().admin.user;
        let limit = usize::try_from(self.config.load().proxy.max_statement_bytes).unwrap_or(usize::MAX);
        console::serve(self, Peer::new(stream, leftover, limit), may_act).await;
        drop(slot);
    }

    async fn cancel(self: Arc<Self>, request: CancelRequest) {
        if let Some(secret) = request.secret.first_chunk::<4>().filter(|_| request.secret.len() == 4) {
            self.registry.cancel(request.process, i32::from_be_bytes(*secret)).await;
        }
    }

    fn clients(&self) -> usize {
        self.registry.len()
    }

    fn reload(&self, config: Arc<Config>) {
        self.pools.configure((&*config).into());
        self.config.store(config);
    }
}
