//! A pipeline: the server that it is at, and what is owed in it up to Flush and Sync.
//!
//! Messages for a single server are written to its connection as they come, and its replies are read
//! at Flush and Sync, so a pipeline costs one round trip. Before the pipeline turns to another
//! server, or to something the session does itself, what is owed is read.

use bytes::BytesMut;
use router::ids::ServerId;

use crate::client::session::Session;
use crate::error::ClientError;
use crate::execute::relay::Expect;
use crate::execute::trouble::Trouble;
use crate::net::peer::PeerGone;
use crate::wire::write;

impl Session {
    /// An error in the pipeline: it is told, and nothing more is heard until Sync.
    pub(super) async fn stumble(&mut self, trouble: Trouble) -> Result<(), PeerGone> {
        let trouble = match trouble {
            // What the servers owe comes first; an error among it takes the place of this one.
            Trouble::Tell(error)
                if !error.is_fatal() && (error.class() != "08" || error.sqlstate == "08P01") =>
            {
                match self.catch_up().await {
                    Ok(()) => Trouble::Tell(error),
                    Err(earlier) => earlier,
                }
            }
            trouble => trouble,
        };
        self.forget_pipeline();
        self.skipping = true;
        self.trouble(trouble).await?;
        self.peer.flush().await
    }

    pub(super) async fn catch_up(&mut self) -> Result<(), Trouble> {
        self.settle_unchecked().await?;
        self.drain().await
    }

    /// Nothing is owed any more, and no server is the pipeline's.
    pub(super) fn forget_pipeline(&mut self) {
        for (name, _) in std::mem::take(&mut self.unchecked) {
            self.prepared.remove(&name);
        }
        self.expects.clear();
        self.current = None;
    }

    /// True where messages of the extended protocol came since the last Sync, and left something.
    pub(super) fn is_in_pipeline(&self) -> bool {
        self.current.is_some() || !self.expects.is_empty() || !self.unchecked.is_empty()
    }

    /// A simple query comes before the pipeline's Sync: it goes on in the pipeline's transaction.
    ///
    /// # Errors
    /// What the pipeline meets.
    pub(super) async fn join_pipeline(&mut self) -> Result<(), Trouble> {
        if !self.is_in_pipeline() {
            return Ok(());
        }
        self.catch_up().await?;
        self.current = None;
        self.executor.upgrade().await
    }

    pub(super) async fn flush(&mut self) -> Result<(), Trouble> {
        Box::pin(self.catch_up()).await?;
        Ok(self.peer.flush().await?)
    }

    pub(super) async fn sync(&mut self) -> Result<(), PeerGone> {
        let outcome = if std::mem::take(&mut self.skipping) { Ok(()) } else { self.sync_servers().await };
        self.synced(outcome).await
    }

    /// Says how a pipeline ended, up to its ReadyForQuery.
    pub(super) async fn synced(&mut self, outcome: Result<(), Trouble>) -> Result<(), PeerGone> {
        if let Err(trouble) = outcome {
            Box::pin(self.trouble(trouble)).await?;
        }
        self.say_synced();
        self.peer.flush().await
    }

    /// What stands at a pipeline's end.
    pub(super) fn say_synced(&mut self) {
        self.forget_pipeline();
        if !self.executor.transaction.is_explicit() {
            self.close_portals();
        }
        self.ready();
    }

    /// Ends the pipeline: what is owed is read, and what is not the client's transaction ends.
    async fn sync_servers(&mut self) -> Result<(), Trouble> {
        if !self.unchecked.is_empty() {
            Box::pin(self.settle_unchecked()).await?;
        }
        if let Some(server) = self.current() {
            self.executor.pipeline(server).queue_sync();
            self.expects.push_back(Expect::Ready);
        }
        self.end_of_pipeline().await
    }

    /// Reads what is owed up to Sync, and ends what is not the client's transaction.
    pub(super) async fn end_of_pipeline(&mut self) -> Result<(), Trouble> {
        self.read_owed().await?;
        self.current = None;
        self.executor.end_of_message().await
    }

    /// The server that the pipeline is at, while its connection is there.
    pub(super) fn current(&mut self) -> Option<ServerId> {
        let branches = &self.executor.transaction.branches;
        self.current = self.current.filter(|server| branches.contains(*server));
        self.current
    }

    /// Reads all that the current server owes, with a Flush where no Sync was sent.
    pub(super) async fn drain(&mut self) -> Result<(), Trouble> {
        if let Some(server) = self.current()
            && self.expects.iter().any(|expect| !matches!(expect, Expect::Say(_)))
        {
            write::flush(self.executor.pipeline(server).out());
        }
        self.read_owed().await
    }

    pub(super) async fn read_owed(&mut self) -> Result<(), Trouble> {
        let mut expects = std::mem::take(&mut self.expects);
        let outcome = match self.current() {
            Some(server) => self.executor.relay(&mut self.peer, server, &mut expects).await,
            None => {
                for expect in expects.drain(..) {
                    if let Expect::Say(bytes) = expect {
                        self.peer.out().extend_from_slice(&bytes);
                    }
                }
                Ok(())
            }
        };
        // What remains was never prepared.
        for expect in expects.drain(..) {
            if let Expect::Parsed(name) = expect {
                self.prepared.remove(&name);
            }
        }
        self.expects = expects;
        outcome
    }

    /// True where the pipeline is at `server`, in a transaction that has not failed.
    pub(super) fn is_ready_at(&mut self, server: ServerId) -> bool {
        !self.executor.transaction.failed && self.is_at(server)
    }

    /// True where the pipeline is at `server`.
    pub(super) fn is_at(&mut self, server: ServerId) -> bool {
        self.current() == Some(server)
    }

    /// Makes `server` the one that the pipeline goes to.
    pub(super) async fn at(&mut self, server: ServerId) -> Result<(), Trouble> {
        if self.is_at(server) {
            return Ok(());
        }
        if self.current.is_none() && self.expects.is_empty() {
            self.current = self.executor.transaction.branches.contains(server).then_some(server);
            return Ok(());
        }
        Box::pin(self.turn_to(server)).await
    }

    async fn turn_to(&mut self, server: ServerId) -> Result<(), Trouble> {
        if let Some(current) = self.current()
            && current != server
        {
            self.drain().await?;
            self.executor.leave(current).await?;
            self.current = None;
        }
        if self.current.is_none() {
            self.read_owed().await?;
            self.current = self.executor.transaction.branches.contains(server).then_some(server);
        }
        Ok(())
    }

    /// Makes the server of a portal the one that the pipeline goes to.
    pub(super) async fn return_to(&mut self, server: ServerId, portal: &str) -> Result<(), Trouble> {
        self.at(server).await?;
        match self.current {
            Some(_) => Ok(()),
            None => Err(ClientError::no_such_portal(portal).into()),
        }
    }

    /// Says something in its place among what the servers owe.
    pub(super) fn say(&mut self, message: impl FnOnce(&mut BytesMut)) {
        if self.expects.is_empty() {
            message(self.peer.out());
            return;
        }
        let mut out = BytesMut::new();
        message(&mut out);
        self.expects.push_back(Expect::Say(out.freeze()));
    }
}
