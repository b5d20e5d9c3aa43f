//! What runs beside the fleet, and the order in which it starts and ends.
//!
//! ```text
//! bind -> (the fleet is assembled) -> ready, accept -> drain: not ready, no new clients,
//!      transactions end, those that last too long are cut off -> end
//! ```

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::{Door, Entrance};
use super::host::Host;
use super::logins::Logins;
use super::reload::{Ending, Order, Orders, Standing};
use super::signals::{Signals, Wish};
use super::systemd::{self, Inherited};
use super::workers::Workers;
use crate::client::Gate;
use crate::config::{Config, ProxyConfig};
use crate::metrics::Metrics;
use crate::net::Listener;
use crate::net::listen::Sharing;
use crate::net::tls::{ClientTls, TlsFault, towards_clients};
use crate::web::{self, Board, Readiness};

/// How long transactions may take to end after Ctrl-C.
const HASTE: Duration = Duration::from_secs(5);

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CannotServe {
    /// An address is taken, or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("TLS for clients: {0}")]
    Tls(#[from] TlsFault),
    /// No threads could be started.
    #[error("no threads could be started: {0}")]
    Threads(io::Error),
    /// Signals cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
}

/// A daemon whose addresses are bound; the fleet is still to come.
pub struct Daemon {
    /// What is counted.
    pub metrics: Metrics,
    /// Cancelled when the daemon begins to end.
    pub shutdown: CancellationToken,
    /// All tasks; the end waits for them.
    pub tasks: TaskTracker,
    /// What `/readyz` says.
    pub readiness: Readiness,
    /// What `/` shows.
    pub board: Board,
    /// For the console: reads the configuration again, or ends the daemon.
    pub orders: Orders,
    ordered: mpsc::Receiver<Order>,
    standing: Standing,
    gate: Gate,
    workers: Workers,
    entrances: Vec<Entrance>,
    signals: Signals,
    web_end: CancellationToken,
}

impl Daemon {
    /// Binds all addresses and serves HTTP: not ready yet. `file` is read again on SIGHUP. Needs a
    /// runtime.
    pub async fn bind(config: Arc<Config>, file: PathBuf) -> Result<Daemon, CannotServe> {
        let signals = Signals::listen().map_err(CannotServe::Signals)?;
        let gate = Gate::new(Arc::clone(&config), tls(&config.proxy)?);
        tokio::task::spawn_blocking(gate.warm());
        let workers = Workers::start(config.proxy.worker_threads).map_err(CannotServe::Threads)?;
        let inherited =
            systemd::inherited().map_err(|source| taken("a socket of systemd's".into(), source))?;
        let Inherited { clients, http } = inherited;
        let entrances = entrances(clients, &config.proxy)?;
        let http_listener = match http {
            Some(listener) => listener,
            None => {
                let http = config.proxy.http_listen;
                TcpListener::bind(http).await.map_err(|source| taken(http.to_string(), source))?
            }
        };
        let (mut metrics, readiness, board) = (Metrics::default(), Readiness::default(), Board::default());
        metrics.show_tenants(config.proxy.tenant_metrics);
        let (orders, ordered) = Orders::new();
        let web_end = CancellationToken::new();
        tokio::spawn(web::serve(
            http_listener,
            (metrics.clone(), board.clone()),
            readiness.clone(),
            web_end.clone(),
        ));
        Ok(Daemon {
            metrics,
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            readiness,
            board,
            orders,
            ordered,
            standing: Standing::of(config, file),
            gate,
            workers,
            entrances,
            signals,
            web_end,
        })
    }

    /// Lets the fleet be assembled; `None` where a signal ends the daemon meanwhile.
    pub async fn while_starting<T>(&mut self, assembling: impl Future<Output = T>) -> Option<T> {
        let ended = self.signals.next_end();
        tokio::select! {
            assembled = assembling => Some(assembled),
            () = ended => None,
        }
    }

    /// Accepts clients for the fleet until a signal ends the daemon.
    pub async fn run<H: Host>(self, host: Arc<H>) {
        let door = Arc::new(Door {
            gate: ArcSwap::from_pointee(self.gate),
            host,
            metrics: self.metrics,
            tasks: self.tasks.clone(),
            guests: TaskTracker::new(),
            logins: Logins::default(),
            closing: CancellationToken::new(),
            shutdown: self.shutdown.clone(),
            workers: self.workers,
        });
        for entrance in self.entrances {
            self.tasks.spawn(Arc::clone(&door).attend(entrance));
        }
        let limit = {
            let door = Arc::clone(&door);
            move || door.gate.load().config.proxy.worker_load
        };
        self.tasks.spawn(Arc::clone(&door.workers.crew).balance(limit, self.shutdown.clone()));
        self.readiness.ready();
        systemd::ready();
        tokio::spawn(systemd::watchdog());
        tracing::info!(listen = ?self.standing.config.proxy.listen, "ready for clients");

        let (mut signals, mut standing, mut ordered) = (self.signals, self.standing, self.ordered);
        let ending = loop {
            let wish = tokio::select! {
                wish = signals.next() => wish,
                Some(order) = ordered.recv() => match order {
                    Order::Reload(reply) => {
                        // Whoever asked may have left.
                        let _ = reply.send(standing.renew(&door).await);
                        continue;
                    }
                    Order::Set(key, value, reply) => {
                        let _ = reply.send(standing.set(&key, &value, &door));
                        continue;
                    }
                    Order::End(ending) => break ending,
                },
            };
            match wish {
                // What came of it stands in the log.
                Wish::Reload => drop(standing.renew(&door).await),
                Wish::Pause => door.host.hold(true),
                Wish::Resume => door.host.hold(false),
                Wish::Drain => break Ending::Transactions,
                Wish::DrainSoon => break Ending::Haste,
                Wish::Quit => break Ending::Now,
            }
        };
        self.readiness.draining();
        systemd::stopping();
        door.closing.cancel();
        self.tasks.close();
        if ending == Ending::Clients {
            tracing::info!("draining: no new clients; those that are here may stay until they leave");
            door.guests.close();
            tokio::select! {
                () = door.guests.wait() => {}
                () = signals.next_end() => tracing::warn!("a signal: clients are sent away"),
            }
        }
        let patience = match ending {
            Ending::Clients | Ending::Transactions => standing.config.proxy.shutdown_timeout,
            Ending::Haste => standing.config.proxy.shutdown_timeout.min(HASTE),
            Ending::Now => Duration::ZERO,
        };
        tracing::info!(?patience, "draining: no new clients, transactions may end");
        self.shutdown.cancel();
        drain(&self.tasks, patience, &mut signals).await;
        self.web_end.cancel();
    }
}

async fn drain(tasks: &TaskTracker, patience: Duration, signals: &mut Signals) {
    tokio::select! {
        biased;
        () = tasks.wait() => tracing::info!("all clients have left"),
        () = tokio::time::sleep(patience) => tracing::warn!(tasks = tasks.len(), "transactions are cut off"),
        () = signals.next_end() => tracing::warn!(tasks = tasks.len(), "a second signal: transactions are cut off"),
    }
}

/// TLS for clients, where it is configured.
pub(super) fn tls(config: &ProxyConfig) -> Result<Option<ClientTls>, CannotServe> {
    let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else { return Ok(None) };
    Ok(Some(towards_clients(certificate, key, config.tls_client_ca.as_deref())?))
}

/// Where clients come in: by the sockets that were handed over, else by those of the configuration.
fn entrances(inherited: Vec<Listener>, config: &ProxyConfig) -> Result<Vec<Entrance>, CannotServe> {
    if !inherited.is_empty() {
        return Ok(inherited.into_iter().map(Entrance::Inherited).collect());
    }
    let sharing = if config.so_reuseport { Sharing::WithOthers } else { Sharing::Alone };
    let backlog = config.listen_backlog;
    let tcp = |address: &SocketAddr| {
        Listener::tcp(*address, sharing, backlog).map_err(|source| taken(address.to_string(), source))
    };
    let mut listeners = config.listen.iter().map(tcp).collect::<Result<Vec<_>, _>>()?;
    if let (Some(folder), Some(first)) = (&config.unix_socket_dir, config.listen.first()) {
        let path = folder.join(format!(".s.PGSQL.{}", first.port()));
        let unix = Listener::unix(&path, config.unix_socket_mode, backlog);
        listeners.push(unix.map_err(|source| taken(path.display().to_string(), source))?);
    }
    Ok(listeners.into_iter().map(Entrance::Ours).collect())
}

fn taken(address: String, source: io::Error) -> CannotServe {
    CannotServe::Listen { address, source }
}
