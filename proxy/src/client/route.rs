//! How a client reached us, as far as its login cares.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::gate::Gate;
use crate::auth::hba::Origin;
use crate::net::Stream;

/// How a client reached us.
pub(super) struct Route {
    /// A unix socket, or an address: its own, where a load balancer has told it.
    pub(super) origin: Origin,
    /// The certificate that it has shown; the authority has signed it.
    pub(super) certificate: Option<CertificateDer<'static>>,
    /// What SCRAM may bind to.
    pub(super) end_point: Option<Arc<[u8]>>,
}

impl Route {
    /// The route of a stream from `address`; none: by a unix socket.
    pub(super) fn of(stream: &Stream, address: Option<SocketAddr>, gate: &Gate) -> Route {
        let secure = matches!(stream, Stream::Tls(_));
        let origin = address
            .map_or(Origin::Local, |address| Origin::Host { address: address.ip().to_canonical(), secure });
        let end_point = gate.tls.as_ref().filter(|_| secure).and_then(|tls| tls.end_point.clone());
        Route { origin, certificate: stream.peer_certificate().cloned(), end_point }
    }

    /// True where it is from this machine: loopback or the unix socket.
    pub(super) fn is_local(&self) -> bool {
        match self.origin {
            Origin::Local => true,
            Origin::Host { address, .. } => address.is_loopback(),
        }
    }

    /// True where there is nothing to ask a certificate of, or it has shown one.
    pub(super) fn shows_certificate(&self) -> bool {
        match self.origin {
            Origin::Local => true,
            Origin::Host { .. } => self.certificate.is_some(),
        }
    }

    /// Where it came from, as PostgreSQL's messages have it.
    pub(super) fn host(&self) -> String {
        match self.origin {
            Origin::Local => "[local]".into(),
            Origin::Host { address, .. } => IpAddr::to_string(&address),
        }
    }

    /// Whether others may read along, as PostgreSQL's messages have it.
    pub(super) fn encryption(&self) -> &'static str {
        match self.origin {
            Origin::Host { secure: true, .. } => "SSL encryption",
            Origin::Local | Origin::Host { secure: false, .. } => "no encryption",
        }
    }
}

#[cfg(test)]
impl Route {
    /// From afar, in clear.
    pub(super) fn far() -> Route {
        let origin = Origin::Host { address: IpAddr::from([203, 0, 113, 7]), secure: false };
        Route { origin, certificate: None, end_point: None }
    }

    /// By the unix socket.
    pub(super) fn near() -> Route {
        Route { origin: Origin::Local, certificate: None, end_point: None }
    }
}
