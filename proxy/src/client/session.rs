//! The life of a client after its start-up: a loop over its messages, and its end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_util::future::select_all;
use router::ids::ServerId;

use crate::client::command::{is_utf8, not_utf8, say_besides};
use crate::client::extended::{malformed, text};
use crate::client::named::Named;
use crate::client::patience::{Patience, broken, within};
use crate::client::portal::Portal;
use crate::client::registry::ClientEntry;
use crate::client::startup::Startup;
use crate::error::ClientError;
use crate::execute::executor::{Executor, Login};
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
    pub(super) id: i32,
    pub(super) peer: Peer,
    pub(super) executor: Executor,
    patience: Patience,
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

/// Serves an authenticated client until it or the daemon ends.
pub async fn serve(fleet: Arc<Fleet>, startup: Startup) {
    let Some(database) = fleet.databases.get(&startup.database).cloned() else { return };
    let config = fleet.config.load_full();
    let login =
        Login { user: startup.user.clone(), proof: Arc::clone(&startup.proof), fan_out: startup.fan_out };
    let entry = ClientEntry::of(&startup);
    let encrypted = entry.encrypted;
    let foreign = startup
        .parameters
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("client_encoding") && !is_utf8(value));
    let settings = Settings::starting_with(startup.parameters);
    let limit = usize::try_from(config.proxy.max_statement_bytes).unwrap_or(usize::MAX);
    let executor = Executor::new(Arc::clone(&fleet), database, login, settings);
    let whose = format!("{}/{}@{}", startup.database, startup.user, startup.address);
    let (came, log) =
        (std::time::Instant::now(), (config.proxy.log_connections, config.proxy.log_disconnections));
    let (id, secret) = fleet.registry.enter(entry, Arc::clone(&executor.cancellable));
    let mut session = Session {
        id,
        patience: Patience::new(config, &startup.user),
        peer: Peer::new(startup.stream, startup.leftover, limit),
        executor,
        prepared: Named::default(),
        portals: Named::default(),
        skipping: false,
        current: None,
        expects: VecDeque::new(),
        unchecked: Vec::new(),
        describes: true,
        farewell: None,
    };
    if log.0 {
        tracing::info!(client = id, tls = encrypted, "{whose}: connected");
    }
    let greeted = if foreign {
        Err(not_utf8().into())
    } else if fleet.pools.is_disabled(&session.executor.database.name) {
        Err(ClientError::not_accepting(&session.executor.database.name).into())
    } else {
        session.greet(&secret).await
    };
    let outcome = match greeted {
        Ok(()) => session.listen().await,
        Err(trouble) => session.last_words(trouble).await,
    };
    let reason = match (outcome, session.farewell.take()) {
        (_, Some(farewell)) => farewell,
        (Ok(()), None) => "client close request".to_owned(),
        (Err(gone), None) => gone.to_string(),
    };
    session.end().await;
    if log.1 {
        tracing::info!(client = id, age_s = came.elapsed().as_secs(), "{whose}: closed because: {reason}");
    }
    fleet.registry.leave(id);
}

