//! The client's end: its stream with what was read ahead and what is still to be written.
//!
//! Reading ahead is bounded, and so is what waits to be written: [`Peer::relieve`] waits for a slow
//! client before more is taken from a server.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::net::stream::Stream;
use crate::wire::frame::{Frame, WireFault, cut};

/// Above this many bytes of answer the client must take some before more is made.
const RELIEF: usize = 64 * 1024;
/// How much is read ahead of what is being answered.
const READ_AHEAD: usize = 64 * 1024;

/// A client's connection.
#[derive(Debug)]
pub struct Peer {
    stream: Stream,
    input: BytesMut,
    output: BytesMut,
    limit: usize,
    received: u64,
    sent: u64,
}

/// The client is not there any more, or speaks no protocol.
#[derive(Debug, thiserror::Error)]
pub enum PeerGone {
    /// It closed the connection.
    #[error("the client closed the connection")]
    Closed,
    /// The network failed.
    #[error("the client's connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// Its bytes are no message.
    #[error("the client broke the protocol: {0}")]
    Wire(#[from] WireFault),
}

impl Peer {
    /// A client after its start-up: its stream and the bytes that came behind the last message.
    /// `limit` is the longest message in bytes.
    pub fn new(stream: Stream, leftover: BytesMut, limit: usize) -> Peer {
        let received = leftover.len() as u64;
        Peer { stream, input: leftover, output: BytesMut::with_capacity(8192), limit, received, sent: 0 }
    }

    /// Where answers are written to; they leave with [`Peer::flush`].
    pub fn out(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// How many bytes it has sent since its start-up.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How many bytes were sent to it since its start-up.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The next message. Cancel-safe.
    ///
    /// # Errors
    /// [`PeerGone`] at the end of the stream, on failure, and on a message that is none.
    pub async fn frame(&mut self) -> Result<Frame, PeerGone> {
        loop {
            if let Some(frame) = self.buffered_frame()? {
                return Ok(frame);
            }
            match self.stream.read_buf(&mut self.input).await? {
                0 => return Err(PeerGone::Closed),
                count => self.received += count as u64,
            }
        }
    }

    /// The next message if it has been read already.
    ///
    /// # Errors
    /// [`PeerGone::Wire`] where the bytes are no message.
    pub fn buffered_frame(&mut self) -> Result<Option<Frame>, PeerGone> {
        Ok(cut(&mut self.input, self.limit)?)
    }

    /// Resolves when the client goes away; reads ahead a bounded number of bytes meanwhile, and waits
    /// for ever once they are full. Cancel-safe.
    pub async fn departure(&mut self) -> PeerGone {
        while self.input.len() < READ_AHEAD {
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return PeerGone::Closed,
                Ok(count) => self.received += count as u64,
                Err(error) => return error.into(),
            }
        }
        std::future::pending().await
    }

    /// Sends all that was written.
    ///
    /// # Errors
    /// [`PeerGone::Io`].
    pub async fn flush(&mut self) -> Result<(), PeerGone> {
        if !self.output.is_empty() {
            self.sent += self.output.len() as u64;
            self.stream.write_all_buf(&mut self.output).await?;
            self.stream.flush().await?;
        }
        if self.output.capacity() > 4 * RELIEF {
            self.output = BytesMut::with_capacity(8192);
        }
        Ok(())
    }

    /// Sends what was written where it has grown large.
    ///
    /// # Errors
    /// [`PeerGone::Io`].
    pub async fn relieve(&mut self) -> Result<(), PeerGone> {
        match self.output.len() {
            0..RELIEF => Ok(()),
            _ => self.flush().await,
        }
    }

    /// Ends the connection politely, within the patience of the network.
    pub async fn close(mut self) {
        // The client may be gone already; there is nobody left to tell.
        let _ = self.flush().await;
        let _ = self.stream.shutdown().await;
    }
}
