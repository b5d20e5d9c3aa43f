//! A client's coming and going: its session made, the welcome, the last lines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tracing::{Instrument, Span};

use crate::client::burden::{Burden, Desk};
use crate::client::command::say_besides;
use crate::client::gate::Slot;
use crate::client::named::Named;
use crate::client::patience::Patience;
use crate::client::registry::ClientEntry;
use crate::client::session::Session;
use crate::client::set::check_readable;
use crate::client::spans;
use crate::client::startup::{self, Startup};
use crate::error::ClientError;
use crate::execute::executor::{Executor, Login};
use crate::execute::reported::Reported;
use crate::execute::settings::Settings;
use crate::execute::trouble::Trouble;
use crate::fleet::Fleet;
use crate::net::peer::{Peer, PeerGone};
use crate::wire::write;

/// How many bytes a name may have, with the byte that ends it.
const NAME_BYTES: usize = 64;

/// What the log says of a session's end, and its room among the clients.
pub(super) struct Guest {
    came: Instant,
    log_end: bool,
    _slot: Slot,
}

impl Session {
    /// The session of a client that was welcomed; `None` where it is over already.
    pub(super) async fn come(
        fleet: Arc<Fleet>,
        startup: Box<Startup>,
        burden: Arc<Burden>,
    ) -> Option<Box<Session>> {
        let (mut session, secret) = Session::of(&fleet, startup, burden)?;
        let span = session.span();
        match session.welcome(secret).instrument(span).await {
            Ok(()) => Some(session),
            Err(gone) => {
                let span = session.span();
                session.leave(Err(gone)).instrument(span).await;
                None
            }
        }
    }

    /// The session of a client, and its secret; `None` where its database is not there any more.
    fn of(
        fleet: &Arc<Fleet>,
        startup: Box<Startup>,
        burden: Arc<Burden>,
    ) -> Option<(Box<Session>, Box<[u8]>)> {
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
        let guest = Box::new(Guest { came: Instant::now(), log_end, _slot: startup.slot });
        let session = Box::new(Session {
            entry,
            guest,
            burden,
            desk: Desk::default(),
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
        Some((session, secret))
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

    /// Says why the session ended, and ends what it has.
    pub(super) async fn leave(mut self: Box<Self>, outcome: Result<(), PeerGone>) {
        let reason = match (outcome, self.farewell.take()) {
            (_, Some(farewell)) => farewell,
            (Ok(()), None) => "client close request".to_owned(),
            (Err(gone), None) => gone.to_string(),
        };
        let (fleet, entry) = (Arc::clone(&self.executor.fleet), Arc::clone(&self.entry));
        self.end().await;
        if self.guest.log_end {
            let age = self.guest.came.elapsed().as_secs();
            tracing::info!(client = entry.id, age_s = age, "{}: closed because: {reason}", whose(&entry));
        }
        fleet.registry.leave(entry.id);
        spans::forget(entry.id);
    }

    async fn end(&mut self) {
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
