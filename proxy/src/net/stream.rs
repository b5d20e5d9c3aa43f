//! One byte stream to a client or a server, whatever carries it.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use super::listen;
use super::tls::binding;

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

    /// The `tls-server-end-point` of the server that this stream leads to, for SCRAM's channel
    /// binding; `None` without TLS.
    pub fn server_end_point(&self) -> Option<Vec<u8>> {
        match self {
            Stream::Plain(_) | Stream::Unix(_) => None,
            Stream::Tls(stream) => {
                let certificates = stream.get_ref().1.peer_certificates()?;
                certificates.first().and_then(binding::end_point)
            }
        }
    }

    /// The certificate that the other end has shown.
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        match self {
            Stream::Plain(_) | Stream::Unix(_) => None,
            Stream::Tls(stream) => stream.get_ref().1.peer_certificates()?.first(),
        }
    }

    /// A peer that acknowledges nothing for this long is noticed, whether something is under way to
    /// it or not.
    pub fn notice_silence(&self, limit: Duration) -> io::Result<()> {
        match self.tcp() {
            Some(tcp) => listen::notice_silence(tcp, limit),
            None => Ok(()),
        }
    }

    /// Ready once there is something to read, or the end.
    pub fn poll_read_ready(&self, task: &mut Context<'_>) -> Poll<()> {
        match self {
            Stream::Plain(stream) => stream.poll_read_ready(task),
            Stream::Tls(stream) => stream.get_ref().0.poll_read_ready(task),
            Stream::Unix(stream) => stream.poll_read_ready(task),
        }
        .map(drop)
    }

    /// The TCP connection underneath.
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Plain(stream) => Some(stream),
            Stream::Tls(stream) => Some(stream.get_ref().0),
            Stream::Unix(_) => None,
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
