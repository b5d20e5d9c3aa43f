//! How a connection to a node is lost.

use std::io;
use std::sync::Arc;

use crate::wire::WireFault;
use crate::wire::view::Fields;

/// A connection is lost.
#[derive(Clone, Debug, thiserror::Error)]
#[error("lost the connection to server {server} at {node}: {why}")]
pub struct ServerGone {
    /// The server's name.
    pub server: String,
    /// The node, `host:port`.
    pub node: String,
    /// How.
    pub why: WhyGone,
}

/// How a connection was lost.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WhyGone {
    /// The node closed it, perhaps after a last FATAL error.
    #[error("closed by the server{}", .0.as_ref().map(|fields| format!(": {fields}")).unwrap_or_default())]
    Closed(Option<Box<Fields>>),
    /// The network failed.
    #[error("{0}")]
    Network(Arc<io::Error>),
    /// The node has been silent for too long.
    #[error("the node does not answer any more")]
    Silent,
    /// What the node said is not the protocol.
    #[error("{0}")]
    Protocol(#[from] WireFault),
}
