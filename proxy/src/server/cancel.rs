//! Canceling what runs on a connection, and never what runs there later.
//!
//! PostgreSQL's cancel request names a process, not a statement: one that arrives late hits
//! whoever uses the connection by then. So a handle belongs to one lease of its connection. It
//! refuses to begin after that lease, and a connection whose cancel request is still under way is
//! not lent again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::target::Target;
use crate::net::dial::dial;

/// CancelRequest's code, 1234.5678.
const CANCEL_REQUEST: i32 = 80_877_102;
/// A cancel request that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a connection and its cancel handles share.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
}

#[derive(Debug, Default)]
struct GateState {
    lease: u64,
    under_way: u32,
    /// Why what runs is canceled, where it has taken too long.
    timed_out: Option<&'static str>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease of now.
    pub(super) fn lease(&self) -> u64 {
        self.lock().lease
    }

    /// Ends the lease: handles of it begin nothing any more. False where one has begun and not
    /// ended; the connection must then not be used again.
    pub(super) fn end_lease(&self) -> bool {
        let mut state = self.lock();
        state.lease += 1;
        state.timed_out = None;
        state.under_way == 0
    }
}

impl Gate {
    /// Why what runs was canceled, where it had taken too long; answered once.
    pub(super) fn take_timed_out(&self) -> Option<&'static str> {
        self.lock().timed_out.take()
    }
}

/// What became of a cancel request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canceled {
    /// The node took it; whether something ran there, the statement's own answer tells.
    Sent,
    /// The connection has been given back meanwhile: there is nothing to cancel.
    Over,
    /// The node could not be reached in time.
    Failed,
}

/// Cancels what runs on a connection during one lease of it.
#[derive(Clone, Debug)]
pub struct CancelHandle {
    pub(super) reach: Arc<Reach>,
    pub(super) lease: u64,
}

/// What a cancel request needs of a connection.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) target: Arc<Target>,
    pub(super) process: i32,
    pub(super) key: Bytes,
    pub(super) gate: Arc<Gate>,
}

impl CancelHandle {
    /// Sends the cancel request and waits until the node has passed it on. Takes ten seconds at
    /// most.
    pub async fn cancel(&self) -> Canceled {
        let Some(_under_way) = UnderWay::begin(self) else { return Canceled::Over };
        match timeout(PATIENCE.min(self.reach.target.connect_timeout), self.request()).await {
            Ok(Ok(())) => Canceled::Sent,
            Ok(Err(())) | Err(_) => Canceled::Failed,
        }
    }

    /// Notes why what runs is going to be canceled: it has taken too long.
    pub fn time_out(&self, why: &'static str) {
        let mut state = self.reach.gate.lock();
        if state.lease == self.lease {
            state.timed_out = Some(why);
        }
    }

    async fn request(&self) -> Result<(), ()> {
        let Reach { target, process, key, .. } = &*self.reach;
        let mut stream = dial(&target.host, target.port, &target.tls).await.map_err(drop)?;
        let mut request = BytesMut::new();
        request.put_i32(12 + i32::try_from(key.len()).map_err(drop)?);
        request.put_i32(CANCEL_REQUEST);
        request.put_i32(*process);
        request.put_slice(key);
        stream.write_all(&request).await.map_err(drop)?;
        stream.flush().await.map_err(drop)?;
        // The node closes once it has signaled the process; how it closes does not matter.
        let _ = stream.read(&mut [0; 1]).await;
        Ok(())
    }
}

/// Counts a cancel request for as long as it may still arrive.
struct UnderWay<'a>(&'a Gate);

impl<'a> UnderWay<'a> {
    fn begin(handle: &'a CancelHandle) -> Option<UnderWay<'a>> {
        let mut state = handle.reach.gate.lock();
        (state.lease == handle.lease).then(|| {
            state.under_way += 1;
            UnderWay(&handle.reach.gate)
        })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
    }
}
