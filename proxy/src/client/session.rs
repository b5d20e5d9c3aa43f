//! The life of a client after its start-up: a loop over its messages.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use router::ids::ServerId;
use tracing::Instrument;
use tracing::instrument::Instrumented;

use crate::client::at_once::{Begun, Planned};
use crate::client::burden::{Burden, Desk};
use crate::client::guest::Guest;
use crate::client::named::Named;
use crate::client::patience::{Patience, within};
use crate::client::portal::Portal;
use crate::client::registry::ClientEntry;
use crate::client::spans;
use crate::client::startup::Startup;
use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::planned::Decision;
use crate::execute::prepared::Prepared;
use crate::execute::relay::Expect;
use crate::execute::trouble::Trouble;
use crate::fleet::Fleet;
use crate::metrics::Count;
use crate::net::peer::{Peer, PeerGone};
use crate::wire::frame::Frame;
use crate::wire::write;

/// A client that is being served.
pub(super) struct Session {
    /// Its place among the clients.
    pub(super) entry: Arc<ClientEntry>,
    pub(super) guest: Box<Guest>,
    /// What it and its thread know of each other.
    pub(super) burden: Arc<Burden>,
    pub(super) desk: Desk,
    pub(super) peer: Peer,
    pub(super) executor: Executor,
    pub(super) patience: Patience,
    /// What it prepared, by name.
    pub(super) prepared: Named<Arc<Prepared>>,
    /// Its portals, by name.
    pub(super) portals: Named<Portal>,
    /// After an error in the extended protocol: nothing is heard until Sync.
    pub(super) skipping: bool,
    /// The server that was sent the last messages of this pipeline.
    pub(super) current: Option<ServerId>,
    /// What it owes the client.
    pub(super) expects: VecDeque<Expect>,
    /// What was parsed, under which name, and is not yet checked by a server.
    pub(super) unchecked: Vec<(Arc<str>, Arc<Prepared>)>,
    /// Why the session was ended by the proxy.
    pub(super) farewell: Option<String>,
    /// True where what the session answers itself is announced by a RowDescription: in a simple query.
    pub(super) describes: bool,
}

/// What was found out of a message before it was to be waited for.
enum Met {
    Nothing,
    /// It failed.
    Trouble(Trouble),
    /// A Bind's plan, with its permit.
    Plan(Box<Decision>),
    /// A simple query's.
    Query(Box<Planned>),
}

/// Why a session does not listen any more.
enum Ceased {
    /// It is over.
    Over,
    /// It goes on on another thread.
    Leaves,
}

/// A session between two statements, which goes on on another thread.
pub struct Resting(Box<Session>);

/// Serves an authenticated client until it or the daemon ends, or it is to be served on from another thread.
/// What is done once, or rarely, is a future of its own on the heap: thousands of clients are silent, and each
/// waits in this one.
pub async fn serve(fleet: Arc<Fleet>, startup: Box<Startup>, burden: Arc<Burden>) -> Option<Resting> {
    let session = Box::pin(Session::come(fleet, startup, burden)).await?;
    session.stay().await
}

impl Resting {
    /// As [`serve`], on the thread that the client has come to.
    pub async fn serve_on(self, burden: Arc<Burden>) -> Option<Resting> {
        let Resting(mut session) = self;
        session.burden = burden;
        match session.peer.move_here() {
            Ok(peer) => session.peer = peer,
            Err(error) => {
                let entry = &session.entry;
                tracing::warn!(client = entry.id, %error, "a client could not be taken over by another thread");
                session.executor.fleet.registry.leave(entry.id);
                return None;
            }
        }
        session.stay().await
    }
}

impl Session {
    async fn stay(mut self: Box<Self>) -> Option<Resting> {
        let outcome = match self.listen().await {
            Ok(Ceased::Leaves) => {
                spans::forget(self.entry.id);
                return Some(Resting(self));
            }
            Ok(Ceased::Over) => Ok(()),
            Err(gone) => Err(gone),
        };
        let span = self.span();
        Box::pin(self.leave(outcome)).instrument(span).await;
        None
    }

