//! What the operator asks for by signals.
//!
//! | signal | means |
//! | --- | --- |
//! | SIGHUP | read the configuration again |
//! | SIGUSR1, SIGUSR2 | PAUSE, RESUME of all databases |
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
    /// Lend no connections any more.
    Pause,
    /// Lend again.
    Resume,
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
    first: Signal,
    second: Signal,
}

impl Signals {
    /// Takes the signals over from their defaults.
    pub(super) fn listen() -> io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            first: signal(SignalKind::user_defined1())?,
            second: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next wish. Cancel-safe.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.terminate.recv() => Wish::Drain,
            _ = self.interrupt.recv() => Wish::DrainSoon,
            _ = self.quit.recv() => Wish::Quit,
            _ = self.first.recv() => Wish::Pause,
            _ = self.second.recv() => Wish::Resume,
        }
    }

    /// The next wish that the daemon end. Cancel-safe.
    pub(super) async fn next_end(&mut self) {
        loop {
            match self.next().await {
                Wish::Reload | Wish::Pause | Wish::Resume => {}
                Wish::Drain | Wish::DrainSoon | Wish::Quit => return,
            }
        }
    }
}
