//! A connection before it is a session: its stream and the bytes already read from it.
//!
//! Everything is bounded: packets as PostgreSQL bounds them, and the whole by the caller's timeout.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::packet::{self, NotAPacket, Packet};
use crate::error::ClientError;

/// The longest SASL message that is accepted; real ones are below 300 bytes.
const LONGEST_PASSWORD_MESSAGE: usize = 4096;

/// Why a connection ends before it is a session. What the client had to be told, it was told.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The client closed the connection, or it broke.
    #[error("the client went away")]
    Gone(#[from] io::Error),
    /// Bytes of another protocol; the connection is closed without a word.
    #[error("{0}")]
    Garbage(&'static str),
    /// The client was refused and told why.
    #[error("{0}")]
    Refused(ClientError),
    /// It took longer than `client_login_timeout`.
    #[error("the login took too long")]
    TimedOut,
}

impl From<NotAPacket> for Ended {
    fn from(fault: NotAPacket) -> Ended {
        Ended::Garbage(match fault {
            NotAPacket::Length => "invalid length of startup packet",
            NotAPacket::Layout => "invalid startup packet layout",
        })
    }
}

/// A stream and what was read from it but not yet looked at.
pub(super) struct Handshake<S> {
    /// The stream.
    pub(super) stream: S,
    /// Bytes read and not used.
    pub(super) buffer: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Handshake<S> {
    /// Nothing read yet.
    pub(super) fn new(stream: S) -> Handshake<S> {
        Handshake { stream, buffer: BytesMut::with_capacity(1024) }
    }

    /// The next packet of the time before authentication.
    pub(super) async fn packet(&mut self) -> Result<Packet, Ended> {
        loop {
            if let Some(packet) = packet::cut(&mut self.buffer)? {
                return Ok(packet);
            }
            self.read().await?;
        }
    }

    /// The body of the next PasswordMessage.
    pub(super) async fn password_message(&mut self) -> Result<Bytes, Ended> {
        loop {
            if let Some(&[tag, a, b, c, d]) = self.buffer.first_chunk::<5>() {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if tag != b'p' || !(4..=LONGEST_PASSWORD_MESSAGE).contains(&length) {
                    return Err(Ended::Refused(ClientError::protocol("expected a SASL response")));
                }
                if self.buffer.len() > length {
                    let mut message = self.buffer.split_to(1 + length).freeze();
                    message.advance(5);
                    return Ok(message);
                }
            }
            self.read().await?;
        }
    }

    /// Sends bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Tells the client why it ends, as far as it still listens.
    pub(super) async fn refuse(&mut self, error: &ClientError) {
        let mut out = BytesMut::new();
        error.encode(&mut out);
        // A client that no longer listens has ended by itself.
        if self.send(&out).await.is_ok() {
            let _ = self.stream.shutdown().await;
        }
    }

    async fn read(&mut self) -> Result<(), Ended> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(Ended::Gone(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }
}
