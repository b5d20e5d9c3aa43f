//! What a cancel request of a client does: it reaches every connection that the client's transaction
//! holds, and ends the proxy's own waiting for it. Where nothing runs it does nothing, as in PostgreSQL.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::error::ClientError;
use crate::server::CancelHandle;

/// What one client's cancel requests end.
#[derive(Debug, Default)]
pub struct Cancellable {
    running: Mutex<Vec<CancelHandle>>,
    requested: Notify,
}

impl Cancellable {
    fn handles(&self) -> MutexGuard<'_, Vec<CancelHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, what runs on this connection runs for the client.
    pub fn runs_on(&self, handle: CancelHandle) {
        self.handles().push(handle);
    }

    /// The transaction is over, and all connections are given back.
    pub fn over(&self) {
        self.handles().clear();
    }

    /// A request came in: all connections are told at once, and who waits is woken.
    pub async fn cancel(&self) {
        let handles = self.handles().clone();
        self.requested.notify_waiters();
        join_all(handles.iter().map(CancelHandle::cancel)).await;
    }

    /// Waits for something that is not a server's answer, unless a request comes in meanwhile.
    ///
    /// # Errors
    /// 57014 where one comes in.
    pub async fn unless_requested<T>(&self, waiting: impl Future<Output = T>) -> Result<T, ClientError> {
        tokio::select! {
            biased;
            done = waiting => Ok(done),
            () = self.requested.notified() => Err(ClientError::query_canceled()),
        }
    }
}
