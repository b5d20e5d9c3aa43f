//! Where a client is: the other end of its connection, or what a load balancer that we believe says
//! ahead of it by the PROXY protocol.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::gate::Gate;
use super::handshake::Ended;
use super::secure;
use crate::config::ProxyProtocol;
use crate::net::Stream;
use crate::net::proxy_header::{self, LONGEST_LINE, Malformed, Origin, PREFIX};

impl From<Malformed> for Ended {
    fn from(_: Malformed) -> Ended {
        Ended::Garbage("malformed PROXY header")
    }
}

/// The client's address; none on a unix socket. What a balancer says of it is taken off the stream.
pub(super) async fn address(stream: &mut Stream, gate: &Gate) -> Result<Option<SocketAddr>, Ended> {
    let Some(other_end) = secure::peer(stream)? else { return Ok(None) };
    let proxy = &gate.config.proxy;
    let demanded = match proxy.proxy_protocol {
        ProxyProtocol::Off => return Ok(Some(other_end)),
        ProxyProtocol::Optional => false,
        ProxyProtocol::Required => true,
    };
    let first = secure::first_byte(stream).await?;
    let Some(version) = first.and_then(proxy_header::version) else {
        return match demanded {
            true => Err(Ended::Garbage("no PROXY header, which is demanded")),
            false => Ok(Some(other_end)),
        };
    };
    if !proxy.proxy_protocol_from.iter().any(|network| network.holds(other_end.ip())) {
        tracing::warn!(from = %other_end, "a PROXY header from an address that is not in proxy_protocol_from");
        return Err(Ended::Garbage("a PROXY header from somebody we do not believe"));
    }
    let Stream::Plain(stream) = stream else { return Ok(Some(other_end)) };
    let told = if version == 1 { line(stream).await? } else { binary(stream).await? };
    Ok(Some(match told {
        Origin::Client(client) => client,
        Origin::Balancer => other_end,
    }))
}

/// Nothing may be read beyond the line's end: what follows may be TLS's.
async fn line(stream: &mut TcpStream) -> Result<Origin, Ended> {
    let mut line = Vec::with_capacity(LONGEST_LINE);
    while line.len() < LONGEST_LINE && !line.ends_with(b"\n") {
        line.push(stream.read_u8().await?);
    }
    Ok(proxy_header::line(&line)?)
}

async fn binary(stream: &mut TcpStream) -> Result<Origin, Ended> {
    let mut prefix = [0; PREFIX];
    stream.read_exact(&mut prefix).await?;
    let mut rest = vec![0; proxy_header::rest_length(&prefix)?];
    stream.read_exact(&mut rest).await?;
    Ok(proxy_header::binary(&prefix, &rest)?)
}
