//! Views of what servers say while somebody logs in.

use crate::wire::frame::{Frame, WireFault};
use crate::wire::read::Reader;

/// An Authentication message: what the server wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// Nothing more.
    Ok,
    /// The password itself.
    Password,
    /// The password's md5 with this salt.
    Md5([u8; 4]),
    /// One of these SASL mechanisms.
    Sasl(Vec<&'a [u8]>),
    /// The answer to this challenge.
    SaslContinue(&'a [u8]),
    /// Nothing more in SASL; the server's own proof.
    SaslFinal(&'a [u8]),
    /// Something else, by its number.
    Other(i32),
}

/// What an Authentication message asks for.
pub fn authentication(frame: &Frame) -> Result<Authentication<'_>, WireFault> {
    let mut reader = Reader::of(frame, b'R')?;
    let asked = match reader.int32()? {
        0 => Authentication::Ok,
        3 => Authentication::Password,
        5 => {
            let salt = reader.take(4)?.try_into().map_err(|_| reader.fault())?;
            Authentication::Md5(salt)
        }
        10 => {
            let mut mechanisms = Vec::new();
            loop {
                match reader.text()? {
                    b"" => break,
                    mechanism => mechanisms.push(mechanism),
                }
            }
            Authentication::Sasl(mechanisms)
        }
        11 => return Ok(Authentication::SaslContinue(reader.rest())),
        12 => return Ok(Authentication::SaslFinal(reader.rest())),
        other => return Ok(Authentication::Other(other)),
    };
    reader.end()?;
    Ok(asked)
}

/// Process and cancel key of a BackendKeyData; the key has 4 bytes, or since protocol 3.2 up to 256.
pub fn backend_key(frame: &Frame) -> Result<(i32, &[u8]), WireFault> {
    let mut reader = Reader::of(frame, b'K')?;
    let process = reader.int32()?;
    match reader.rest().len() {
        4..=256 => Ok((process, reader.rest())),
        _ => Err(reader.fault()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::wire::{cut, write};

    fn frame(tag: u8, body: &[u8]) -> Frame {
        let mut bytes = BytesMut::new();
        write::raw(&mut bytes, tag, body);
        cut(&mut bytes, 1 << 20).expect("a frame").expect("a whole one")
    }

    #[test]
    fn each_kind_is_read_whole() {
        let asked = |body: &[u8]| authentication(&frame(b'R', body)).map(|asked| format!("{asked:?}"));
        assert_eq!(asked(&[0, 0, 0, 0]), Ok("Ok".into()));
        assert_eq!(asked(&[0, 0, 0, 5, 1, 2, 3, 4]), Ok("Md5([1, 2, 3, 4])".into()));
        assert_eq!(asked(b"\0\0\0\x0aA\0B\0\0"), Ok("Sasl([[65], [66]])".into()));
        assert_eq!(asked(b"\0\0\0\x0bx"), Ok("SaslContinue([120])".into()));
        assert_eq!(asked(&[0, 0, 0, 7]), Ok("Other(7)".into()));
        for faulty in [&b""[..], b"\0\0\0", b"\0\0\0\0x", b"\0\0\0\x05abc", b"\0\0\0\x0aA\0", b"\0\0\0\x0a"] {
            assert!(asked(faulty).is_err(), "{faulty:?}");
        }
    }

    #[test]
    fn a_cancel_key_may_be_long() {
        let key = |length: usize| {
            let frame = frame(b'K', &[&[0, 0, 0, 7][..], &vec![1; length]].concat());
            backend_key(&frame).map(|(process, key)| (process, key.len()))
        };
        assert_eq!((key(4), key(32), key(256)), (Ok((7, 4)), Ok((7, 32)), Ok((7, 256))));
        assert!(key(3).is_err() && key(257).is_err());
    }
}
