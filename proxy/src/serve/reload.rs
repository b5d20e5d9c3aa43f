//! What the console asks of the daemon: to read its configuration again, or to end. SIGHUP reads it, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::accept::Door;
use super::daemon::{CannotServe, tls};
use super::host::Host;
use super::systemd;
use crate::config::{Config, Faults};

/// Why the configuration stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum NotReloaded {
    /// The file has faults.
    #[error("the configuration stays as it was:\n{0}")]
    Faults(#[from] Faults),
    /// Its certificate cannot be used.
    #[error("the configuration stays as it was: {0}")]
    Tls(#[from] CannotServe),
    /// The daemon is starting or ending.
    #[error("the daemon is not serving")]
    NotServing,
}

/// What a reload did: the keys whose change needs a restart.
pub type Reloaded = Result<Vec<&'static str>, NotReloaded>;

/// For whom the end of the daemon waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// For nobody.
    Now,
    /// For transactions, a few seconds.
    Haste,
    /// For transactions, within `shutdown_timeout`.
    Transactions,
    /// Until the last client has left by itself.
    Clients,
}

/// What is asked of the daemon.
#[derive(Debug)]
pub(super) enum Order {
    /// Read the configuration again, and say what came of it.
    Reload(oneshot::Sender<Reloaded>),
    /// End.
    End(Ending),
}

/// Asks things of the daemon; clones ask the same one.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Order>);

impl Orders {
    pub(super) fn new() -> (Orders, mpsc::Receiver<Order>) {
        let (sender, orders) = mpsc::channel(4);
        (Orders(sender), orders)
    }

    /// Ends the daemon.
    ///
    /// # Errors
    /// [`NotReloaded::NotServing`] where it is starting or ending.
    pub async fn end(&self, ending: Ending) -> Result<(), NotReloaded> {
        self.0.send(Order::End(ending)).await.map_err(|_| NotReloaded::NotServing)
    }

    /// Reads the file again and puts it in force.
    ///
    /// # Errors
    /// [`NotReloaded`]; then nothing has changed.
    pub async fn reload(&self) -> Reloaded {
        let (reply, answer) = oneshot::channel();
        self.0.send(Order::Reload(reply)).await.map_err(|_| NotReloaded::NotServing)?;
        answer.await.map_err(|_| NotReloaded::NotServing)?
    }
}

/// The configuration in force, and the file it came from.
pub(super) struct Standing {
    pub(super) config: Arc<Config>,
    pub(super) file: PathBuf,
}

impl Standing {
    /// Reads the file again; says in the log what came of it.
    pub(super) async fn renew<H: Host>(&mut self, door: &Door<H>) -> Reloaded {
        systemd::reloading();
        let renewed = renewed(&self.config, &self.file, door).await;
        systemd::ready();
        match renewed {
            Ok((config, kept)) => {
                self.config = config;
                for key in &kept {
                    tracing::warn!(key, "a change of this key needs a restart");
                }
                tracing::info!("the configuration was read again");
                Ok(kept)
            }
            Err(error) => {
                tracing::error!("{error}");
                Err(error)
            }
        }
    }
}

async fn renewed<H: Host>(
    standing: &Config,
    file: &Path,
    door: &Door<H>,
) -> Result<(Arc<Config>, Vec<&'static str>), NotReloaded> {
    let (config, kept) = standing.reloaded(Config::load(file)?);
    let tls = tls(&config.proxy)?;
    let config = Arc::new(config);
    let (gate, newer) = (door.gate.load_full(), Arc::clone(&config));
    let gate = gate.reloaded(newer, tls);
    tokio::task::spawn_blocking(gate.warm());
    door.gate.store(Arc::new(gate));
    door.host.reload(Arc::clone(&config));
    Ok((config, kept))
}
