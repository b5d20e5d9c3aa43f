//! Names of things: shards, servers, moves, log positions and tenant keys with their hash.
//!
//! The mapping tenant key -> shard is a promise to users' data: it is pinned by the test vectors
//! below and never changes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One logical shard, `0..shards`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u32);

/// One server (a primary and its replicas): its index in [`crate::directory::Directory::servers`].
/// The first is the home server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerId(pub u16);

impl ServerId {
    /// The home server: `pg_catalog` is read there, so that introspection is stable.
    pub const HOME: ServerId = ServerId(0);
}

/// One move, numbered from 1 in the order of their start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MoveId(pub u64);

impl fmt::Display for MoveId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// A position in a server's write-ahead log, as PostgreSQL's `pg_lsn`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl std::str::FromStr for Lsn {
    type Err = NotAnLsn;

    /// Reads PostgreSQL's text form, `16/B374D848`.
    fn from_str(text: &str) -> Result<Self, NotAnLsn> {
        let (high, low) = text.split_once('/').ok_or(NotAnLsn)?;
        let part = |digits: &str| match digits.len() {
            1..=8 => u32::from_str_radix(digits, 16).map_err(|_| NotAnLsn),
            _ => Err(NotAnLsn),
        };
        Ok(Lsn(u64::from(part(high)?) << 32 | u64::from(part(low)?)))
    }
}

/// The text is not of the form `16/B374D848`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log sequence number")]
pub struct NotAnLsn;

/// The type of a tenant column, as far as the hash cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// `int2`, `int4`, `int8`: one mapping for all three.
    Integer,
    /// `uuid`.
    Uuid,
    /// `text` and `varchar` with a deterministic collation.
    Text,
}

impl KeyType {
    /// The key type of a column whose type has this OID in `pg_type`; `None` where the type can
    /// not be a tenant column.
    pub fn of_type_oid(oid: u32) -> Option<KeyType> {
        match oid {
            20 | 21 | 23 => Some(KeyType::Integer),
            2950 => Some(KeyType::Uuid),
            25 | 1043 => Some(KeyType::Text),
            _ => None,
        }
    }

    /// Reads a key from its PostgreSQL binary form (as in a binary parameter or COPY's binary format).
    /// `None` where the bytes are no value of the type.
    pub fn read_binary(self, bytes: &[u8]) -> Option<TenantKey> {
        match self {
            KeyType::Integer => {
                let value = match bytes.len() {
                    2 => i64::from(i16::from_be_bytes(bytes.try_into().ok()?)),
                    4 => i64::from(i32::from_be_bytes(bytes.try_into().ok()?)),
                    8 => i64::from_be_bytes(bytes.try_into().ok()?),
                    _ => return None,
                };
                Some(TenantKey::Integer(value))
            }
            KeyType::Uuid => bytes.try_into().ok().map(TenantKey::Uuid),
            KeyType::Text => std::str::from_utf8(bytes).ok().map(|text| TenantKey::Text(text.into())),
        }
    }

    /// Reads a key from its PostgreSQL text form (as in a literal, a text parameter, a COPY field
    /// or a setting). `None` where PostgreSQL's input function would refuse it, or where this
    /// reader is not sure; never a wrong key.
    pub fn parse(self, text: &str) -> Option<TenantKey> {
        match self {
            KeyType::Integer => {
                let digits =
                    text.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c'));
                let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
                if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                digits.parse().ok().map(TenantKey::Integer)
            }
            KeyType::Uuid => parse_uuid(text).map(TenantKey::Uuid),
            KeyType::Text => Some(TenantKey::Text(text.into())),
        }
    }
}

/// `8-4-4-4-12` hex digits or 32 without hyphens, optionally in braces; PostgreSQL's rarer
/// spellings are left to PostgreSQL.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let bytes = inner.as_bytes();
    let hyphens_in_place = match bytes.len() {
        32 => true,
        36 => [8, 13, 18, 23].iter().all(|&at| bytes.get(at) == Some(&b'-')),
        _ => false,
    };
    let digits: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'-').collect();
    if !hyphens_in_place || digits.len() != 32 {
        return None;
    }
    let mut key = [0u8; 16];
    for (slot, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |byte: u8| (byte as char).to_digit(16);
        *slot = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(key)
}

/// The value that says whose row it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TenantKey {
    /// A value of any integer type.
    Integer(i64),
    /// A `uuid`, most significant byte first.
    Uuid([u8; 16]),
    /// A `text` or `varchar` value in UTF-8.
    Text(Box<str>),
}

