//! Frames in and out of a connection.
//!
//! Writes and reads advance together, so two peers with full buffers never wait for one another.
//! Everything that is half done lives in the connection: every future here may be dropped and
//! asked for again.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::connection::{Connection, READ_LEAST, encoding_of};
use super::gone::{ServerGone, WhyGone};
use super::status::TransactionStatus;
use crate::metrics::rows_of;
use crate::wire::frame::{SERVER_LIMIT, front, next_tag, run};
use crate::wire::view::{error_fields, parameter_status, ready_status};
use crate::wire::{Frame, WireFault, cut, cut_begun, cut_rest, cut_run, write};

/// The most that is asked for in one read, once reads come back full.
const READ_MOST: usize = 128 << 10;

/// A row of which so much has come is passed on before it is whole.
const LONG_ROW: usize = 64 << 10;

/// A flush reads no more answers than this ahead of who takes them.
const READ_AHEAD: usize = 1 << 20;

/// What a server says to who relays it.
#[derive(Debug)]
pub enum Reply {
    /// A message that is not a row.
    Frame(Frame),
    /// Rows, or pieces of COPY, as they came; the last may be a part of a long one.
    Rows(BytesMut),
}

impl Connection {
    /// The next frame from the server, writing what is unsent meanwhile. Keeps status, parameters
    /// and what is owed up to date. Cancel-safe.
    pub async fn frame(&mut self) -> Result<Frame, ServerGone> {
        loop {
            if let Some(frame) = self.buffered_frame()? {
                return Ok(frame);
            }
            std::future::poll_fn(|task| self.poll_exchange(task)).await?;
        }
    }

    /// As [`Self::frame`], but a row, or a piece of COPY, that is too long to be held is not waited for:
    /// it is given as far as it has come, and [`Self::rest`] says what is missing.
    pub async fn reply(&mut self) -> Result<Reply, ServerGone> {
        std::future::poll_fn(|task| self.poll_reply(task)).await
    }

    /// As [`Self::reply`], for who waits for several connections at once. Cancel-safe.
    pub fn poll_reply(&mut self, task: &mut Context<'_>) -> Poll<Result<Reply, ServerGone>> {
        loop {
            if let Some(rows) = self.buffered_rows() {
                return Poll::Ready(Ok(Reply::Rows(rows)));
            }
            if let Some(frame) = self.buffered_frame()? {
                return Poll::Ready(Ok(Reply::Frame(frame)));
            }
            std::task::ready!(self.poll_exchange(task))?;
        }
    }

    /// How many bytes are missing of the last row that [`Self::buffered_rows`] gave.
    pub fn rest(&self) -> usize {
        self.rest
    }

    /// The next frame if it has been read already. What is missing of a row that was taken in part is
    /// dropped.
    pub fn buffered_frame(&mut self) -> Result<Option<Frame>, ServerGone> {
        if self.rest > 0 {
            cut_rest(&mut self.inbound, &mut self.rest);
            if self.rest > 0 {
                return Ok(None);
            }
        }
        let frame = cut(&mut self.inbound, SERVER_LIMIT).map_err(|fault| self.gone(fault.into()))?;
        if let Some(frame) = &frame {
            self.note(frame);
        }
        Ok(frame)
    }

    /// The message at the front of what has been read, where all of it is there.
    ///
    /// # Errors
    /// What was read is no message, or is the rest of one.
    pub fn front(&self) -> Result<Option<&[u8]>, WireFault> {
        front(&self.inbound, SERVER_LIMIT)
    }

    /// The whole rows at the front of what has been read; `None` where they are longer than `most` bytes, or
    /// one of them is too long to be waited for.
    pub fn rows_at_front(&self, most: usize) -> Option<&[u8]> {
        let rows = run(&self.inbound, b"D");
        let begun = &self.inbound[rows..];
        let long = begun.len() >= LONG_ROW && begun.first() == Some(&b'D');
        (self.rest == 0 && rows <= most && !long).then(|| &self.inbound[..rows])
    }

    /// Takes what was looked at by [`Self::front`] or [`Self::rows_at_front`]: no error, and nothing that
    /// changes the connection but ReadyForQuery.
    pub fn take_front(&mut self, size: usize) {
        if let [b'Z', _, _, _, _, status, ..] = self.inbound[..] {
            self.note_ready(status);
        }
        self.inbound.advance(size.min(self.inbound.len()));
    }

    /// True where something has been read that nobody took yet.
    pub fn has_read(&self) -> bool {
        !self.inbound.is_empty()
    }

    /// All the rows (or pieces of COPY) at the front of what has been read, as one piece of bytes to
    /// relay; the last may be a part of a long one.
    pub fn buffered_rows(&mut self) -> Option<BytesMut> {
        if self.rest > 0 {
            return Some(cut_rest(&mut self.inbound, &mut self.rest)).filter(|piece| !piece.is_empty());
        }
        let tag = [next_tag(&self.inbound).filter(|tag| matches!(tag, b'D' | b'd'))?];
        if let Some(rows) = cut_run(&mut self.inbound, &tag) {
            return Some(rows);
        }
        let (piece, rest) = cut_begun(&mut self.inbound, &tag, LONG_ROW)?;
        self.rest = rest;
        Some(piece)
    }

