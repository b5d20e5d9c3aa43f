//! What a cancel request of a client does: it reaches every connection that the client's transaction
//! holds, and ends the proxy's own waiting for it. Where nothing runs it does nothing, as in PostgreSQL.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::future::join_all;
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use crate::error::ClientError;
use crate::net::hang_up::HangUp;
use crate::server::CancelHandle;
use crate::wire::view::Fields;
use crate::wire::write;

/// Why a transaction is cancelled that waits for another one, which waits for it on another server.
pub const DEADLOCK: &str = "deadlock detected";

/// Why what a session runs is cancelled that is to end.
pub const DISMISSED: &str = "terminating connection due to administrator command";

/// The error of a statement that was cancelled for this reason.
pub fn cancelled_for(why: &'static str) -> ClientError {
    match why {
        DEADLOCK => ClientError::new("40P01", DEADLOCK)
            .hint("The transactions waited for each other on different servers. Run this one again."),
        DISMISSED => ClientError::dismissed(),
        why => ClientError::new("57014", why),
    }
}

/// What one client's cancel requests end.
#[derive(Debug, Default)]
pub struct Cancellable {
    running: Mutex<Vec<CancelHandle>>,
    requested: Notify,
    waiting: Mutex<Option<Instant>>,
    dismissed: AtomicBool,
    /// The session's task, while it waits for its client.
    listening: AtomicWaker,
    timed_out: Mutex<Option<&'static str>>,
    hang_up: Arc<HangUp>,
}

/// Something is waited for, as long as this is there.
struct Waiting<'a>(&'a Cancellable);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.0.waiting() = None;
    }
}

impl Cancellable {
    fn handles(&self) -> MutexGuard<'_, Vec<CancelHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while the client holds connections.
    pub fn is_running(&self) -> bool {
        !self.handles().is_empty()
    }

    /// For how long the client has waited for a connection, if it does.
    pub fn waited(&self) -> Option<Duration> {
        self.waiting().map(|since| since.elapsed())
    }

    /// The session is to end: what runs is cancelled, and it hears of it before its next message. Who
    /// does not read hears nothing more.
    pub async fn dismiss(&self) {
        self.dismissed.store(true, Ordering::SeqCst);
        self.listening.wake();
        self.time_out(DISMISSED).await;
        self.hang_up.give_up();
    }

    /// What ends waiting for the client to read.
    pub fn hang_up(&self) -> Arc<HangUp> {
        Arc::clone(&self.hang_up)
    }

    /// Resolves when the session is to end. Cancel-safe.
    pub async fn dismissed(&self) {
        poll_fn(|task| match self.is_dismissed(task) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await
    }

    /// True once the session is to end; else the task is woken when it is, or by [`Self::wake`].
    pub fn is_dismissed(&self, task: &Context<'_>) -> bool {
        self.listening.register(task.waker());
        self.dismissed.load(Ordering::SeqCst)
    }

    /// Something has changed that concerns a session that waits for its client.
    pub fn wake(&self) {
        self.listening.wake();
    }

    /// From now on, what runs on this connection runs for the client.
    pub fn runs_on(&self, handle: CancelHandle) {
        let mut handles = self.handles();
        if handles.capacity() == 0 {
            handles.reserve_exact(1);
        }
        handles.push(handle);
    }

    /// The transaction is over, and all connections are given back.
    pub fn over(&self) {
        self.handles().clear();
        *self.timed_out.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A request came in: all connections are told at once, and who waits is woken.
    pub async fn cancel(&self) {
        let handles = self.handles().clone();
        self.requested.notify_waiters();
        join_all(handles.iter().map(CancelHandle::cancel)).await;
    }

    /// What runs has taken too long: it is cancelled, and its error says why.
    pub async fn time_out(&self, why: &'static str) {
        *self.timed_out.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.handles().iter().for_each(|handle| handle.time_out(why));
        self.cancel().await;
    }

    /// Appends a server's error; where what ran was cancelled for a reason, that.
    pub fn tell(&self, out: &mut BytesMut, fields: &Fields) {
        match self.timed_out().filter(|_| fields.sqlstate() == "57014") {
            Some(why) => cancelled_for(why).encode(out),
            None => write::error(out, fields),
        }
    }

    /// Why what runs was cancelled, where it had taken too long.
    pub fn timed_out(&self) -> Option<&'static str> {
        *self.timed_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something that is not a server's answer, unless a request comes in meanwhile.
    ///
    /// # Errors
    /// 57014 where one comes in.
    pub async fn unless_requested<T>(&self, waiting: impl Future<Output = T>) -> Result<T, ClientError> {
        let mut waiting = pin!(waiting);
        if let Some(done) = futures_util::FutureExt::now_or_never(waiting.as_mut()) {
            return Ok(done);
        }
        *self.waiting() = Some(Instant::now());
        let _waiting = Waiting(self);
        tokio::select! {
            biased;
            done = waiting => Ok(done),
            () = self.requested.notified() => Err(match self.timed_out() {
                Some(why) => cancelled_for(why),
                None => ClientError::query_canceled(),
            }),
        }
    }
}
