//! TLS with clients, and what a stream says about its other end.

use std::io;
use std::net::SocketAddr;

use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::net::Stream;
use crate::net::listen::Accepted;

/// A fresh connection as a stream without TLS.
pub(super) fn plain(accepted: Accepted) -> Stream {
    match accepted {
        Accepted::Tcp(stream, _) => Stream::Plain(stream),
        Accepted::Unix(stream) => Stream::Unix(stream),
    }
}

/// The first byte, without taking it; `None` where TLS cannot come, or nothing came.
pub(super) async fn first_byte(stream: &Stream) -> io::Result<Option<u8>> {
    match stream {
        Stream::Plain(stream) => {
            let mut first = [0];
            Ok((stream.peek(&mut first).await? > 0).then_some(first[0]))
        }
        Stream::Tls(_) | Stream::Unix(_) => Ok(None),
    }
}

/// True where TLS may begin: not within TLS, and not on a unix socket.
pub(super) fn may_begin(stream: &Stream) -> bool {
    matches!(stream, Stream::Plain(_))
}

/// Lets the client begin TLS.
pub(super) async fn begin(stream: Stream, acceptor: &TlsAcceptor) -> io::Result<Stream> {
    match stream {
        Stream::Plain(stream) => {
            let stream = acceptor.accept(stream).await?;
            Ok(Stream::Tls(Box::new(TlsStream::Server(stream))))
        }
        Stream::Tls(_) | Stream::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The protocol that TLS agreed on.
pub(super) fn alpn(stream: &Stream) -> Option<&[u8]> {
    match stream {
        Stream::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        Stream::Plain(_) | Stream::Unix(_) => None,
    }
}

/// The address of the other end; none on a unix socket.
pub(super) fn peer(stream: &Stream) -> io::Result<Option<SocketAddr>> {
    match stream {
        Stream::Plain(stream) => stream.peer_addr().map(Some),
        Stream::Tls(stream) => stream.get_ref().0.peer_addr().map(Some),
        Stream::Unix(_) => Ok(None),
    }
}
