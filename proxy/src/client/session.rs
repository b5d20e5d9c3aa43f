//! The life of a client after its start-up: a loop over its messages, and its end.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::BytesMut;
use futures_util::future::select_all;
use router::ids::ServerId;
use tracing::instrument::Instrumented;
use tracing::{Instrument, Span};

use crate::client::at_once::{Begun, Planned};
use crate::client::command::{check_readable, say_besides};
use crate::client::extended::{malformed, no_character, text};
use crate::client::gate::Slot;
use crate::client::named::Named;
use crate::client::patience::{Patience, broken, within};
use crate::client::portal::Portal;
use crate::client::registry::ClientEntry;
use crate::client::spans;
use crate::client::startup::{self, Startup};
use crate::error::ClientError;
use crate::execute::executor::{Decision, Executor, Login};
use crate::execute::prepared::Prepared;
use crate::execute::relay::Expect;
use crate::execute::reported::Reported;
use crate::execute::settings::Settings;
use crate::execute::trouble::Trouble;
use crate::fleet::Fleet;
use crate::metrics::Count;
use crate::net::peer::{Peer, PeerGone};
use crate::wire::frame::Frame;
use crate::wire::view::Query;
use crate::wire::write;

/// How many bytes a name may have, with the byte that ends it.
const NAME_BYTES: usize = 64;

/// A client that is being served.
pub(super) struct Session {
    /// Its place among the clients.
    pub(super) entry: Arc<ClientEntry>,
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

/// What ends a session's waiting for its client.
enum Heard {
    /// A message.
    Frame(Frame),
    /// An operator's word.
    Dismissal,
    /// The daemon's end.
    Shutdown,
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

/// What the log says of a session's end, and its room among the clients.
struct Guest {
    came: Instant,
    log_end: bool,
    _slot: Slot,
}

/// Serves an authenticated client until it or the daemon ends. What is done once, or rarely, is a future of
/// its own on the heap: thousands of clients are silent, and each waits in this one.
pub async fn serve(fleet: Arc<Fleet>, startup: Box<Startup>) {
    let Some((mut session, secret, guest)) = Session::of(&fleet, startup) else { return };
    let span = session.span();
    let outcome = match Box::pin(session.welcome(secret)).instrument(span).await {
        Ok(()) => session.listen().await,
        Err(gone) => Err(gone),
    };
    let span = session.span();
    Box::pin(session.leave(outcome, guest)).instrument(span).await;
}

impl Session {
    /// The session of a client, its secret, and who it is; `None` where its database is not there any more.
    fn of(fleet: &Arc<Fleet>, startup: Box<Startup>) -> Option<(Box<Session>, Box<[u8]>, Guest)> {
        let database = fleet.databases.get(&startup.database).cloned()?;
        let config = fleet.config.load_full();
        let login =
            Login { user: startup.user.clone(), proof: Arc::clone(&startup.proof), fan_out: startup.fan_out };
        let entry = ClientEntry::of(&startup);
        let encrypted = entry.encrypted;
        let startup = *startup;
        let defaults = database.catalog.defaults(&startup.user);
        let beginning = defaults.into_iter().chain(startup.parameters);
        let settings = Settings::starting_with(beginning).shared(&database.beginnings);
        let limit = usize::try_from(config.proxy.max_statement_bytes).unwrap_or(usize::MAX);
        let mut executor = Executor::new(Arc::clone(fleet), database, login, settings);
        let (entry, secret) = fleet.registry.enter(entry, Arc::clone(&executor.cancellable));
        executor.client = entry.id;
        let log_end = config.proxy.log_disconnections;
        if config.proxy.log_connections {
            let _span = span_of(&entry).entered();
            tracing::info!(client = entry.id, tls = encrypted, "{}: connected", whose(&entry));
        }
        let guest = Guest { came: Instant::now(), log_end, _slot: startup.slot };
        let session = Box::new(Session {
            entry,
            patience: Patience::new(config, &startup.user),
            peer: Peer::new(startup.stream, startup.leftover, limit, executor.cancellable.hang_up()),
            executor,
            prepared: Named::default(),
            portals: Named::default(),
            skipping: false,
            current: None,
            expects: VecDeque::new(),
            unchecked: Vec::new(),
            describes: true,
            farewell: None,
        });
        Some((session, secret, guest))
    }

    /// What its log lines are told apart by; entered where something is done that may log.
    pub(super) fn span(&self) -> Span {
        span_of(&self.entry)
    }

