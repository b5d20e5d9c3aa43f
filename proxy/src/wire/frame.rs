//! Whole messages, cut off a stream's buffer before anybody looks into them.
//!
//! A frame is tag, length (which counts itself, not the tag) and body. Its length is believed only
//! within a limit, so a peer can not make us hold more than that for one message.

use bytes::{Bytes, BytesMut};

/// Tag and length.
const HEADER: usize = 5;

/// PostgreSQL's own limit of a message: what a server sends is never longer.
pub const SERVER_LIMIT: usize = 0x3fff_ffff;

/// One whole message as it came: tag, length and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// The length of tag and length in bytes.
    pub const HEADER: usize = HEADER;

    /// The message's kind.
    pub fn tag(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    /// What follows the length.
    pub fn body(&self) -> &[u8] {
        self.0.get(HEADER..).unwrap_or_default()
    }

    /// The whole message.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The whole message.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The length of the whole message in bytes.
    #[allow(clippy::len_without_is_empty)] // A frame is never empty.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a peer sent is not the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// A length below 4 (it counts itself) or above the limit.
    #[error("invalid message length {length} of message {tag:?}")]
    Length {
        /// The message's kind.
        tag: char,
        /// What the peer said, read as unsigned.
        length: u32,
    },
    /// The body is not what the message's kind asks for.
    #[error("malformed message {tag:?}")]
    Malformed {
        /// The message's kind.
        tag: char,
    },
}

