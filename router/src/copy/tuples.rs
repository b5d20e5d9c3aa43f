//! Rows of the binary format: where they end, and which bytes are the key.

use std::ops::Range;

use crate::ids::{KeyType, TenantKey};

/// `PGCOPY\n\377\r\n\0`.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// What stands at the start of a buffer of binary data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tuple {
    /// A row of this length; the key's bytes in it, `None` for NULL.
    Row { length: usize, key: Option<Range<usize>> },
    /// The file trailer, two bytes.
    Trailer,
    /// What no server accepts: a field count or length that cannot be, in these first bytes.
    Broken(usize),
    /// Not all is here yet.
    More,
}

/// The length of the file header at the start of `buffer`; `Err(length)` where no server accepts
/// it; `None` while it is not all here.
pub(super) fn header_length(buffer: &[u8]) -> Option<Result<usize, usize>> {
    let seen = buffer.len().min(SIGNATURE.len());
    if buffer[..seen] != SIGNATURE[..seen] {
        return Some(Err(buffer.len()));
    }
    let extension = int4(buffer, SIGNATURE.len() + 4)?;
    let start = SIGNATURE.len() + 8;
    let Ok(extension) = usize::try_from(extension) else { return Some(Err(start)) };
    (buffer.len() - start >= extension).then_some(Ok(start + extension))
}

/// Reads the row at the start of `buffer`.
pub(super) fn tuple(buffer: &[u8], fields: usize, key_field: usize) -> Tuple {
    let Some(count) = buffer.first_chunk::<2>().map(|bytes| i16::from_be_bytes(*bytes)) else {
        return Tuple::More;
    };
    if count == -1 {
        return Tuple::Trailer;
    }
    if usize::try_from(count) != Ok(fields) {
        return Tuple::Broken(2);
    }
    let (mut at, mut key) = (2, None);
    for index in 0..fields {
        let Some(length) = int4(buffer, at) else { return Tuple::More };
        at += 4;
        if length == -1 {
            continue;
        }
        let Ok(length) = usize::try_from(length) else { return Tuple::Broken(at) };
        if buffer.len() - at < length {
            return Tuple::More;
        }
        if index == key_field {
            key = Some(at..at + length);
        }
        at += length;
    }
    Tuple::Row { length: at, key }
}

/// The key in its binary form; `None` where no server accepts the bytes as a value of the type.
pub(super) fn key(bytes: &[u8], key_type: KeyType) -> Option<TenantKey> {
    key_type.read_binary(bytes).filter(|_| key_type != KeyType::Text || !bytes.contains(&0))
}

fn int4(buffer: &[u8], at: usize) -> Option<i32> {
    buffer.get(at..)?.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes))
}
