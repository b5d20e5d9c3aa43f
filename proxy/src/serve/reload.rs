//! What the console asks of the daemon: to read its configuration again, to change a key of it until then,
//! or to end. SIGHUP reads it, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::accept::Door;
use super::daemon::{CannotServe, tls};
use super::host::Host;
use super::systemd;
use crate::config::{Amendments, Config, Faults};

/// Why the configuration stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum NotReloaded {
    /// The file has faults.
    #[error("the configuration stays as it was:\n{0}")]
    Faults(#[from] Faults),
    /// Its certificate cannot be used.
    #[error("the configuration stays as it was: {0}")]
    Tls(#[from] CannotServe),
    /// A key cannot be set so.
    #[error("{0}")]
    Refused(String),
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
    /// Put a key's value in force until the configuration is read again.
    Set(String, String, oneshot::Sender<Result<(), NotReloaded>>),
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

    /// Puts a key's value in force until the file is read again.
    ///
    /// # Errors
    /// [`NotReloaded`]; then nothing has changed.
    pub async fn set(&self, key: String, value: String) -> Result<(), NotReloaded> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Order::Set(key, value, reply)).await.map_err(|_| NotReloaded::NotServing)?;
        answer.await.map_err(|_| NotReloaded::NotServing)?
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

/// The configuration in force, and what it came from.
pub(super) struct Standing {
    pub(super) config: Arc<Config>,
    file: PathBuf,
    /// What the file said when it was read last.
    text: String,
    /// What was set since.
    amendments: Amendments,
}

impl Standing {
    /// A configuration that was just read.
    pub(super) fn of(config: Arc<Config>, file: PathBuf) -> Standing {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Standing { config, file, text, amendments: Amendments::default() }
    }

    /// Puts a key's value in force until the file is read again.
    pub(super) fn set<H: Host>(&mut self, key: &str, value: &str, door: &Door<H>) -> Result<(), NotReloaded> {
        let amended = self.amendments.and(key, value, &self.text);
        let (amendments, newer) = amended.map_err(|faults| NotReloaded::Refused(words(&faults)))?;
        let (config, kept) = self.config.reloaded(newer);
        if !kept.is_empty() {
            return Err(NotReloaded::Refused(format!("{key} can be changed by a restart only")));
        }
        if config == *self.config {
            return Ok(());
        }
        self.config = enforce(config, door)?;
        self.amendments = amendments;
        tracing::info!(key, value, "set until the configuration is read again");
        Ok(())
    }

    /// Reads the file again; says in the log what came of it.
    pub(super) async fn renew<H: Host>(&mut self, door: &Door<H>) -> Reloaded {
        systemd::reloading();
        let renewed = renewed(&self.config, &self.file, door).await;
        systemd::ready();
        match renewed {
            Ok((config, kept)) => {
                self.config = config;
                self.text = std::fs::read_to_string(&self.file).unwrap_or_default();
                self.amendments = Amendments::default();
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
    Ok((enforce(config, door)?, kept))
}

/// Puts a configuration in force.
fn enforce<H: Host>(config: Config, door: &Door<H>) -> Result<Arc<Config>, CannotServe> {
    let tls = tls(&config.proxy)?;
    let config = Arc::new(config);
    let (gate, newer) = (door.gate.load_full(), Arc::clone(&config));
    let gate = gate.reloaded(newer, tls);
    tokio::task::spawn_blocking(gate.warm());
    door.gate.store(Arc::new(gate));
    door.host.reload(Arc::clone(&config));
    Ok(config)
}

fn words(faults: &Faults) -> String {
    faults.faults.iter().map(|fault| fault.what.as_str()).collect::<Vec<_>>().join("; ")
}
