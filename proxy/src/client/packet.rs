//! What a client sends before it is anybody: SSLRequest, GSSENCRequest, CancelRequest or a
//! StartupMessage (PostgreSQL's manual, "Message Formats"). Pure: bytes in, packets out.
//!
//! These packets have no tag: a length, a code, and for a StartupMessage pairs of C strings. Lengths
//! are those that PostgreSQL itself accepts, so garbage is known after its first four bytes.

use bytes::{Buf, Bytes, BytesMut};

/// PostgreSQL's own limit (`MAX_STARTUP_PACKET_LENGTH`).
const LONGEST: usize = 10_000;
const SHORTEST: usize = 8;

const CANCEL: u32 = 1234 << 16 | 5678;
const SSL: u32 = 1234 << 16 | 5679;
const GSS: u32 = 1234 << 16 | 5680;

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    /// Asks for TLS.
    Ssl,
    /// Asks for GSSAPI encryption, which is always refused.
    Gss,
    /// Asks to cancel what another connection runs.
    Cancel(CancelRequest),
    /// Says who it wants to be.
    Startup(StartupPacket),
}

/// The key of the session whose statement is to be canceled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// The process id of BackendKeyData.
    pub process: i32,
    /// The secret of BackendKeyData: 4 bytes, up to 256 since protocol 3.2.
    pub secret: Bytes,
}

/// A protocol version as the client asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProtocolVersion {
    /// 3 in all that are spoken.
    pub major: u16,
    /// 0, or 2 since PostgreSQL 18; 1 was never given out, and is as 0.
    pub minor: u16,
}

impl ProtocolVersion {
    /// What every client speaks.
    pub const V3_0: ProtocolVersion = ProtocolVersion { major: 3, minor: 0 };
    /// The newest that is spoken, with cancel secrets of any length.
    pub const V3_2: ProtocolVersion = ProtocolVersion { major: 3, minor: 2 };

    /// The code on the wire.
    pub fn code(self) -> u32 {
        u32::from(self.major) << 16 | u32::from(self.minor)
    }
}

/// A StartupMessage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StartupPacket {
    /// What the client wants to speak.
    pub(super) version: ProtocolVersion,
    /// Names and values in their order, as they came.
    pub(super) parameters: Vec<(String, String)>,
}

/// Bytes that are no packet; the connection is closed without a word, as what sent them speaks
/// another protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAPacket {
    /// The first four bytes are no length that a packet can have.
    #[error("invalid length of startup packet")]
    Length,
    /// The length is fine, the rest is not.
    #[error("invalid startup packet layout")]
    Layout,
}

/// Takes one packet off the buffer; `None` where it is not whole yet.
pub(super) fn cut(buffer: &mut BytesMut) -> Result<Option<Packet>, NotAPacket> {
    let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Err(NotAPacket::Length);
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let mut packet = buffer.split_to(length).freeze();
    packet.advance(4);
    read(packet).map(Some)
}

fn read(mut packet: Bytes) -> Result<Packet, NotAPacket> {
    let code = packet.get_u32();
    match code {
        SSL | GSS if !packet.is_empty() => Err(NotAPacket::Layout),
        SSL => Ok(Packet::Ssl),
        GSS => Ok(Packet::Gss),
        CANCEL => match packet.len() {
            8..=260 => Ok(Packet::Cancel(CancelRequest { process: packet.get_i32(), secret: packet })),
            _ => Err(NotAPacket::Layout),
        },
        _ => {
            let version = ProtocolVersion { major: (code >> 16) as u16, minor: (code & 0xFFFF) as u16 };
            let parameters = if version.major == 3 { pairs(packet)? } else { Vec::new() };
            Ok(Packet::Startup(StartupPacket { version, parameters }))
        }
    }
}

/// `name NUL value NUL ... NUL`, and nothing after it.
fn pairs(mut packet: Bytes) -> Result<Vec<(String, String)>, NotAPacket> {
    let mut pairs = Vec::new();
    loop {
        let name = string(&mut packet)?;
        if name.is_empty() {
            return if packet.is_empty() { Ok(pairs) } else { Err(NotAPacket::Layout) };
        }
        pairs.push((name, string(&mut packet)?));
    }
}

fn string(packet: &mut Bytes) -> Result<String, NotAPacket> {
    let end = packet.iter().position(|byte| *byte == 0).ok_or(NotAPacket::Layout)?;
    let text = packet.split_to(end);
    packet.advance(1);
    String::from_utf8(text.into()).map_err(|_| NotAPacket::Layout)
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    fn packet(code: u32, body: &[u8]) -> BytesMut {
        let mut buffer = BytesMut::new();
        buffer.put_u32(8 + body.len() as u32);
        buffer.put_u32(code);
        buffer.extend_from_slice(body);
        buffer
    }

    #[test]
    fn a_startup_message_is_read_at_any_cut() {
        let whole = packet(3 << 16, b"user\0app\0database\0shop\0\0");
        for length in 0..whole.len() {
            assert_eq!(cut(&mut BytesMut::from(&whole[..length])), Ok(None), "{length} bytes");
        }
        let parameters = vec![("user".into(), "app".into()), ("database".into(), "shop".into())];
        let startup = StartupPacket { version: ProtocolVersion::V3_0, parameters };
        assert_eq!(cut(&mut whole.clone()), Ok(Some(Packet::Startup(startup))));
    }

    #[test]
    fn what_follows_a_packet_stays() {
        let mut buffer = packet(SSL, b"");
        buffer.extend_from_slice(b"\x16rest");
        assert_eq!(cut(&mut buffer), Ok(Some(Packet::Ssl)));
        assert_eq!(&buffer[..], b"\x16rest");
    }

    #[test]
    fn garbage_is_known_early() {
        for length in [0u32, 4, 7, 10_001, 0x7FFF_FFFF, u32::MAX] {
            assert_eq!(
                cut(&mut BytesMut::from(&length.to_be_bytes()[..])),
                Err(NotAPacket::Length),
                "{length}"
            );
        }
        assert_eq!(cut(&mut BytesMut::from(&b"GET / HTTP/1.1\r\n"[..])), Err(NotAPacket::Length));
        for body in [&b""[..], b"user", b"user\0app", b"user\0app\0", b"user\0app\0\0x", b"user\0\xff\0\0"] {
            assert_eq!(cut(&mut packet(3 << 16, body)), Err(NotAPacket::Layout), "{body:?}");
        }
        assert_eq!(cut(&mut packet(SSL, b"x")), Err(NotAPacket::Layout));
        assert_eq!(cut(&mut packet(CANCEL, b"1234567")), Err(NotAPacket::Layout));
    }

    #[test]
    fn a_cancel_secret_may_be_long() {
        let cancel = |secret: &[u8]| cut(&mut packet(CANCEL, &[&[0, 0, 0, 7], secret].concat()));
        let expected = |secret: &[u8]| {
            Ok(Some(Packet::Cancel(CancelRequest { process: 7, secret: Bytes::copy_from_slice(secret) })))
        };
        assert_eq!(cancel(&[1; 4]), expected(&[1; 4]));
        assert_eq!(cancel(&[2; 256]), expected(&[2; 256]));
        assert_eq!(cancel(&[3; 257]), Err(NotAPacket::Layout));
    }
}
