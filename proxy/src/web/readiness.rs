//! Whether a load balancer should send clients here.

use tokio::sync::watch;

/// The stages of a daemon's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Directories and catalogs are not loaded yet.
    Starting,
    /// Clients are accepted.
    Ready,
    /// Clients are no longer accepted; transactions end.
    Draining,
}

impl Stage {
    /// The stage in a word.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Starting => "starting",
            Stage::Ready => "ready",
            Stage::Draining => "draining",
        }
    }
}

/// The daemon's stage; clones share it.
#[derive(Clone, Debug)]
pub struct Readiness(watch::Sender<Stage>);

impl Default for Readiness {
    fn default() -> Self {
        Readiness(watch::Sender::new(Stage::Starting))
    }
}

impl Readiness {
    /// The stage now.
    pub fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Clients may come; nothing leads back from draining.
    pub fn ready(&self) {
        self.0.send_if_modified(|stage| match stage {
            Stage::Starting => {
                *stage = Stage::Ready;
                true
            }
            Stage::Ready | Stage::Draining => false,
        });
    }

    /// Clients must no longer come.
    pub fn draining(&self) {
        self.0.send_replace(Stage::Draining);
    }
}
