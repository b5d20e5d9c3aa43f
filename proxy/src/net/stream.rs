//! One byte stream to a client or a server, whatever carries it.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use pgwire::tokio::server::MaybeTls;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

/// A connected stream.
#[derive(Debug)]
pub enum Stream {
    /// TCP without TLS.
    Plain(TcpStream),
    /// TLS over TCP, as its server or its client.
    Tls(Box<TlsStream<TcpStream>>),
    /// A unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// True where others on the network can not read along.
    pub fn is_secure(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(_) | Stream::Unix(_) => true,
        }
    }

    /// The same connection, woken from now on by the runtime of the calling task.
    ///
    /// # Errors
    /// The machine is out of file descriptors, or the other runtime is gone: the connection is closed.
    pub fn move_here(self) -> io::Result<Stream> {
        Ok(match self {
            Stream::Plain(stream) => Stream::Plain(TcpStream::from_std(stream.into_std()?)?),
            Stream::Unix(stream) => Stream::Unix(UnixStream::from_std(stream.into_std()?)?),
            Stream::Tls(mut secure) => {
                // TLS does not let its stream go: a duplicate of the socket takes its place.
                let stream = match secure.as_mut() {
                    TlsStream::Server(secure) => secure.get_mut().0,
                    TlsStream::Client(secure) => secure.get_mut().0,
                };
                let socket = stream.as_fd().try_clone_to_owned()?;
                *stream = TcpStream::from_std(socket.into())?;
                Stream::Tls(secure)
            }
        })
    }
}

impl TryFrom<MaybeTls> for Stream {
    type Error = io::Error;

    /// Takes over what pgwire's negotiation with a client ended with; fails for a kind of stream
    /// that pgwire may learn later.
    fn try_from(negotiated: MaybeTls) -> io::Result<Stream> {
        match negotiated {
            MaybeTls::Plain(stream) => Ok(Stream::Plain(stream)),
            MaybeTls::Unix(stream) => Ok(Stream::Unix(stream)),
            MaybeTls::Tls(stream) => Ok(Stream::Tls(Box::new(TlsStream::Server(*stream)))),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Runs the same method on whichever stream it is.
macro_rules! on_each {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream.get_mut() {
            Stream::Plain($inner) => $call,
            Stream::Tls(boxed) => {
                let $inner = boxed.as_mut();
                $call
            }
            Stream::Unix($inner) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_each!(self, stream => Pin::new(stream).poll_read(task, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_each!(self, stream => Pin::new(stream).poll_write(task, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self, stream => Pin::new(stream).poll_flush(task))
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self, stream => Pin::new(stream).poll_shutdown(task))
    }
}
