//! Waiting for a client's next message, with an eye on all that may end the session meanwhile.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_util::future::select_all;

use crate::client::patience::broken;
use crate::client::session::Session;
use crate::error::ClientError;
use crate::net::peer::PeerGone;
use crate::wire::frame::Frame;

/// What ends a session's waiting for its client.
enum Heard {
    /// A message.
    Frame(Frame),
    /// An operator's word.
    Dismissal,
    /// The daemon's end.
    Shutdown,
}

impl Session {
    /// The client's next message; `None` where the session is over before one comes, and the client was
    /// told why.
    pub(super) async fn wait(&mut self) -> Result<Option<Frame>, PeerGone> {
        let idle = self.is_idle();
        if self.patience.is_bounded(idle) || (idle && self.executor.kept_connections().next().is_some()) {
            return Box::pin(self.watch(idle)).await;
        }
        match poll_fn(|task| self.poll_wait(task, idle)).await? {
            Heard::Frame(frame) => Ok(Some(frame)),
            Heard::Dismissal => Box::pin(self.say_last(&ClientError::dismissed())).await.map(|()| None),
            Heard::Shutdown => Box::pin(self.say_last(&ClientError::shutting_down())).await.map(|()| None),
        }
    }

    fn poll_wait(&mut self, task: &mut Context<'_>, idle: bool) -> Poll<Result<Heard, PeerGone>> {
        if let Poll::Ready(frame) = self.peer.poll_frame(task) {
            return Poll::Ready(frame.map(Heard::Frame));
        }
        if self.executor.cancellable.is_dismissed(task) {
            return Poll::Ready(Ok(Heard::Dismissal));
        }
        match idle && self.executor.fleet.registry.is_closing() {
            true => Poll::Ready(Ok(Heard::Shutdown)),
            false => Poll::Pending,
        }
    }

    /// As [`Self::wait`], with an eye on the clock and on the connections that the session keeps.
    async fn watch(&mut self, idle: bool) -> Result<Option<Frame>, PeerGone> {
        let fleet = Arc::clone(&self.executor.fleet);
        let cancellable = Arc::clone(&self.executor.cancellable);
        loop {
            let silence = self.patience.silence(idle);
            let why = tokio::select! {
                biased;
                frame = self.peer.frame() => return frame.map(Some),
                () = cancellable.dismissed() => ClientError::dismissed(),
                () = fleet.shutdown.cancelled(), if idle => ClientError::shutting_down(),
                news = unasked(self.executor.kept_connections()), if idle => match news {
                    Some(message) => {
                        self.peer.out().unsplit(message);
                        self.peer.flush().await?;
                        continue;
                    }
                    None => ClientError::kept_connection_lost(),
                },
                () = broken(silence.as_ref()) => {
                    silence.map_or_else(ClientError::idle_session_timeout, |silence| silence.error)
                }
            };
            return self.say_last(&why).await.map(|()| None);
        }
    }
}

/// What a server says on a connection that the session keeps, without having been asked.
async fn unasked(kept: impl Iterator<Item = &mut crate::pool::Lent>) -> Option<BytesMut> {
    let said = async |connection: &mut crate::pool::Lent| {
        let frame = connection.frame().await.ok()?;
        Some(connection.as_clients_know(&frame))
    };
    let mut kept: Vec<_> = kept.map(|connection| Box::pin(said(connection))).collect();
    match kept.len() {
        0 => std::future::pending().await,
        1 => kept.remove(0).await,
        _ => select_all(kept).await.0,
    }
}
