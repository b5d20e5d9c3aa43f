//! What listens for clients: TCP addresses and unix sockets.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

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
    /// Listens on a TCP address.
    pub fn tcp(address: SocketAddr, sharing: Sharing) -> io::Result<Listener> {
        const BACKLOG: i32 = 1024;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        match sharing {
            Sharing::Alone => {}
            Sharing::WithOthers => socket.set_reuse_port(true)?,
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into()).map(Listener::Tcp)
    }

    /// Listens on a unix socket; one that a dead process left is replaced.
    pub fn unix(path: &Path) -> io::Result<Listener> {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(_) => {}
        }
        UnixListener::bind(path).map(Listener::Unix)
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
                    let stream = TcpStream::from_std(stream)?;
                    tune(&stream)?;
                    accepted.push(Accepted::Tcp(stream, from));
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
                let (stream, from) = listener.accept().await?;
                tune(&stream)?;
                Ok(Accepted::Tcp(stream, from))
            }
            Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
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

/// Small messages leave at once, and a peer that vanished is noticed within two minutes. There is no
/// TCP_USER_TIMEOUT: it would also end who is there and merely does not read, such as a client between
/// two pages of a long result, or a server that waits for a lock within a COPY.
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    const IDLE: Duration = Duration::from_secs(60);
    const BETWEEN: Duration = Duration::from_secs(10);
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(IDLE).with_interval(BETWEEN).with_retries(6))?;
    Ok(())
}