    async fn listen(&mut self) -> Result<Ceased, PeerGone> {
        loop {
            if self.expects.is_empty() {
                self.executor.admissions.clear();
            }
            let frame = match self.peer.buffered_frame()? {
                Some(frame) => frame,
                None => {
                    let (login, explicit) = (&self.executor.login, self.executor.transaction.is_explicit());
                    self.patience.look(&self.executor.fleet.config, &login.user, explicit);
                    if self.patience.is_exhausted() {
                        let error = ClientError::transaction_timeout();
                        return Box::pin(self.say_last(&error)).await.map(|()| Ceased::Over);
                    }
                    if self.burden.heard(&mut self.desk) && self.may_leave() && self.burden.lets_go() {
                        return Ok(Ceased::Leaves);
                    }
                    match self.wait().await? {
                        Some(frame) => frame,
                        None => return Ok(Ceased::Over),
                    }
                }
            };
            self.executor.counters.traffic(self.peer.received(), self.peer.sent());
            match frame.tag() {
                b'X' => return Ok(Ceased::Over),
                b'Q' | b'F' if self.skipping => {}
                b'P' | b'B' | b'D' | b'E' | b'C' | b'H' if self.skipping => {}
                b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'S' | b'H' | b'F' => match self.at_once(&frame) {
                    Ok(Begun::Done) => {}
                    Ok(Begun::Answered) => self.peer.flush().await?,
                    Ok(Begun::Pipeline(server)) => self.hear_pipeline(server).await?,
                    Ok(Begun::Query(asked)) => self.hear_query(&frame, &asked).await?,
                    Ok(Begun::Waits) => self.waiting(frame, Met::Nothing).await?,
                    Ok(Begun::Planned(decision)) => self.waiting(frame, Met::Plan(decision)).await?,
                    Ok(Begun::PlannedQuery(planned)) => self.waiting(frame, Met::Query(planned)).await?,
                    Err(trouble) => self.waiting(frame, Met::Trouble(trouble)).await?,
                },
                // What a client still sends of a COPY that the server ended is dropped.
                b'd' | b'c' | b'f' => {}
                tag => {
                    let error = ClientError::protocol(format!("invalid frontend message type {tag}"));
                    return Box::pin(self.say_last(&error)).await.map(|()| Ceased::Over);
                }
            }
        }
    }

    /// True where all that the session has can go to another thread: it is between two transactions, and keeps
    /// no connection.
    fn may_leave(&mut self) -> bool {
        let kept = self.executor.kept_connections().next().is_some();
        self.is_idle() && !kept && self.unchecked.is_empty() && !self.peer.is_unsent()
    }

    /// True between two transactions, with nothing owed.
    pub(super) fn is_idle(&self) -> bool {
        !self.executor.transaction.is_explicit()
            && self.executor.transaction.branches.is_empty()
            && self.expects.is_empty()
    }

