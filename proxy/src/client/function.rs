//! FunctionCall: a function by its OID, as libpq's large objects use it. It says nothing of tenants, so
//! with several servers only those of large objects run, on the home server, where these live.

use bytes::Bytes;
use router::ids::ServerId;

use crate::client::session::Session;
use crate::error::ClientError;
use crate::execute::trouble::Trouble;
use crate::net::peer::PeerGone;
use crate::wire::frame::Frame;

/// The first server of the configuration.
const HOME: ServerId = ServerId(0);

/// OIDs of `lo_open`, `lo_close`, `loread`, `lowrite`, `lo_lseek`, `lo_creat`, `lo_create`, `lo_tell`,
/// `lo_truncate`, `lo_unlink` and their 64-bit forms, the same in every PostgreSQL.
const LARGE_OBJECTS: [u32; 13] = [952, 953, 954, 955, 956, 957, 715, 958, 1004, 964, 3170, 3171, 3172];

impl Session {
    /// Answers one FunctionCall message, up to and with its ReadyForQuery.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) async fn function_call(&mut self, frame: &Frame) -> Result<(), PeerGone> {
        if let Err(trouble) = self.join_pipeline().await {
            return self.stumble(trouble).await;
        }
        let outcome = self.call(frame).await;
        self.finish_query(outcome.map(|()| None::<Bytes>)).await?;
        self.ready();
        self.peer.flush().await
    }

    async fn call(&mut self, frame: &Frame) -> Result<(), Trouble> {
        self.not_failed()?;
        let oid = frame.body().first_chunk().map(|oid| u32::from_be_bytes(*oid)).unwrap_or_default();
        let servers = self.executor.database.directory.load().servers().len();
        if servers > 1 && !LARGE_OBJECTS.contains(&oid) {
            return Err(ClientError::unsupported(
                "a function call message does not say whose rows it concerns, and there are several servers",
                "Call the function with SELECT.",
            )
            .into());
        }
        self.executor.call_function(&mut self.peer, HOME, frame).await
    }
}
