//! How a statement can end early. Each way says who has been told, so that nobody is told twice or
//! never.

use crate::error::ClientError;
use crate::execute::aim::Aim;
use crate::net::peer::PeerGone;
use crate::server::{ServerGone, WhyGone};
use crate::wire::view::Fields;

/// Why a statement did not complete.
#[derive(Debug)]
pub enum Trouble {
    /// The client must be told this; it has not been yet.
    Tell(ClientError),
    /// The client must be told what a server answered to the proxy.
    Relay(Box<Fields>),
    /// A server's own error was relayed to the client.
    Told,
    /// There is nobody left to tell.
    Gone(PeerGone),
}

impl Trouble {
    /// The same with an error that points into the client's text.
    pub(super) fn aimed(self, aim: &Aim<'_>) -> Trouble {
        match self {
            Trouble::Relay(fields) => Trouble::Relay(Box::new(aim.correct(&fields))),
            Trouble::Tell(_) | Trouble::Told | Trouble::Gone(_) => self,
        }
    }

    /// True where a connection to a server broke: the statement may be tried on another.
    pub fn is_connection_failure(&self) -> bool {
        match self {
            Trouble::Tell(error) => error.class() == "08",
            Trouble::Relay(fields) => matches!(fields.sqlstate(), "57P01" | "57P02" | "57P03"),
            Trouble::Told | Trouble::Gone(_) => false,
        }
    }

    /// True where a server has found a deadlock.
    pub fn is_deadlock(&self) -> bool {
        match self {
            Trouble::Relay(fields) => fields.sqlstate() == "40P01",
            Trouble::Tell(_) | Trouble::Told | Trouble::Gone(_) => false,
        }
    }
}

impl From<Fields> for Trouble {
    fn from(error: Fields) -> Trouble {
        Trouble::Relay(Box::new(error))
    }
}

impl From<ServerGone> for Trouble {
    fn from(gone: ServerGone) -> Trouble {
        match gone.why {
            WhyGone::Closed(Some(fields)) => Trouble::Relay(fields),
            WhyGone::Closed(None) | WhyGone::Network(_) | WhyGone::Silent | WhyGone::Protocol(_) => {
                Trouble::Tell(ClientError::server_gone(&gone.server))
            }
        }
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Trouble {
        Trouble::Tell(error)
    }
}

impl From<PeerGone> for Trouble {
    fn from(gone: PeerGone) -> Trouble {
        Trouble::Gone(gone)
    }
}

impl From<router::plan::Refusal> for Trouble {
    fn from(refusal: router::plan::Refusal) -> Trouble {
        Trouble::Tell(refusal.into())
    }
}
