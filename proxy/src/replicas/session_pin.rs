//! What a session's own reads must see: a plain value that the session holds, and its text form, the
//! token of `SHOW pgherd.token` and `SET pgherd.token`.
//!
//! A token names servers and log positions (`alpha:16/B374D848,beta:2/C0FFEE`), so it means the
//! same to another proxy. A write that no sample covers yet has no position: making a token waits
//! for the next sample.

use std::collections::BTreeMap;
use std::time::Duration;

use router::ids::Lsn;

use super::samples::SampleNumber;
use super::server::{Requirement, Server};
use super::servers::Servers;

/// A session's claim to see what it wrote and what tokens it adopted. Cheap while empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPin {
    /// By [`Server::number`].
    servers: BTreeMap<usize, Claim>,
}

/// What one server's replicas must have replayed for the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Claim {
    /// The session's last write there.
    written: SampleNumber,
    /// The highest position adopted.
    adopted: Lsn,
}

/// The text is not a token of this fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not of the form server:position, with a server of this fleet")]
pub struct NotAToken(pub String);

/// A server was not sampled in time, so a write there has no position yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log position of server {0} is not known now")]
pub struct TokenUnavailable(pub String);

impl SessionPin {
    pub(super) fn wrote(&mut self, server: &Server, pin: SampleNumber) {
        let claim = self.servers.entry(server.number()).or_default();
        claim.written = claim.written.max(pin);
    }

    /// What a replica of this server must have replayed of the session's writes.
    pub(super) fn written(&self, server: &Server) -> Requirement {
        let claim = self.claim(server);
        Requirement { sample: claim.written, lsn: claim.adopted }
    }

    /// What a replica of this server must have replayed of the adopted tokens.
    pub(super) fn adopted(&self, server: &Server) -> Requirement {
        Requirement { sample: SampleNumber::default(), lsn: self.claim(server).adopted }
    }

    /// The token: positions that cover all that the session wrote or adopted; empty where that is
    /// nothing. Waits for a sample, at most `limit` a server.
    ///
    /// # Errors
    /// [`TokenUnavailable`] where a server is not sampled in time.
    pub async fn token(&self, servers: &Servers, limit: Duration) -> Result<String, TokenUnavailable> {
        let mut parts = Vec::new();
        for server in servers.iter() {
            let claim = self.claim(server);
            let mut lsn = claim.adopted;
            if claim.written > SampleNumber::default() {
                let covering = server.position_of(claim.written, limit).await;
                let covering = covering.ok_or_else(|| TokenUnavailable(server.name().to_owned()))?;
                lsn = lsn.max(covering);
            }
            if lsn > Lsn::default() {
                parts.push(format!("{}:{lsn}", server.name()));
            }
        }
        Ok(parts.join(","))
    }

    /// Adopts a token: from now on the session's reads see what it covers. An empty text is a token
    /// that covers nothing.
    ///
    /// # Errors
    /// [`NotAToken`] where the text is none; nothing is adopted then.
    pub fn adopt(&mut self, text: &str, servers: &Servers) -> Result<(), NotAToken> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let read: Vec<(usize, Lsn)> = parts
            .map(|part| read(part, servers).ok_or_else(|| NotAToken(part.to_owned())))
            .collect::<Result<_, _>>()?;
        for (number, lsn) in read {
            let claim = self.servers.entry(number).or_default();
            claim.adopted = claim.adopted.max(lsn);
        }
        Ok(())
    }

    fn claim(&self, server: &Server) -> Claim {
        self.servers.get(&server.number()).copied().unwrap_or_default()
    }
}

fn read(part: &str, servers: &Servers) -> Option<(usize, Lsn)> {
    let (name, lsn) = part.rsplit_once(':')?;
    Some((servers.named(name).ok()?.number(), lsn.parse().ok()?))
}
