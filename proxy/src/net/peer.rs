//! The client's end: its stream with what was read ahead and what is still to be written.
//!
//! Reading ahead is bounded, and so is what waits to be written: [`Peer::relieve`] waits for a slow
//! client before more is taken from a server. A client that is silent holds no buffers.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::shelf;
use crate::net::hang_up::HangUp;
use crate::net::stream::Stream;
use crate::wire::frame::{Frame, SERVER_LIMIT, WireFault, cut, cut_begun, cut_rest};

/// Above this many bytes of answer the client must take some before more is made.
const RELIEF: usize = 64 * 1024;
/// How much is read ahead of what is being answered.
const READ_AHEAD: usize = 64 * 1024;
/// With less room than this a read is not worth its call.
const SPARE: usize = 4 * 1024;

/// A client that sends a statement and closes in good order meant the statement: PostgreSQL would not even
/// notice before its end. So long it may still run.
const GRACE: Duration = Duration::from_secs(1);

/// A client's connection.
#[derive(Debug)]
pub struct Peer {
    stream: Stream,
    input: BytesMut,
    /// How many bytes are still to come of a message of COPY whose beginning was taken.
    input_rest: usize,
    output: BytesMut,
    /// How many bytes are missing of the row that the output ends with.
    output_rest: usize,
    torn: bool,
    unflushed: bool,
    limit: usize,
    received: u64,
    sent: u64,
    /// When it was seen to have closed while its statement ran.
    left: Option<Instant>,
    hang_up: Arc<HangUp>,
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
    /// It has the beginning of a row whose end will not come: nothing else can be told to it.
    #[error("the server was lost in the middle of a row")]
    Torn,
    /// It was given up while it took nothing.
    #[error("the client did not read its answer")]
    Deaf,
}

/// What a client sends while it copies.
#[derive(Debug)]
pub enum Copied {
    /// Data: the body of CopyData, or a part of a long one.
    Data(BytesMut),
    /// Another message.
    Frame(Frame),
}

impl Peer {
    /// A client after its start-up: its stream and the bytes that came behind the last message.
    /// `limit` is the longest message in bytes, and `hang_up` ends waiting for it to read.
    pub fn new(stream: Stream, leftover: BytesMut, limit: usize, hang_up: Arc<HangUp>) -> Peer {
        Peer {
            stream,
            received: leftover.len() as u64,
            input: leftover,
            input_rest: 0,
            output: BytesMut::new(),
            output_rest: 0,
            torn: false,
            unflushed: false,
            limit,
            sent: 0,
            left: None,
            hang_up,
        }
    }