    /// A message that may need waiting, with what it met already: on the heap.
    fn waiting<'a>(
        &'a mut self,
        frame: Frame,
        met: Met,
    ) -> Instrumented<Pin<Box<impl Future<Output = Result<(), PeerGone>> + 'a>>> {
        let span = self.span();
        Box::pin(self.message(frame, met)).instrument(span)
    }

    /// The same, within the time that it may take.
    async fn message(&mut self, frame: Frame, met: Met) -> Result<(), PeerGone> {
        let cancellable = Arc::clone(&self.executor.cancellable);
        match self.patience.work() {
            None => self.answer(&frame, met).await,
            limit => within(limit, &cancellable, Box::pin(self.answer(&frame, met))).await,
        }
    }

    async fn answer(&mut self, frame: &Frame, met: Met) -> Result<(), PeerGone> {
        let outcome = match (met, frame.tag()) {
            (Met::Trouble(trouble), _) => Err(trouble),
            (Met::Plan(decision), _) => self.bind_counted(frame, Some(decision)).await,
            (Met::Query(planned), _) => return Box::pin(self.query_planned(frame, planned)).await,
            (Met::Nothing, b'Q') => return self.simple(frame).await,
            (Met::Nothing, b'S') => return self.sync().await,
            (Met::Nothing, b'F') => return Box::pin(self.function_call(frame)).await,
            (Met::Nothing, b'B') => self.bind_counted(frame, None).await,
            (Met::Nothing, _) => Box::pin(self.extended(frame)).await,
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(trouble) => Box::pin(self.stumble(trouble)).await,
        }
    }

    /// A Bind of the client's own.
    fn bind_counted<'a>(
        &'a mut self,
        frame: &'a Frame,
        planned: Option<Box<Decision>>,
    ) -> impl Future<Output = Result<(), Trouble>> + 'a {
        self.executor.counters.add(Count::Binds, 1);
        self.bind(frame, planned)
    }

    /// Tells the client what went wrong, and lets the transaction fail.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) async fn trouble(&mut self, trouble: Trouble) -> Result<(), PeerGone> {
        if self.executor.lost_kept {
            self.say_last(&ClientError::kept_connection_lost()).await?;
            return Err(PeerGone::Closed);
        }
        match trouble {
            Trouble::Gone(gone) => return Err(gone),
            Trouble::Told => self.executor.counters.add(Count::Errors, 1),
            Trouble::Relay(fields) => {
                let class = fields.sqlstate().get(..2).unwrap_or("XX").to_owned();
                self.executor.fleet.metrics.error(&self.executor.database.name, &class);
                self.executor.counters.add(Count::Errors, 1);
                let at = self.peer.out().len();
                self.executor.cancellable.tell(self.peer.out(), &fields.as_error());
                self.executor.settings.encoding().rewrite_fields(self.peer.out(), at);
            }
            Trouble::Tell(error) => {
                self.executor.fleet.metrics.error(&self.executor.database.name, error.class());
                self.executor.counters.add(Count::Errors, 1);
                let at = self.peer.out().len();
                error.encode(self.peer.out());
                self.executor.settings.encoding().rewrite_fields(self.peer.out(), at);
                if error.is_fatal() {
                    self.farewell = Some(error.message.clone());
                    self.peer.flush().await?;
                    return Err(PeerGone::Closed);
                }
            }
        }
        self.executor.fail().await;
        Ok(())
    }

    pub(super) async fn last_words(&mut self, trouble: Trouble) -> Result<(), PeerGone> {
        match trouble {
            Trouble::Tell(mut error) => {
                error.severity = crate::error::Severity::Fatal;
                self.say_last(&error).await
            }
            other => {
                self.trouble(other).await?;
                self.peer.flush().await
            }
        }
    }

    pub(super) async fn say_last(&mut self, error: &ClientError) -> Result<(), PeerGone> {
        self.farewell = Some(error.message.clone());
        error.encode(self.peer.out());
        self.peer.flush().await
    }

    /// What the servers said besides the answer, in its place: before the answer's end.
    pub(super) fn pass_notices(&mut self) {
        if !self.executor.notices.is_empty() {
            self.peer.out().unsplit(self.executor.notices.split());
        }
    }

    /// ReadyForQuery with the transaction's status.
    pub(super) fn ready(&mut self) {
        self.pass_notices();
        if let Some(news) = self.executor.news.take() {
            self.peer.out().unsplit(*news);
        }
        let explicit = self.executor.transaction.is_explicit();
        self.executor.reported.announce(self.peer.out(), explicit);
        // Before the client can know: its tenant's next statement must not meet this one.
        self.executor.admissions.clear();
        write::ready(self.peer.out(), self.executor.transaction.status());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function of this kind answers, in bytes.
    fn answered<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_silent_client_holds_little() {
        // The rest of four kilobytes is for what the heap holds of it elsewhere.
        let held = answered(serve) + size_of::<Session>();
        assert!(held <= 2048, "{held} bytes");
    }
}
