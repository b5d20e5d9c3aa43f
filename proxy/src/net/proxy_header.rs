//! The PROXY protocol (haproxy's `proxy-protocol.txt`), versions 1 and 2: what a load balancer says
//! ahead of a client's first byte, so that we know where the client is. Pure: bytes in, address out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1, with its line end.
pub const LONGEST_LINE: usize = 107;
/// Version 2 up to its length, and that too.
pub const PREFIX: usize = 16;
/// Addresses and what else a balancer may add in version 2; real ones stay far below.
pub const LONGEST_REST: usize = 2048;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The balancer speaks for itself (a health check), or does not know.
    Balancer,
    /// It speaks for a client at this address.
    Client(SocketAddr),
}

/// Bytes that are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed PROXY header")]
pub struct Malformed;

/// The version that a connection's first byte begins; `None` where it begins no header. A packet of
/// PostgreSQL's begins with 0, and TLS with 22.
pub fn version(first: u8) -> Option<u8> {
    match first {
        b'P' => Some(1),
        b'\r' => Some(2),
        _ => None,
    }
}

/// Reads a line of version 1, with its line end.
pub fn line(line: &[u8]) -> Result<Origin, Malformed> {
    let line = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n")).ok_or(Malformed)?;
    let mut words = line.split(' ');
    match (words.next(), words.next()) {
        (Some("PROXY"), Some("UNKNOWN")) => return Ok(Origin::Balancer),
        (Some("PROXY"), Some("TCP4" | "TCP6")) => {}
        _ => return Err(Malformed),
    }
    let is_four = line.starts_with("PROXY TCP4");
    let (Some(from), Some(to), Some(port), Some(to_port), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Malformed);
    };
    let address = |text: &str| {
        text.parse::<IpAddr>().ok().filter(|address| address.is_ipv4() == is_four).ok_or(Malformed)
    };
    let number = |text: &str| text.parse::<u16>().map_err(|_| Malformed);
    address(to)?;
    number(to_port)?;
    Ok(Origin::Client(SocketAddr::new(address(from)?, number(port)?)))
}

/// The number of bytes that follow the prefix of version 2.
pub fn rest_length(prefix: &[u8; PREFIX]) -> Result<usize, Malformed> {
    let length = usize::from(u16::from_be_bytes([prefix[14], prefix[15]]));
    let sound = prefix.starts_with(SIGNATURE) && prefix[12] >> 4 == 2 && length <= LONGEST_REST;
    if sound { Ok(length) } else { Err(Malformed) }
}

/// Reads version 2: its prefix, which [`rest_length`] has accepted, and the rest.
pub fn binary(prefix: &[u8; PREFIX], rest: &[u8]) -> Result<Origin, Malformed> {
    match (prefix[12] & 0x0F, prefix[13]) {
        (0, _) => Ok(Origin::Balancer),
        (1, 0x00 | 0x31 | 0x32) => Ok(Origin::Balancer),
        (1, 0x11) => {
            let (address, rest) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
            Ok(Origin::Client(SocketAddr::new(Ipv4Addr::from(*address).into(), port(rest, 4)?)))
        }
        (1, 0x21) => {
            let (address, rest) = rest.split_first_chunk::<16>().ok_or(Malformed)?;
            Ok(Origin::Client(SocketAddr::new(Ipv6Addr::from(*address).into(), port(rest, 16)?)))
        }
        _ => Err(Malformed),
    }
}

/// The source's port, which stands behind the destination's address and before its port.
fn port(rest: &[u8], address: usize) -> Result<u16, Malformed> {
    match rest.get(address..address + 4) {
        Some([high, low, _, _]) => Ok(u16::from_be_bytes([*high, *low])),
        Some(_) | None => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(text: &str) -> Result<Origin, Malformed> {
        Ok(Origin::Client(text.parse().expect("an address")))
    }

    fn two(command: u8, family: u8, rest: &[u8]) -> Result<Origin, Malformed> {
        let length = (rest.len() as u16).to_be_bytes();
        let bytes = [&SIGNATURE[..], &[0x20 | command, family], &length].concat();
        let prefix = bytes.try_into().expect("16 bytes");
        assert_eq!(rest_length(&prefix)?, rest.len());
        binary(&prefix, rest)
    }

    #[test]
    fn version_1_is_a_line() {
        assert_eq!(line(b"PROXY TCP4 1.2.3.4 10.0.0.1 5000 6432\r\n"), client("1.2.3.4:5000"));
        assert_eq!(line(b"PROXY TCP6 ::1 ::2 5000 6432\r\n"), client("[::1]:5000"));
        assert_eq!(line(b"PROXY UNKNOWN\r\n"), Ok(Origin::Balancer));
        assert_eq!(line(b"PROXY UNKNOWN ff ff 1 2\r\n"), Ok(Origin::Balancer));
        for malformed in [
            &b""[..],
            b"PROXY TCP4 1.2.3.4 10.0.0.1 5000 6432\n",
            b"PROXY TCP4 ::1 ::2 5000 6432\r\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 5000\r\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 5000 6432 7\r\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 70000 6432\r\n",
            b"PROXY UDP4 1.2.3.4 10.0.0.1 5000 6432\r\n",
            b"POST / HTTP/1.1\r\n",
        ] {
            assert_eq!(line(malformed), Err(Malformed));
        }
    }

    #[test]
    fn version_2_is_binary() {
        let four = [1, 2, 3, 4, 10, 0, 0, 1, 0x13, 0x88, 0x19, 0x20];
        assert_eq!(two(1, 0x11, &four), client("1.2.3.4:5000"));
        assert_eq!(
            two(1, 0x11, &[&four[..], &[3, 0, 1, 0]].concat()),
            client("1.2.3.4:5000"),
            "more follows"
        );
        let six = [&Ipv6Addr::LOCALHOST.octets()[..], &[0; 16], &[0x13, 0x88, 0, 0]].concat();
        assert_eq!(two(1, 0x21, &six), client("[::1]:5000"));
        assert_eq!(two(0, 0x00, &[]), Ok(Origin::Balancer));
        assert_eq!(two(1, 0x00, &[]), Ok(Origin::Balancer));
        assert_eq!(two(1, 0x11, &four[..11]), Err(Malformed));
        assert_eq!(two(1, 0x12, &four), Err(Malformed), "UDP");
        assert_eq!(two(2, 0x11, &four), Err(Malformed));
        assert_eq!(rest_length(&[13; 16]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(prefix in any::<[u8; PREFIX]>(), rest in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = rest_length(&prefix);
            let _ = binary(&prefix, &rest);
            let _ = line(&rest);
        }
    }
}
