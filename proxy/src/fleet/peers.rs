//! Cancel requests, which a load balancer may bring to another proxy than the client's: the number in
//! the key says whose it is, and the request is passed on, once.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Fleet;
use crate::client::CancelRequest;
use crate::config::PeerConfig;

/// The code of a CancelRequest.
const CANCEL: u32 = 1234 << 16 | 5678;
/// Set in the process id of a request that a proxy has passed on; numbers of clients do not have it.
const PASSED_ON: i32 = i32::MIN;
/// How long a peer may take to hear of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Cancels what the client of a key runs, here or at the proxy whose client it is.
pub(super) async fn cancel(fleet: &Fleet, request: &CancelRequest) {
    let passed_on = request.process & PASSED_ON != 0;
    let process = request.process & !PASSED_ON;
    match fleet.registry.peer_of(process).filter(|_| !passed_on) {
        None => fleet.registry.cancel(process, &request.secret).await,
        Some(id) => {
            let config = fleet.config.load_full();
            match config.peers.iter().find(|peer| peer.id == id) {
                Some(peer) => pass_on(peer, request).await,
                None => tracing::debug!(id, "a cancel request is of a proxy that is no [[peer]]"),
            }
        }
    }
}

async fn pass_on(peer: &PeerConfig, request: &CancelRequest) {
    let told = tokio::time::timeout(PATIENCE, tell(peer, request)).await;
    if let Err(error) = told.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
        tracing::warn!(peer = peer.id, %error, "a cancel request could not be passed on");
    }
}

/// Returns when the peer has dealt with it, so that a client that waits for that is not told too early.
async fn tell(peer: &PeerConfig, request: &CancelRequest) -> std::io::Result<()> {
    let mut stream = TcpStream::connect((peer.address.host.as_str(), peer.address.port)).await?;
    let mut packet = BytesMut::new();
    packet.put_u32(u32::try_from(12 + request.secret.len()).unwrap_or(u32::MAX));
    packet.put_u32(CANCEL);
    packet.put_i32(request.process | PASSED_ON);
    packet.extend_from_slice(&request.secret);
    stream.write_all(&packet).await?;
    let mut nothing = [0; 1];
    stream.read(&mut nothing).await.map(|_| ())
}