/// Cuts one whole frame off the front of `buffer`, if it is there. `limit` is the largest length
/// word accepted, in bytes; it is checked before the body has arrived.
pub fn cut(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frame>, WireFault> {
    match whole(buffer, limit)? {
        Some(size) => Ok(Some(Frame(buffer.split_to(size).freeze()))),
        None => Ok(None),
    }
}

/// Cuts the longest prefix of whole frames whose tags are all in `tags`, as one piece: the bulk
/// relay of rows. `None` where the first frame is another one or is not whole yet.
pub fn cut_run(buffer: &mut BytesMut, tags: &[u8]) -> Option<BytesMut> {
    let run = run(buffer, tags);
    (run > 0).then(|| buffer.split_to(run))
}

/// The length in bytes of the longest prefix of whole frames whose tags are all in `tags`.
pub fn run(buffer: &[u8], tags: &[u8]) -> usize {
    let mut run = 0;
    while let Some(rest) = buffer.get(run..) {
        match (rest.first(), whole(rest, SERVER_LIMIT)) {
            (Some(tag), Ok(Some(size))) if tags.contains(tag) => run += size,
            _ => break,
        }
    }
    run
}

/// The frame at the front of `buffer`, if it is there whole.
///
/// # Errors
/// As [`cut`].
pub fn front(buffer: &[u8], limit: usize) -> Result<Option<&[u8]>, WireFault> {
    Ok(whole(buffer, limit)?.and_then(|size| buffer.get(..size)))
}

/// Cuts what is there of a frame that is not whole, where its tag is in `tags` and `least` bytes of it
/// have come: a message too long to be held. With it comes how many of its bytes are still to come.
pub fn cut_begun(buffer: &mut BytesMut, tags: &[u8], least: usize) -> Option<(BytesMut, usize)> {
    let header = buffer.first_chunk::<HEADER>()?;
    if buffer.len() < least || !tags.contains(&header[0]) {
        return None;
    }
    let size = size(header, SERVER_LIMIT).ok()?;
    let rest = size.checked_sub(buffer.len()).filter(|rest| *rest > 0)?;
    Some((buffer.split(), rest))
}

/// Cuts up to `rest` bytes, the rest of a message of which the beginning was cut; counts `rest` down.
pub fn cut_rest(buffer: &mut BytesMut, rest: &mut usize) -> BytesMut {
    let piece = buffer.split_to(buffer.len().min(*rest));
    *rest -= piece.len();
    piece
}

/// The tag of the frame at the front, whole or not.
pub fn next_tag(buffer: &BytesMut) -> Option<u8> {
    buffer.first().copied()
}

/// The size in bytes of the frame at the front, if it is there whole.
fn whole(buffer: &[u8], limit: usize) -> Result<Option<usize>, WireFault> {
    let Some(header) = buffer.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let size = size(header, limit)?;
    Ok((buffer.len() >= size).then_some(size))
}

/// The size in bytes of the frame that begins so.
fn size(&[tag, a, b, c, d]: &[u8; HEADER], limit: usize) -> Result<usize, WireFault> {
    let length = u32::from_be_bytes([a, b, c, d]);
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if size < 4 || size > limit.min(i32::MAX as usize) {
        return Err(WireFault::Length { tag: char::from(tag), length });
    }
    Ok(size + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::write;

    proptest! {
        #[test]
        fn frames_survive_being_cut_at_every_byte(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            at in any::<prop::sample::Index>(),
        ) {
            let mut stream = BytesMut::new();
            for body in &bodies {
                write::copy_data(&mut stream, body);
            }
            let cut_at = at.index(stream.len() + 1);
            let mut buffer = BytesMut::from(&stream[..cut_at]);
            let mut seen = Vec::new();
            while let Some(frame) = cut(&mut buffer, 1 << 20).unwrap() {
                seen.push(frame.body().to_vec());
            }
            buffer.extend_from_slice(&stream[cut_at..]);
            while let Some(frame) = cut(&mut buffer, 1 << 20).unwrap() {
                seen.push(frame.body().to_vec());
            }
            prop_assert_eq!(seen, bodies);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            cut_run(&mut buffer, b"Dd");
            cut_begun(&mut buffer.clone(), b"Dd", 6);
            while let Ok(Some(frame)) = cut(&mut buffer, 64) {
                prop_assert!(frame.len() <= 65);
            }
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_the_body_arrives() {
        for length in [0u32, 3, 101, 0x7fff_ffff, 0xffff_ffff] {
            let mut buffer = BytesMut::from(&b"Q"[..]);
            buffer.extend_from_slice(&length.to_be_bytes());
            assert_eq!(cut(&mut buffer, 100), Err(WireFault::Length { tag: 'Q', length }));
        }
    }

    #[test]
    fn a_long_message_is_cut_in_pieces() {
        let mut whole = BytesMut::new();
        write::copy_data(&mut whole, &[7; 100]);
        let mut buffer = BytesMut::from(&whole[..60]);
        assert_eq!(cut_begun(&mut buffer, b"D", 10), None, "another message");
        assert_eq!(cut_begun(&mut buffer, b"d", 61), None, "too little of it has come");
        let (mut seen, mut rest) = cut_begun(&mut buffer, b"d", 60).unwrap();
        assert_eq!(rest, whole.len() - 60);
        buffer.extend_from_slice(&whole[60..80]);
        seen.extend_from_slice(&cut_rest(&mut buffer, &mut rest));
        buffer.extend_from_slice(&whole[80..]);
        buffer.extend_from_slice(b"Z");
        seen.extend_from_slice(&cut_rest(&mut buffer, &mut rest));
        assert_eq!((&seen[..], rest, &buffer[..]), (&whole[..], 0, &b"Z"[..]));
        let mut buffer = whole.clone();
        assert_eq!(cut_begun(&mut buffer, b"d", 10), None, "it is whole");
    }

    #[test]
    fn a_run_ends_at_another_message() {
        let mut buffer = BytesMut::new();
        write::data_row(&mut buffer, [Some(&b"1"[..]), None]);
        write::data_row(&mut buffer, [Some(&b"2"[..])]);
        let rows = buffer.len();
        write::command_complete(&mut buffer, "SELECT 2");
        assert_eq!(cut_run(&mut buffer, b"D").map(|run| run.len()), Some(rows));
        assert_eq!(cut_run(&mut buffer, b"D"), None);
        assert_eq!(next_tag(&buffer), Some(b'C'));
    }
}