    /// Greets the client, or tells it why not.
    async fn welcome(&mut self, secret: Box<[u8]>) -> Result<(), PeerGone> {
        let readable = ["client_encoding", "standard_conforming_strings"].into_iter().try_for_each(|name| {
            self.executor.settings.value(name).map_or(Ok(()), |value| check_readable(name, value))
        });
        let greeted = if let Err(error) = readable {
            Err(error.into())
        } else if self.executor.fleet.pools.is_disabled(&self.executor.database.name) {
            Err(ClientError::not_accepting(&self.executor.database.name).into())
        } else {
            self.greet(&secret).await
        };
        match greeted {
            Ok(()) => Ok(()),
            Err(trouble) => {
                self.last_words(trouble).await?;
                Err(PeerGone::Closed)
            }
        }
    }

    /// Says why the session ended, and ends what it has.
    async fn leave(mut self: Box<Self>, outcome: Result<(), PeerGone>, guest: Guest) {
        let reason = match (outcome, self.farewell.take()) {
            (_, Some(farewell)) => farewell,
            (Ok(()), None) => "client close request".to_owned(),
            (Err(gone), None) => gone.to_string(),
        };
        let (fleet, entry) = (Arc::clone(&self.executor.fleet), Arc::clone(&self.entry));
        self.end().await;
        if guest.log_end {
            let age = guest.came.elapsed().as_secs();
            tracing::info!(client = entry.id, age_s = age, "{}: closed because: {reason}", whose(&entry));
        }
        fleet.registry.leave(entry.id);
        spans::forget(entry.id);
    }

    /// The first messages after authentication: the servers' parameters, the cancel key, ready.
    async fn greet(&mut self, secret: &[u8]) -> Result<(), Trouble> {
        let parameters = self.executor.introduce().await?;
        let parameters = self.executor.database.told.share(Arc::new(parameters));
        self.warn_of_long_name();
        for (name, value) in parameters.iter() {
            write::parameter_status(self.peer.out(), name, value);
        }
        self.executor.reported = Reported::new(parameters);
        write::backend_key(self.peer.out(), self.entry.id, secret);
        self.ready();
        Ok(self.peer.flush().await?)
    }

    /// PostgreSQL says so when it cuts an application's name.
    fn warn_of_long_name(&mut self) {
        let Some(name) = self.executor.settings.value("application_name") else { return };
        if name.len() < NAME_BYTES {
            return;
        }
        let cut = &name[..name.floor_char_boundary(NAME_BYTES - 1)];
        let message = format!("identifier \"{name}\" will be truncated to \"{cut}\"");
        say_besides(self.peer.out(), "NOTICE", "42622", &message);
    }

