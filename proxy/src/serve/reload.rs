//! Reading the configuration again: on SIGHUP, or because the console asks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::accept::Door;
use super::daemon::{CannotServe, tls};
use super::host::Host;
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

/// Asks the daemon to read its configuration again; clones ask the same daemon.
#[derive(Clone, Debug)]
pub struct Reloader(mpsc::Sender<oneshot::Sender<Reloaded>>);

/// Where the questions of [`Reloader`]s arrive.
pub(super) type Questions = mpsc::Receiver<oneshot::Sender<Reloaded>>;

impl Reloader {
    pub(super) fn new() -> (Reloader, Questions) {
        let (sender, questions) = mpsc::channel(4);
        (Reloader(sender), questions)
    }

    /// Reads the file again and puts it in force.
    ///
    /// # Errors
    /// [`NotReloaded`]; then nothing has changed.
    pub async fn reload(&self) -> Reloaded {
        let (reply, answer) = oneshot::channel();
        self.0.send(reply).await.map_err(|_| NotReloaded::NotServing)?;
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
        match renewed(&self.config, &self.file, door).await {
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
    // Passwords take a millisecond each.
    let gate = tokio::task::spawn_blocking(move || gate.reloaded(newer, tls)).await;
    door.gate.store(Arc::new(gate.map_err(|_| NotReloaded::NotServing)?));
    door.host.reload(Arc::clone(&config));
    Ok((config, kept))
}