impl Session {
    /// The first messages after authentication: the servers' parameters, the cancel key, ready.
    async fn greet(&mut self, secret: &[u8]) -> Result<(), Trouble> {
        let parameters: BTreeMap<String, String> = self.executor.introduce().await?;
        self.warn_of_long_name();
        for (name, value) in &parameters {
            write::parameter_status(self.peer.out(), name, value);
        }
        self.executor.reported = Reported::new(parameters);
        write::backend_key(self.peer.out(), self.id, secret);
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
        let cancellable = Arc::clone(&self.executor.cancellable);
        loop {
            self.patience.look(&self.executor.fleet.config, self.executor.transaction.is_explicit());
            if self.patience.is_exhausted() {
                return self.say_last(&ClientError::transaction_timeout()).await;
            }
            if self.expects.is_empty() {
                self.executor.admissions.clear();
            }
            let frame = match self.peer.buffered_frame()? {
                Some(frame) => frame,
                None => match self.wait().await? {
                    Some(frame) => frame,
                    None => return Ok(()),
                },
            };
            let limit = self.patience.work();
            self.executor.counters.traffic(self.peer.received(), self.peer.sent());
            match frame.tag() {
                b'X' => return Ok(()),
                b'Q' | b'F' if self.skipping => {}
                b'P' | b'B' | b'D' | b'E' | b'C' | b'H' if self.skipping => {}
                b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'S' | b'H' => {
                    match (self.at_once(&frame), limit, frame.tag()) {
                        (Ok(true), ..) => {}
                        (Ok(false), None, b'S') => self.sync().await?,
                        (Ok(false), None, b'Q') => self.simple(&frame).await?,
                        (Ok(false), None, b'B') => {
                            if let Err(trouble) = self.bind_counted(&frame).await {
                                Box::pin(self.stumble(trouble)).await?;
                            }
                        }
                        (tried, ..) => {
                            let work = Box::pin(self.message(&frame, tried.err()));
                            within(limit, &cancellable, work).await?;
                        }
                    }
                }
                b'F' => within(limit, &cancellable, Box::pin(self.function_call(&frame))).await?,
                // What a client still sends of a COPY that the server ended is dropped.
                b'd' | b'c' | b'f' => {}
                tag => {
                    let error = ClientError::protocol(format!("invalid frontend message type {tag}"));
                    return self.say_last(&error).await;
                }
            }
        }
    }

    /// A Bind of the client's own.
    fn bind_counted<'a>(&'a mut self, frame: &'a Frame) -> impl Future<Output = Result<(), Trouble>> + 'a {
        self.executor.counters.add(Count::Binds, 1);
        self.bind(frame)
    }

    /// A message that may need waiting, or that met this trouble already.
    async fn message(&mut self, frame: &Frame, trouble: Option<Trouble>) -> Result<(), PeerGone> {
        let outcome = match (trouble, frame.tag()) {
            (Some(trouble), _) => Err(trouble),
            (None, b'Q') => return self.simple(frame).await,
            (None, b'S') => return self.sync().await,
            (None, b'B') => self.bind_counted(frame).await,
            (None, _) => Box::pin(self.extended(frame)).await,
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(trouble) => Box::pin(self.stumble(trouble)).await,
        }
    }

    /// The client's next message; `None` where the session is over before one comes, and the client was
    /// told why.
    async fn wait(&mut self) -> Result<Option<Frame>, PeerGone> {
        let idle = !self.executor.transaction.is_explicit()
            && self.executor.transaction.branches.is_empty()
            && self.expects.is_empty();
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
                    Some(frame) => {
                        self.peer.out().extend_from_slice(frame.bytes());
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

    async fn simple(&mut self, frame: &Frame) -> Result<(), PeerGone> {
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
        match text(query.text) {
            Ok(text) => self.query(text).await,
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
                let why = self.executor.cancellable.timed_out().filter(|_| fields.sqlstate() == "57014");
                match why {
                    Some(why) => ClientError::new("57014", why).encode(self.peer.out()),
                    None => write::error(self.peer.out(), &fields.as_error()),
                }
            }
            Trouble::Tell(error) => {
                self.executor.fleet.metrics.error(&self.executor.database.name, error.class());
                self.executor.counters.add(Count::Errors, 1);
                error.encode(self.peer.out());
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
        if !self.executor.news.is_empty() {
            self.peer.out().unsplit(self.executor.news.split());
        }
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

/// What a server says on a connection that the session keeps, without having been asked.
async fn unasked(kept: impl Iterator<Item = &mut crate::pool::Lent>) -> Option<Frame> {
    let mut kept: Vec<_> = kept.map(|connection| Box::pin(connection.frame())).collect();
    match kept.len() {
        0 => std::future::pending().await,
        1 => kept.remove(0).await.ok(),
        _ => select_all(kept).await.0.ok(),
    }
}
