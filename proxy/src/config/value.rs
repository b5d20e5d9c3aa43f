//! One value of the file: what its type is called, and how it is read.
//!
//! Durations are `"200ms"`, `"5s"`, `"10min"`, `"1h"`, or a number of seconds; sizes are `"256MB"`
//! (units of 1024, as in postgresql.conf) or a number of bytes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::settings::{
    FileMode, LogFormat, NodeAddress, Password, PinScope, PoolMode, ProxyProtocol, StoreConfig, TlsMode,
};
use crate::auth::hba::Network;

/// A type that a value of the file can have. The error says what is wrong, without the key.
pub(super) trait Value: Sized {
    /// Reads the value.
    fn read(value: &DeValue<'_>) -> Result<Self, String>;
}

/// A size in bytes.
pub(super) struct Bytes(pub(super) u64);

impl Value for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::Boolean(value) => Ok(*value),
            other => Err(wrong("true or false", other)),
        }
    }
}

impl Value for u64 {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix())
                .map_err(|_| format!("`{integer}` is not a whole number from 0")),
            other => Err(wrong("a whole number", other)),
        }
    }
}

impl Value for String {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        text(value, "a string").map(str::to_owned)
    }
}

impl Value for Password {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        text(value, "a string").map(Password::new)
    }
}

impl<T: Value> Value for Vec<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::Array(items) => items.iter().map(|item| T::read(item.get_ref())).collect(),
            other => Err(wrong("a list", other)),
        }
    }
}

impl Value for Option<PathBuf> {
    /// The empty string is no path.
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let path = text(value, "a path")?;
        Ok((!path.is_empty()).then(|| PathBuf::from(path)))
    }
}

impl Value for Duration {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let duration = duration(value)?;
        if duration.is_zero() { Err("must be more than 0".into()) } else { Ok(duration) }
    }
}

impl Value for Option<Duration> {
    /// 0 is no limit.
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let duration = duration(value)?;
        Ok((!duration.is_zero()).then_some(duration))
    }
}

impl Value for Bytes {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        const UNITS: [(&str, u64); 5] =
            [("kB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40), ("B", 1)];
        if let DeValue::Integer(_) = value {
            return u64::read(value).map(Bytes);
        }
        let text = text(value, "a size such as \"256MB\"")?;
        scaled(text, &UNITS).map(Bytes).ok_or_else(|| format!("`{text}` is not a size such as \"256MB\""))
    }
}

impl Value for SocketAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = text(value, "an address such as \"127.0.0.1:6432\"")?;
        text.parse().map_err(|_| format!("`{text}` is not an address such as \"127.0.0.1:6432\""))
    }
}

impl Value for FileMode {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = text(value, "permissions such as \"0770\"")?;
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
        mode.map(FileMode).ok_or_else(|| format!("`{text}` is not permissions such as \"0770\""))
    }
}

impl Value for NodeAddress {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = text(value, "an address such as \"10.0.0.1:5432\"")?;
        node_address(text).ok_or_else(|| format!("`{text}` is not an address such as \"10.0.0.1:5432\""))
    }
}

impl Value for StoreConfig {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = text(value, "a store such as \"file:/var/lib/pgherd/directory\"")?;
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(StoreConfig::File(PathBuf::from(path))),
            Some(("postgres" | "postgresql", _)) => {
                Err("a directory in PostgreSQL is not supported yet; use \"file:/path\"".into())
            }
            _ => Err(format!("`{text}` is not a store such as \"file:/var/lib/pgherd/directory\"")),
        }
    }
}

impl Value for LogFormat {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        word(value, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
    }
}

impl Value for PinScope {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let words = [("tenant", PinScope::Tenant), ("session", PinScope::Session), ("none", PinScope::None)];
        word(value, &words)
    }
}

const POOL_MODES: [(&str, PoolMode); 2] =
    [("transaction", PoolMode::Transaction), ("session", PoolMode::Session)];

impl Value for PoolMode {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        word(value, &POOL_MODES)
    }
}

impl Value for Option<PoolMode> {
    /// The empty string is none of its own.
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(text) if text.is_empty() => Ok(None),
            other => PoolMode::read(other).map(Some),
        }
    }
}

impl Value for TlsMode {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let words = [
            ("disable", TlsMode::Disable),
            ("prefer", TlsMode::Prefer),
            ("require", TlsMode::Require),
            ("verify-ca", TlsMode::VerifyCa),
            ("verify-full", TlsMode::VerifyFull),
        ];
        word(value, &words)
    }
}

impl Value for ProxyProtocol {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let words = [
            ("off", ProxyProtocol::Off),
            ("optional", ProxyProtocol::Optional),
            ("required", ProxyProtocol::Required),
        ];
        word(value, &words)
    }
}

impl Value for Network {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = text(value, "a network such as \"10.0.0.0/8\"")?;
        Network::parse(text).ok_or_else(|| format!("`{text}` is not a network such as \"10.0.0.0/8\""))
    }
}

fn text<'a>(value: &'a DeValue<'_>, expected: &str) -> Result<&'a str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(wrong(expected, other)),
    }
}

fn word<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, String> {
    let choices = || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let text = text(value, &format!("one of {}", choices()))?;
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| format!("`{text}` is not one of {}", choices()))
}

fn duration(value: &DeValue<'_>) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 6] =
        [("ms", 1), ("min", 60_000), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    if let DeValue::Integer(_) = value {
        return u64::read(value).map(Duration::from_secs);
    }
    let text = text(value, "a duration such as \"200ms\" or \"5s\"")?;
    let milliseconds = if text == "0" { Some(0) } else { scaled(text, &UNITS) };
    milliseconds
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is not a duration such as \"200ms\" or \"5s\""))
}

/// A whole number and its unit.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn node_address(text: &str) -> Option<NodeAddress> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(host) => host,
        None if host.contains(':') => return None,
        None => host,
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let sound = !host.is_empty() && !host.contains(char::is_whitespace);
    sound.then(|| NodeAddress { host: host.into(), port })
}

fn wrong(expected: &str, found: &DeValue<'_>) -> String {
    format!("expected {expected}, found {}", found.type_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_with_their_units() {
        let read = |text: &str| Option::<Duration>::read(DeValue::parse(text).expect(text).get_ref());
        assert_eq!(read("\"200ms\""), Ok(Some(Duration::from_millis(200))));
        assert_eq!(read("\"2min\""), Ok(Some(Duration::from_secs(120))));
        assert_eq!(read("7"), Ok(Some(Duration::from_secs(7))));
        assert_eq!(read("0"), Ok(None));
        for text in ["\"5\"", "\"5 parsecs\"", "-1", "1.5", "\"99999999999999999999s\"", "\"\""] {
            assert!(read(text).is_err(), "{text}");
        }
        let size = |text: &str| Bytes::read(DeValue::parse(text).expect(text).get_ref()).map(|size| size.0);
        assert_eq!(size("\"256MB\""), Ok(256 << 20));
        assert_eq!(size("\"1 kB\""), Ok(1024));
        assert!(size("\"18446744073709551615GB\"").is_err());
    }

    #[test]
    fn a_node_is_a_host_and_a_port() {
        let node = |host: &str, port| Some(NodeAddress { host: host.into(), port });
        assert_eq!(node_address("db.example:5432"), node("db.example", 5432));
        assert_eq!(node_address("[::1]:5432"), node("::1", 5432));
        for text in ["", ":5432", "host", "host:", "host:0", "host:65536", "::1:5432", "a b:1"] {
            assert_eq!(node_address(text), None, "{text}");
        }
    }
}