    /// Writes what is unsent. Where the server does not read because its own answers wait, they
    /// are read into memory up to a bound; beyond it this returns early with [`Self::unsent`] > 0,
    /// and the caller must take frames, which goes on writing. Cancel-safe.
    pub async fn flush(&mut self) -> Result<(), ServerGone> {
        std::future::poll_fn(|task| self.poll_flush(task)).await
    }

    fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<Result<(), ServerGone>> {
        loop {
            if self.poll_write_out(task)?.is_ready() || self.inbound.len() >= READ_AHEAD {
                return Poll::Ready(Ok(()));
            }
            match self.poll_read_in(task) {
                Poll::Pending => return self.unless_given_up(task),
                Poll::Ready(read) => read?,
            }
        }
    }

    /// Takes in what the server said while nobody listened: settings, notices, or good-bye. False
    /// where the connection can not be used.
    pub fn still_there(&mut self) -> bool {
        loop {
            match self.buffered_frame() {
                Ok(Some(frame)) if matches!(frame.tag(), b'S' | b'N' | b'A') => {}
                Ok(Some(_)) | Err(_) => return false,
                Ok(None) => match self.stream.read_buf(&mut self.inbound).now_or_never() {
                    None => return self.inbound.is_empty(),
                    Some(Ok(1..)) => {}
                    Some(Ok(0) | Err(_)) => return false,
                },
            }
        }
    }

    /// Says good-bye as far as that needs no waiting, and closes.
    pub fn close(mut self) {
        if !self.lost && self.outbound.is_empty() {
            write::terminate(&mut self.outbound);
            let _ = self.flush().now_or_never();
        }
    }

    /// Writes and reads at once; ready when something was read. Cancel-safe.
    pub fn poll_exchange(&mut self, task: &mut Context<'_>) -> Poll<Result<(), ServerGone>> {
        if self.lost {
            return Poll::Ready(Err(self.gone(WhyGone::Closed(None))));
        }
        // A server that closes often says why first: the reason is read even if writing fails.
        let written = self.poll_write_out(task);
        match (self.poll_read_in(task), written) {
            (Poll::Pending, Err(gone)) => Poll::Ready(Err(gone)),
            (Poll::Pending, Ok(_)) => self.unless_given_up(task),
            (read, _) => read,
        }
    }

    fn unless_given_up(&mut self, task: &Context<'_>) -> Poll<Result<(), ServerGone>> {
        match self.alarm.is_raised(task) {
            false => Poll::Pending,
            true => Poll::Ready(Err(self.gone(WhyGone::Silent))),
        }
    }

    /// Ready when all is written and flushed.
    fn poll_write_out(&mut self, task: &mut Context<'_>) -> Result<Poll<()>, ServerGone> {
        while !self.outbound.is_empty() {
            match Pin::new(&mut self.stream).poll_write(task, &self.outbound) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(0)) => return Err(self.gone(WhyGone::Closed(None))),
                Poll::Ready(Ok(written)) => {
                    self.traffic.sent(written);
                    self.outbound.advance(written);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Err(self.gone(WhyGone::Network(Arc::new(error)))),
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(task) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Err(self.gone(WhyGone::Network(Arc::new(error)))),
            }
        }
        Ok(Poll::Ready(()))
    }

    fn poll_read_in(&mut self, task: &mut Context<'_>) -> Poll<Result<(), ServerGone>> {
        self.inbound.reserve(self.read_size);
        let room = self.inbound.capacity() - self.inbound.len();
        let read = std::task::ready!(pin!(self.stream.read_buf(&mut self.inbound)).poll(task));
        Poll::Ready(match read {
            Ok(0) => Err(self.gone(WhyGone::Closed(None))),
            Ok(count) => {
                self.traffic.received(count);
                self.read_size = if count == room {
                    (self.read_size * 2).min(READ_MOST)
                } else {
                    (self.read_size / 2).max(READ_LEAST)
                };
                Ok(())
            }
            Err(error) => Err(self.gone(WhyGone::Network(Arc::new(error)))),
        })
    }

    fn note_ready(&mut self, status: u8) {
        self.status = TransactionStatus::of(status);
        self.owed = self.owed.saturating_sub(1);
        self.statements.closes_heard();
    }

    fn note(&mut self, frame: &Frame) {
        match frame.tag() {
            b'Z' => self.note_ready(ready_status(frame)),
            b'C' => self.traffic.rows(rows_of(frame.body())),
            b'S' => {
                if let Some((name, value)) = parameter_status(frame) {
                    self.parameters.insert(name.to_owned(), value.to_owned());
                    self.parameters_changed += 1;
                    self.encoding = encoding_of(&self.parameters);
                }
            }
            b'E' => {
                let fields = error_fields(frame);
                if fields.is_fatal() {
                    self.parting = Some(Box::new(fields));
                }
            }
            _ => {}
        }
    }

    /// Marks the connection lost; a FATAL that the server sent before is the better reason.
    fn gone(&mut self, why: WhyGone) -> ServerGone {
        self.lost = true;
        let why = match self.parting.take() {
            Some(fields) => WhyGone::Closed(Some(fields)),
            None => why,
        };
        ServerGone { server: self.target.server.clone(), node: self.target.node(), why }
    }
}
