//! Dialing a node: the stream, the startup message and the authentication, within one limit of time.

use std::io;
use std::sync::Arc;

use tokio::time::timeout;

use super::cancel::Gate;
use super::connection::Connection;
use super::handshake::{self, Welcome};
use super::target::Target;
use crate::auth::CannotProve;
use crate::auth::scram::ScramFault;
use crate::net::dial::{DialFault, dial};
use crate::wire::WireFault;
use crate::wire::view::Fields;

/// A node could not be connected to.
#[derive(Clone, Debug, thiserror::Error)]
#[error("could not connect to server {server} at {node}: {why}")]
pub struct DialError {
    /// The server's name.
    pub server: String,
    /// The node, `host:port`.
    pub node: String,
    /// Why.
    pub why: WhyNot,
}

impl DialError {
    /// The node's own words, where it said any.
    pub fn refused(&self) -> Option<&Fields> {
        match &self.why {
            WhyNot::Refused(fields) => Some(fields),
            WhyNot::Unreachable(_)
            | WhyNot::TimedOut
            | WhyNot::Tls(_)
            | WhyNot::Proof(_)
            | WhyNot::Scram(_)
            | WhyNot::Protocol(_) => None,
        }
    }

    /// True where the node has no connection left for us at present.
    pub fn is_crowded(&self) -> bool {
        self.refused().is_some_and(|fields| fields.sqlstate() == "53300")
    }
}

/// Why a node could not be connected to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WhyNot {
    /// Nobody answers there, or the stream broke.
    #[error("{0}")]
    Unreachable(Arc<io::Error>),
    /// It took longer than the target allows.
    #[error("timed out")]
    TimedOut,
    /// TLS failed or is missing.
    #[error("{0}")]
    Tls(String),
    /// The node refused: its genuine error.
    #[error("{0}")]
    Refused(Box<Fields>),
    /// It asks for a proof that the role has not got here.
    #[error("{0}")]
    Proof(#[from] CannotProve),
    /// Its part of a SCRAM exchange is wrong.
    #[error("{0}")]
    Scram(#[from] ScramFault),
    /// What the node said is not the protocol, or it asks for an authentication that we do not know.
    #[error("{0}")]
    Protocol(String),
}

impl From<DialFault> for WhyNot {
    fn from(fault: DialFault) -> WhyNot {
        match fault {
            DialFault::Network(error) => error.into(),
            fault @ (DialFault::NoTls | DialFault::Tls(_)) => WhyNot::Tls(fault.to_string()),
        }
    }
}

impl From<io::Error> for WhyNot {
    fn from(error: io::Error) -> WhyNot {
        WhyNot::Unreachable(Arc::new(error))
    }
}

impl From<WireFault> for WhyNot {
    fn from(fault: WireFault) -> WhyNot {
        WhyNot::Protocol(fault.to_string())
    }
}

impl Connection {
    /// Connects and logs in: SCRAM-SHA-256, md5 or a password in clear, as the node asks.
    pub async fn dial(target: &Arc<Target>) -> Result<Connection, DialError> {
        let why = match timeout(target.connect_timeout, welcome(target)).await {
            Ok(Ok(welcome)) => return Ok(Connection::new(target.clone(), welcome, Arc::<Gate>::default())),
            Ok(Err(why)) => why,
            Err(_) => WhyNot::TimedOut,
        };
        Err(DialError { server: target.server.clone(), node: target.node(), why })
    }
}

async fn welcome(target: &Target) -> Result<Welcome, WhyNot> {
    let stream = dial(&target.host, target.port, &target.tls).await?;
    handshake::run(stream, target).await
}
