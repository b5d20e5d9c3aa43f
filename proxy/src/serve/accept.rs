//! From a listener to sessions: one task a client.
//!
//! Logins, which cost more than a statement, and the console stay on the runtime that accepts; who is
//! authenticated moves to a worker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::host::Host;
use super::logins::{Login, Logins};
use super::workers::{Crew, Seat, Workers};
use crate::client::{Arrival, Ended, Gate, Startup, receive};
use crate::config::CONSOLE;
use crate::metrics::{LoginOutcome, Metrics};
use crate::net::Listener;
use crate::net::listen::Accepted;

/// Where clients come in.
#[derive(Debug)]
pub(super) enum Entrance {
    /// A socket that ends with the daemon.
    Ours(Listener),
    /// A socket that was there before and stays.
    Inherited(Listener),
}

/// What every accepted connection needs.
pub(super) struct Door<H> {
    pub(super) gate: ArcSwap<Gate>,
    pub(super) host: Arc<H>,
    pub(super) metrics: Metrics,
    pub(super) tasks: TaskTracker,
    /// Who comes in or is here, from the accepted connection on; but for the console's clients.
    pub(super) guests: TaskTracker,
    /// Who is logging in.
    pub(super) logins: Logins,
    /// Cancelled when no new clients are wanted.
    pub(super) closing: CancellationToken,
    /// Cancelled when those that are here are to end.
    pub(super) shutdown: CancellationToken,
    pub(super) workers: Workers,
}

impl<H: Host> Door<H> {
    /// Accepts clients until no new ones are wanted; those whose connection stands already are received.
    pub(super) async fn attend(self: Arc<Self>, entrance: Entrance) {
        /// When the machine is out of file descriptors, closing some takes a moment.
        const AFTER_FAILURE: Duration = Duration::from_millis(50);
        let _open = self.guests.token();
        let (Entrance::Ours(listener) | Entrance::Inherited(listener)) = &entrance;
        while let Some((login, accepted)) = self.closing.run_until_cancelled(self.next(listener)).await {
            match accepted {
                Ok(accepted) => self.receive(accepted, login),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
        let closed = match entrance {
            Entrance::Ours(listener) => listener.close(),
            // Who waits there waits for the next process.
            Entrance::Inherited(_) => return,
        };
        match closed {
            Ok(waiting) => waiting.into_iter().for_each(|accepted| self.receive(accepted, None)),
            Err(error) => tracing::warn!(%error, "the last connections could not be accepted"),
        }
    }

    /// The next connection, once there is room for its login. The unix socket always has room, so that
    /// strangers keep nobody on this machine out. Cancel-safe.
    async fn next(&self, listener: &Listener) -> (Option<Login>, io::Result<Accepted>) {
        match listener {
            Listener::Tcp(_) => {
                self.logins.room(|| self.gate.load().config.proxy.max_client_logins).await;
                let accepted = listener.accept().await;
                (Some(self.logins.enter()), accepted)
            }
            Listener::Unix(_) => (None, listener.accept().await),
        }
    }

    fn receive(self: &Arc<Self>, accepted: Accepted, login: Option<Login>) {
        let welcome = Arc::clone(self).welcome(accepted, login, self.guests.token());
        self.tasks.spawn(welcome);
    }

    async fn welcome(self: Arc<Self>, accepted: Accepted, login: Option<Login>, guest: TaskTrackerToken) {
        let gate = self.gate.load_full();
        if accepted.tune(gate.config.proxy.keepalive).is_err() {
            // It is gone already.
            return;
        }
        /// How long the end of a cancel request's connection may take.
        const LAST_WORDS: Duration = Duration::from_secs(1);
        /// How long a login may still take once the daemon ends.
        const LAST_LOGINS: Duration = Duration::from_secs(1);
        let ending = async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(LAST_LOGINS).await;
        };
        let arrival = tokio::select! {
            biased;
            arrival = receive(accepted, &gate, &*self.host) => arrival,
            () = ending => return,
        };
        drop(login);
        match arrival {
            Ok(Arrival::Client(startup)) => {
                self.metrics.login(LoginOutcome::Accepted);
                self.admit(startup, guest).await;
            }
            Ok(Arrival::Cancel(request, mut stream)) => {
                Arc::clone(&self.host).cancel(request).await;
                // Over TLS a client tells a good end from a broken one.
                let _ = tokio::time::timeout(LAST_WORDS, stream.shutdown()).await;
            }
            Err(ended) => self.note(&ended),
        }
    }

    /// Lets a client take its seat. The console keeps to this runtime: what it asks for is the operator's.
    async fn admit(&self, startup: Box<Startup>, guest: TaskTrackerToken) {
        let database = &startup.database;
        let present = Present::new(self.metrics.database(database).clients);
        let host = Arc::clone(&self.host);
        let (seat, guest) = match database == CONSOLE {
            true => {
                drop(guest);
                (None, None)
            }
            false => (self.workers.crew.seat(self.gate.load().config.proxy.worker_load), Some(guest)),
        };
        let Some(seat) = seat else {
            Box::pin(host.serve(startup, Arc::default())).await;
            return drop((present, guest));
        };
        let stay = Stay {
            host,
            tasks: self.tasks.clone(),
            crew: Arc::clone(&self.workers.crew),
            changes: self.metrics.thread_changes.clone(),
            _present: present,
            _guest: guest,
        };
        stay.begin(startup, seat);
    }

    /// Who goes away again, or is no client at all, is not worth a line above DEBUG.
    fn note(&self, ended: &Ended) {
        match ended {
            Ended::Refused(error) => {
                self.metrics.login(LoginOutcome::Refused);
                tracing::info!(sqlstate = error.sqlstate, %error, "a login was refused");
            }
            Ended::Gone(_) | Ended::Garbage(_) | Ended::TimedOut => {
                self.metrics.login(LoginOutcome::Abandoned);
                tracing::debug!(%ended, "a connection ended before its login");
            }
        }
    }
}

/// What a client has on whatever worker it is.
struct Stay<H> {
    host: Arc<H>,
    tasks: TaskTracker,
    crew: Arc<Crew>,
    changes: Counter,
    _present: Present,
    _guest: Option<TaskTrackerToken>,
}

impl<H: Host> Stay<H> {
    /// An authenticated client takes its seat.
    fn begin(self, mut startup: Box<Startup>, seat: Seat) {
        let (tasks, runtime) = (self.tasks.clone(), seat.runtime());
        let served = async move {
            match startup.stream.move_here() {
                Ok(stream) => {
                    startup.stream = stream;
                    let resting = Arc::clone(&self.host).serve(startup, seat.burden()).await;
                    self.go_on(resting, seat);
                }
                Err(error) => tracing::warn!(%error, "a client could not be taken over by its worker"),
            }
        };
        tasks.spawn_on(served, &runtime);
    }

    /// A client that rests goes to the worker that its own one sent it to.
    fn go_on(self, resting: Option<H::Resting>, seat: Seat) {
        let Some(resting) = resting else { return };
        self.changes.inc();
        let seat = self.crew.seat_after(&seat);
        let (tasks, runtime) = (self.tasks.clone(), seat.runtime());
        let served = async move {
            let resting = Arc::clone(&self.host).serve_on(resting, seat.burden()).await;
            self.go_on(resting, seat);
        };
        tasks.spawn_on(served, &runtime);
    }
}

/// A client among those that are counted, until it is dropped.
struct Present(Gauge);

impl Present {
    fn new(clients: Gauge) -> Present {
        clients.inc();
        Present(clients)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}
