//! What systemd gives and is told: sockets that it listens on for us (`LISTEN_FDS`), and the daemon's
//! state (`NOTIFY_SOCKET`). Without systemd all of this does nothing.

use std::io;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::TcpListener;

use crate::net::Listener;

/// The name (`FileDescriptorName=`) of the socket for HTTP; all others are for clients.
const HTTP: &str = "http";

/// The sockets that were handed over.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    /// For clients.
    pub(super) clients: Vec<Listener>,
    /// For `/readyz` and `/metrics`.
    pub(super) http: Option<TcpListener>,
}

/// Takes the sockets that were handed over. Needs a runtime.
///
/// # Errors
/// One of them is no listening socket.
pub(super) fn inherited() -> io::Result<Inherited> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut sockets = ListenFd::from_env();
    let mut inherited = Inherited::default();
    for number in 0..sockets.len() {
        let name = names.next().unwrap_or_default();
        if let Ok(Some(listener)) = sockets.take_tcp_listener(number) {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            match name {
                HTTP => inherited.http = Some(listener),
                _ => inherited.clients.push(Listener::Tcp(listener)),
            }
        } else if let Some(listener) = sockets.take_unix_listener(number)? {
            listener.set_nonblocking(true)?;
            inherited.clients.push(Listener::Unix(tokio::net::UnixListener::from_std(listener)?));
        }
    }
    Ok(inherited)
}

/// Clients may come.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] ends that.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the clock cannot be read"),
    }
}

/// The daemon ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the daemon lives, as often as it is wanted to (`WatchdogSec=`).
pub(super) async fn watchdog() {
    let Some(limit) = watchdog_limit() else { return };
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(limit / 2).await;
    }
}

/// How long the daemon may be silent, by `sd_watchdog_enabled(3)`: the process id may be left out.
fn watchdog_limit() -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let ours = number("WATCHDOG_PID").is_none_or(|process| process == u64::from(std::process::id()));
    let limit = number("WATCHDOG_USEC").filter(|limit| ours && *limit > 0)?;
    Some(Duration::from_micros(limit))
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::warn!(%error, "systemd cannot be told of the daemon's state");
    }
}
