//! What the operator asks for by signals.
//!
//! | signal | means |
//! | --- | --- |
//! | SIGHUP | read the configuration again |
//! | SIGTERM | drain: transactions end within `shutdown_timeout` |
//! | SIGINT | drain, but within a few seconds: somebody pressed Ctrl-C |
//! | SIGQUIT, or a second of the above | end now |

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// One wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Read the configuration again.
    Reload,
    /// End when transactions have ended.
    Drain,
    /// The same, in haste.
    DrainSoon,
    /// End now.
    Quit,
}

/// The signals, listened to from their making on.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    /// Takes the signals over from their defaults.
    pub(super) fn listen() -> io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The next wish. Cancel-safe.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.terminate.recv() => Wish::Drain,
            _ = self.interrupt.recv() => Wish::DrainSoon,
            _ = self.quit.recv() => Wish::Quit,
        }
    }
}