impl TenantKey {
    /// The key as a column of so many characters stores it: blanks that are too many are cut off, and what else
    /// is too long stays as it is, for PostgreSQL to refuse.
    pub fn cut_to(self, most: Option<usize>) -> TenantKey {
        let TenantKey::Text(text) = &self else { return self };
        let end = most.and_then(|most| text.char_indices().nth(most)).map(|(at, _)| at);
        match end.and_then(|end| text.split_at_checked(end)) {
            Some((kept, rest)) if rest.bytes().all(|byte| byte == b' ') => TenantKey::Text(kept.into()),
            Some(_) | None => self,
        }
    }

    /// The key's type.
    pub fn key_type(&self) -> KeyType {
        match self {
            TenantKey::Integer(_) => KeyType::Integer,
            TenantKey::Uuid(_) => KeyType::Uuid,
            TenantKey::Text(_) => KeyType::Text,
        }
    }

    /// `xxh3_64(canonical bytes) mod shards`. Canonical bytes: an integer is 8 bytes big-endian, a
    /// uuid its 16 bytes, a text its UTF-8 bytes.
    pub fn shard(&self, shards: u32) -> ShardId {
        let hash = match self {
            TenantKey::Integer(value) => xxhash_rust::xxh3::xxh3_64(&value.to_be_bytes()),
            TenantKey::Uuid(bytes) => xxhash_rust::xxh3::xxh3_64(bytes),
            TenantKey::Text(text) => xxhash_rust::xxh3::xxh3_64(text.as_bytes()),
        };
        ShardId((hash % u64::from(shards.max(1))) as u32)
    }

    /// The key as an SQL literal that has its meaning under any setting of
    /// `standard_conforming_strings`.
    pub fn literal(&self) -> String {
        match self {
            TenantKey::Integer(value) if *value < 0 => format!("({value})"),
            TenantKey::Integer(value) => value.to_string(),
            TenantKey::Uuid(_) => format!("'{self}'"),
            TenantKey::Text(text) => quote_literal(text),
        }
    }
}

impl fmt::Display for TenantKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TenantKey::Integer(value) => write!(formatter, "{value}"),
            TenantKey::Text(text) => formatter.write_str(text),
            TenantKey::Uuid(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        formatter.write_str("-")?;
                    }
                    write!(formatter, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

/// A text as an SQL string literal, as PostgreSQL's `quote_literal` does.
pub fn quote_literal(text: &str) -> String {
    let escape = if text.contains('\\') { " E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A name as a quoted SQL identifier.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_key_never_changes() {
        let vectors = [
            (TenantKey::Integer(0), 4096, 3289),
            (TenantKey::Integer(1), 4096, 3059),
            (TenantKey::Integer(42), 4096, 172),
            (TenantKey::Integer(-1), 4096, 1043),
            (TenantKey::Integer(i64::MAX), 4096, 1425),
            (TenantKey::Text("".into()), 4096, 1218),
            (TenantKey::Text("acme".into()), 4096, 2273),
            (TenantKey::Text("日本".into()), 4096, 3008),
            (TenantKey::Uuid([0; 16]), 4096, 2408),
            (TenantKey::Uuid(*b"0123456789abcdef"), 4096, 301),
        ];
        for (key, shards, shard) in vectors {
            assert_eq!(key.shard(shards), ShardId(shard), "{key:?}");
        }
    }

    #[test]
    fn an_integer_is_read_as_postgresql_reads_it() {
        for (text, value) in
            [("5", Some(5)), (" 5 ", Some(5)), ("+5", Some(5)), ("-5", Some(-5)), ("007", Some(7))]
        {
            assert_eq!(KeyType::Integer.parse(text), value.map(TenantKey::Integer), "{text:?}");
        }
        for text in ["", " ", "5.0", "5x", "0x10", "1_000", "--5", "+-5", "99999999999999999999"] {
            assert_eq!(KeyType::Integer.parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_uuid_has_one_value_in_each_spelling() {
        let key = KeyType::Uuid.parse("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        assert!(key.is_some());
        for text in [
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert_eq!(KeyType::Uuid.parse(text), key, "{text}");
        }
        assert_eq!(KeyType::Uuid.parse("a0eebc99-9c0b-4ef8-bb6d"), None);
    }

    #[test]
    fn an_lsn_survives_its_text_form() {
        let lsn: Lsn = "16/B374D848".parse().expect("a valid LSN");
        assert_eq!(lsn, Lsn(0x16_B374_D848));
        assert_eq!(lsn.to_string(), "16/B374D848");
        assert!("16B374D848".parse::<Lsn>().is_err());
    }

    #[test]
    fn a_literal_keeps_quotes_and_backslashes() {
        assert_eq!(quote_literal("o'neil"), "'o''neil'");
        assert_eq!(quote_literal("a\\b"), " E'a\\\\b'");
    }
}