    /// Where answers are written to; they leave with [`Peer::flush`].
    pub fn out(&mut self) -> &mut BytesMut {
        self.torn |= self.output_rest > 0;
        if self.output.capacity() == 0 {
            self.output = shelf::take();
        }
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

    /// How many bytes were written for it since its start-up, sent or not.
    pub fn written(&self) -> u64 {
        self.sent + self.output.len() as u64
    }

    /// Takes back what was written since so many bytes were; false where some of it was sent.
    pub fn take_back(&mut self, written: u64) -> bool {
        let kept = written.checked_sub(self.sent).and_then(|kept| usize::try_from(kept).ok());
        match kept.filter(|kept| *kept <= self.output.len() && self.output_rest == 0) {
            Some(kept) => {
                self.output.truncate(kept);
                true
            }
            None => false,
        }
    }

    /// The next message. Cancel-safe.
    ///
    /// # Errors
    /// [`PeerGone`] at the end of the stream, on failure, and on a message that is none.
    pub async fn frame(&mut self) -> Result<Frame, PeerGone> {
        poll_fn(|task| self.poll_frame(task)).await
    }

    /// As [`Self::frame`].
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn poll_frame(&mut self, task: &mut Context<'_>) -> Poll<Result<Frame, PeerGone>> {
        loop {
            if let Some(frame) = self.buffered_frame()? {
                return Poll::Ready(Ok(frame));
            }
            ready!(self.poll_fill(task))?;
        }
    }

    /// The next message if it has been read already. What is missing of a message that was taken in
    /// part is dropped.
    ///
    /// # Errors
    /// [`PeerGone::Wire`] where the bytes are no message.
    pub fn buffered_frame(&mut self) -> Result<Option<Frame>, PeerGone> {
        if self.input_rest > 0 {
            cut_rest(&mut self.input, &mut self.input_rest);
            if self.input_rest > 0 {
                return Ok(None);
            }
        }
        Ok(cut(&mut self.input, self.limit)?)
    }

    /// The next message of a COPY; a long one comes in parts, whatever its length. Cancel-safe.
    ///
    /// # Errors
    /// As [`Peer::frame`].
    pub async fn copied(&mut self) -> Result<Copied, PeerGone> {
        loop {
            if self.input_rest > 0 {
                let part = cut_rest(&mut self.input, &mut self.input_rest);
                if !part.is_empty() {
                    return Ok(Copied::Data(part));
                }
            } else if let Some((mut part, rest)) = cut_begun(&mut self.input, b"d", READ_AHEAD) {
                self.input_rest = rest;
                return Ok(Copied::Data(part.split_off(Frame::HEADER)));
            } else if let Some(frame) = cut(&mut self.input, SERVER_LIMIT)? {
                return Ok(Copied::Frame(frame));
            }
            poll_fn(|task| self.poll_fill(task)).await?;
        }
    }

    /// Resolves when the client has gone away, with a moment's grace for what it sent before it closed; reads ahead a bounded number of bytes meanwhile, and waits
    /// for ever once they are full. Cancel-safe.
    pub async fn departure(&mut self) -> PeerGone {
        while self.input.len() < READ_AHEAD {
            if let Err(gone) = poll_fn(|task| self.poll_fill(task)).await {
                if let PeerGone::Closed = gone {
                    let left = *self.left.get_or_insert_with(Instant::now);
                    tokio::time::sleep_until(left + GRACE).await;
                }
                return gone;
            }
        }
        std::future::pending().await
    }

    /// Reads more, into a buffer that is there only while there is something in it.
    fn poll_fill(&mut self, task: &mut Context<'_>) -> Poll<Result<(), PeerGone>> {
        if self.input.capacity() == 0 {
            self.input = shelf::take();
        } else if self.input.capacity() - self.input.len() < SPARE {
            self.input.reserve(shelf::SIZE);
        }
        let read = pin!(self.stream.read_buf(&mut self.input)).poll(task);
        if read.is_pending() && self.input.is_empty() {
            shelf::put(std::mem::take(&mut self.input));
        }
        Poll::Ready(match ready!(read) {
            Ok(0) => Err(PeerGone::Closed),
            Ok(count) => {
                self.received += count as u64;
                Ok(())
            }
            Err(error) => Err(error.into()),
        })
    }

    /// Sends all that was written. Cancel-safe.
    ///
    /// # Errors
    /// [`PeerGone::Io`], [`PeerGone::Torn`] where something was written into the middle of a row, and
    /// [`PeerGone::Deaf`].
    pub async fn flush(&mut self) -> Result<(), PeerGone> {
        match poll_fn(|task| Poll::Ready(self.poll_flush(task))).await {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Box::pin(self.flush_patiently()).await,
        }
    }

    fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<Result<(), PeerGone>> {
        if self.torn {
            self.output = BytesMut::new();
            return Poll::Ready(Err(PeerGone::Torn));
        }
        while !self.output.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(task, &self.output))?;
            if written == 0 {
                return Poll::Ready(Err(PeerGone::Closed));
            }
            self.output.advance(written);
            self.sent += written as u64;
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(task))?;
            self.unflushed = false;
            shelf::put(std::mem::take(&mut self.output));
        }
        Poll::Ready(Ok(()))
    }

    /// True where something that was written has not left.
    pub fn is_unsent(&self) -> bool {
        self.unflushed || !self.output.is_empty()
    }

    /// The same client; the runtime of the calling task wakes who waits for it from now on.
    ///
    /// # Errors
    /// The machine is out of file descriptors, or the other runtime is gone: the connection is closed.
    pub fn move_here(mut self) -> std::io::Result<Peer> {
        self.stream = self.stream.move_here()?;
        Ok(self)
    }

    /// Ready once the client has sent something, or has left.
    pub fn poll_stir(&self, task: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_read_ready(task)
    }

    /// True where the client must take some of what was written before more is made.
    pub fn is_full(&self) -> bool {
        self.output.len() >= RELIEF
    }

    /// As [`Self::flush`], of a client that takes nothing at the moment.
    async fn flush_patiently(&mut self) -> Result<(), PeerGone> {
        let hang_up = Arc::clone(&self.hang_up);
        tokio::select! {
            biased;
            flushed = poll_fn(|task| self.poll_flush(task)) => flushed,
            () = hang_up.given_up() => Err(PeerGone::Deaf),
        }
    }

    /// Sends what was written where it has grown large.
    ///
    /// # Errors
    /// As [`Peer::flush`].
    pub async fn relieve(&mut self) -> Result<(), PeerGone> {
        match self.output.len() {
            0..RELIEF => Ok(()),
            _ => self.flush().await,
        }
    }

    /// Passes rows on as they came, without a copy where they are many. `rest` bytes are missing of the
    /// last of them.
    ///
    /// # Errors
    /// As [`Peer::flush`].
    pub async fn relay(&mut self, rows: BytesMut, rest: usize) -> Result<(), PeerGone> {
        if self.output.len() + rows.len() < RELIEF {
            if self.output.capacity() == 0 {
                self.output = shelf::take();
            }
            self.output.extend_from_slice(&rows);
            self.output_rest = rest;
            return Ok(());
        }
        self.flush().await?;
        self.output = rows;
        self.output_rest = rest;
        self.flush().await
    }

    /// Ends the connection politely, within the patience of the network.
    pub async fn close(&mut self) {
        // The client may be gone already; there is nobody left to tell.
        let _ = self.flush().await;
        let _ = self.stream.shutdown().await;
    }
}
