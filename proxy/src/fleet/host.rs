//! Whom an authenticated client is handed to: the console or a session.

use std::sync::Arc;

use tracing::Instrument;

use super::Fleet;
use crate::client::registry::ClientEntry;
use crate::client::{Burden, CancelRequest, Startup};
use crate::config::{CONSOLE, Config};
use crate::net::peer::Peer;
use crate::serve::Host;
use crate::{client, console};

impl Host for Fleet {
    type Resting = client::Resting;

    async fn serve(self: Arc<Self>, startup: Box<Startup>, burden: Arc<Burden>) -> Option<client::Resting> {
        if startup.database != CONSOLE {
            return client::serve(self, startup, burden).await;
        }
        let client = ClientEntry::of(&startup);
        let span = startup.span();
        let Startup { stream, leftover, slot, .. } = *startup;
        let may_act = client.user == self.config.load().admin.user;
        let limit = usize::try_from(self.config.load().proxy.max_statement_bytes).unwrap_or(usize::MAX);
        let peer = Peer::new(stream, leftover, limit, Arc::default());
        Box::pin(console::serve(self, peer, client, may_act)).instrument(span).await;
        drop(slot);
        None
    }

    async fn serve_on(
        self: Arc<Self>,
        resting: client::Resting,
        burden: Arc<Burden>,
    ) -> Option<client::Resting> {
        resting.serve_on(burden).await
    }

    async fn cancel(self: Arc<Self>, request: CancelRequest) {
        super::peers::cancel(&self, &request).await;
    }

    fn hold(&self, held: bool) {
        let changed = if held { self.pools.pause(None) } else { self.pools.resume(None) };
        tracing::info!(held, changed, "all databases were paused or resumed");
    }

    fn reload(&self, config: Arc<Config>) {
        self.pools.configure((&*config).into());
        self.servers.renew_tls(&config);
        self.roles.forget();
        self.config.store(config);
    }
}
