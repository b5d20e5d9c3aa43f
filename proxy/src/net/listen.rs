//! What listens for clients: TCP addresses and unix sockets.

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::{FileMode, Keepalive};

/// Whether other processes may listen on the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// This process alone.
    Alone,
    /// With others that say the same: the kernel spreads the clients (`SO_REUSEPORT`).
    WithOthers,
}

/// A listener for clients.
#[derive(Debug)]
pub enum Listener {
    /// On a TCP address.
    Tcp(TcpListener),
    /// On a unix socket.
    Unix(UnixListener),
}

/// A client's fresh connection; its TLS is still to be negotiated.
#[derive(Debug)]
pub enum Accepted {
    /// Over TCP, from this address.
    Tcp(TcpStream, SocketAddr),
    /// Over a unix socket.
    Unix(UnixStream),
}

impl Listener {
    /// Listens on a TCP address, and on no other: an IPv6 one is not for IPv4, too. The kernel keeps
    /// `backlog` connections that nobody has accepted yet.
    pub fn tcp(address: SocketAddr, sharing: Sharing, backlog: u32) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        match sharing {
            Sharing::Alone => {}
            Sharing::WithOthers => socket.set_reuse_port(true)?,
        }
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::from_std(socket.into()).map(Listener::Tcp)
    }

    /// Listens on a unix socket; one that a dead process left is replaced.
    pub fn unix(path: &Path, mode: FileMode, backlog: u32) -> io::Result<Listener> {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(_) => {}
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Nobody can connect before it listens, so nobody slips in before the mode is set.
        std::fs::set_permissions(path, Permissions::from_mode(mode.0))?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        UnixListener::from_std(socket.into()).map(Listener::Unix)
    }

    /// Where it listens, over TCP.
    pub fn address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Some),
            Listener::Unix(_) => Ok(None),
        }
    }

    /// Closes it. The kernel would reset the connections that it has made and nobody has accepted, so
    /// those come first.
    pub fn close(self) -> io::Result<Vec<Accepted>> {
        let mut accepted = Vec::new();
        match self {
            Listener::Tcp(listener) => {
                let listener = listener.into_std()?;
                while let Ok((stream, from)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    accepted.push(Accepted::Tcp(TcpStream::from_std(stream)?, from));
                }
            }
            Listener::Unix(listener) => {
                let listener = listener.into_std()?;
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    accepted.push(Accepted::Unix(UnixStream::from_std(stream)?));
                }
            }
        }
        Ok(accepted)
    }

    /// The next client. Cancel-safe.
    pub async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => {
                listener.accept().await.map(|(stream, from)| Accepted::Tcp(stream, from))
            }
            Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

impl Accepted {
    /// Lets small messages leave at once, and a client that has vanished be noticed.
    pub fn tune(&self, keepalive: Keepalive) -> io::Result<()> {
        match self {
            Accepted::Tcp(stream, _) => tune(stream, keepalive),
            Accepted::Unix(_) => Ok(()),
        }
    }
}

/// A peer that acknowledges nothing for this long is noticed.
pub(super) fn notice_silence(stream: &TcpStream, limit: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let probes = limit.as_secs().max(1).div_ceil(3);
    let keepalive =
        TcpKeepalive::new().with_time(limit).with_interval(Duration::from_secs(probes)).with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(limit))?;
    Ok(())
}

/// Small messages leave at once, and a peer that vanished is noticed. There is no TCP_USER_TIMEOUT: it would also end who is there and merely does not read, such as a client between
/// two pages of a long result, or a server that waits for a lock within a COPY.
pub(super) fn tune(stream: &TcpStream, keepalive: Keepalive) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Keepalive { idle, interval, count } = keepalive;
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(count);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