    async fn listen(&mut self) -> Result<(), PeerGone> {
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
                        return Box::pin(self.say_last(&ClientError::transaction_timeout())).await;
                    }
                    match self.wait().await? {
                        Some(frame) => frame,
                        None => return Ok(()),
                    }
                }
            };
            self.executor.counters.traffic(self.peer.received(), self.peer.sent());
            match frame.tag() {
                b'X' => return Ok(()),
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
                    return Box::pin(self.say_last(&error)).await;
                }
            }
        }
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

    /// The client's next message; `None` where the session is over before one comes, and the client was
    /// told why.
    async fn wait(&mut self) -> Result<Option<Frame>, PeerGone> {
        let idle = !self.executor.transaction.is_explicit()
            && self.executor.transaction.branches.is_empty()
            && self.expects.is_empty();
        if self.patience.is_bounded(idle) || (idle && self.executor.kept_connections().next().is_some()) {
            return Box::pin(self.watch(idle)).await;
        }
        match poll_fn(|task| self.poll_wait(task, idle)).await? {
            Heard::Frame(frame) => Ok(Some(frame)),
            Heard::Dismissal => Box::pin(self.say_last(&ClientError::dismissed())).await.map(|()| None),
            Heard::Shutdown => Box::pin(self.say_last(&ClientError::shutting_down())).await.map(|()| None),
        }
    }

    fn poll_wait(&mut self, task: &mut Context<'_>, idle: bool) -> Poll<Result<Heard, PeerGone>> {
        if let Poll::Ready(frame) = self.peer.poll_frame(task) {
            return Poll::Ready(frame.map(Heard::Frame));
        }
        if self.executor.cancellable.is_dismissed(task) {
            return Poll::Ready(Ok(Heard::Dismissal));
        }
        match idle && self.executor.fleet.registry.is_closing() {
            true => Poll::Ready(Ok(Heard::Shutdown)),
            false => Poll::Pending,
        }
    }

    /// As [`Self::wait`], with an eye on the clock and on the connections that the session keeps.
    async fn watch(&mut self, idle: bool) -> Result<Option<Frame>, PeerGone> {
        let fleet = Arc::clone(&self.executor.fleet);
        let cancellable = Arc::clone(&self.executor.cancellable);
        loop {
            let silence = self.patience.silence(idle);
            let why = tokio::select! {
                biased;
                frame = self.peer.frame() => return frame.map(Some),
                () = cancellable.dismissed() => ClientError::dismissed(),
                () = fleet.shutdown.cancelled(), if idle => ClientError::shutting_down(),
                news = unasked(self.executor.kept_connections()), if idle => match news {
                    Some(message) => {
                        self.peer.out().unsplit(message);
                        self.peer.flush().await?;
                        continue;
                    }
                    None => ClientError::kept_connection_lost(),
                },
                () = broken(silence.as_ref()) => {
                    silence.map_or_else(ClientError::idle_session_timeout, |silence| silence.error)
                }
            };
            return self.say_last(&why).await.map(|()| None);
        }
    }

    /// A text of the client's: a statement, or the name of something.
    ///
    /// # Errors
    /// 22021 where it is not in the client's encoding.
    pub(super) fn text<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, ClientError> {
        let encoding = self.executor.settings.encoding();
        match encoding.is_foreign() && !bytes.is_ascii() {
            false => text(bytes).map(Cow::Borrowed),
            true => encoding.read(bytes).map(Cow::Owned).map_err(|byte| no_character(encoding, byte)),
        }
    }

    /// True where a message has texts that are not in UTF-8.
    pub(super) fn is_foreign(&self, frame: &Frame) -> bool {
        self.executor.settings.encoding().is_foreign() && !frame.body().is_ascii()
    }

    pub(super) async fn simple(&mut self, frame: &Frame) -> Result<(), PeerGone> {
        // What the extended protocol has begun since the last Sync is of one transaction with this.
        if self.is_in_pipeline()
            && let Err(trouble) = Box::pin(self.join_pipeline()).await
        {
            // The pipeline had failed before this message: it is skipped up to Sync, as PostgreSQL does.
            return Box::pin(self.stumble(trouble)).await;
        }
        // A simple query ends the unnamed statement and portal.
        self.portals.remove("");
        self.prepared.remove("");
        let query = match Query::read(frame) {
            Ok(query) => query,
            Err(fault) => return Box::pin(self.refuse(malformed(fault))).await,
        };
        match self.text(query.text) {
            Ok(text) => self.query(&text).await,
            Err(error) => Box::pin(self.refuse(error)).await,
        }
    }

    /// Answers a simple query that is none.
    async fn refuse(&mut self, error: ClientError) -> Result<(), PeerGone> {
        self.trouble(error.into()).await?;
        self.ready();
        self.peer.flush().await
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

    async fn last_words(&mut self, trouble: Trouble) -> Result<(), PeerGone> {
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

    async fn say_last(&mut self, error: &ClientError) -> Result<(), PeerGone> {
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

    async fn end(mut self) {
        self.executor.counters.traffic(self.peer.received(), self.peer.sent());
        self.executor.rollback().await;
        self.executor.let_go();
        self.executor.end_kept().await;
        self.peer.close().await;
    }
}

fn span_of(entry: &ClientEntry) -> Span {
    spans::of(entry.id, || startup::span(&entry.user, &entry.database, &entry.address))
}

/// A client's database, user and address, as the log names it.
fn whose(entry: &ClientEntry) -> String {
    format!("{}/{}@{}", entry.database, entry.user, entry.address)
}

/// What a server says on a connection that the session keeps, without having been asked.
async fn unasked(kept: impl Iterator<Item = &mut crate::pool::Lent>) -> Option<BytesMut> {
    let said = async |connection: &mut crate::pool::Lent| {
        let frame = connection.frame().await.ok()?;
        Some(connection.as_clients_know(&frame))
    };
    let mut kept: Vec<_> = kept.map(|connection| Box::pin(said(connection))).collect();
    match kept.len() {
        0 => std::future::pending().await,
        1 => kept.remove(0).await,
        _ => select_all(kept).await.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function of this kind answers, in bytes.
    fn answered<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_silent_client_holds_little() {
        // The rest of four kilobytes is for what the heap holds of it elsewhere.
        let held = answered(serve) + size_of::<Session>();
        assert!(held <= 2048, "{held} bytes");
    }
}
