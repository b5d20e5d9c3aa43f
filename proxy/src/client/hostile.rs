//! The parsers of this room for who feeds them with bytes at random: fuzzing, and the replay of what it
//! found. They promise not to panic, and what each function here says.

use std::net::Ipv4Addr;

use bytes::BytesMut;
use futures_util::FutureExt;

use super::auth::{self, Claim};
use super::gate::Gate;
use super::handshake::Handshake;
use super::roles::NoRoles;
use super::route::Route;
use super::{options, packet};
use crate::auth::hba::Origin;

/// Cuts packets; a stream cut in two anywhere gives the same ones.
pub fn packets(bytes: &[u8]) {
    let Some((at, stream)) = bytes.split_first() else { return };
    let at = usize::from(*at) * stream.len() / 255;
    let mut whole = BytesMut::from(stream);
    let mut pieces = BytesMut::from(&stream[..at]);
    let mut rest = Some(&stream[at..]);
    loop {
        let (expected, mut found) = (packet::cut(&mut whole), packet::cut(&mut pieces));
        if found == Ok(None)
            && let Some(rest) = rest.take()
        {
            pieces.extend_from_slice(rest);
            found = packet::cut(&mut pieces);
        }
        assert_eq!(expected, found, "a cut at {at} changes the packets");
        if !matches!(expected, Ok(Some(_))) {
            return;
        }
    }
}

/// Reads a startup's `options`.
pub fn options(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = options::settings(text);
    }
}

/// Answers what a client that logs in says, as far as its bytes go. No bytes are a password.
///
/// The gate must be warm, since there is no thread to hash passwords.
pub fn login(bytes: &[u8], gate: &Gate) {
    let stream = tokio::io::join(bytes, tokio::io::sink());
    let origin = Origin::Host { address: Ipv4Addr::BROADCAST.into(), secure: false };
    let route = Route { origin, certificate: None, end_point: None };
    let mut handshake = Handshake::new(stream);
    let claim = Claim { user: "app", database: "app", route: &route };
    let outcome = auth::authenticate(&mut handshake, claim, gate, &NoRoles).now_or_never();
    assert!(!matches!(outcome, Some(Ok(_))), "a login without the password");
}
