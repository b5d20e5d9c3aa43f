//! SCRAM's keys (RFC 5802, section 3): made from a password, or as PostgreSQL stores them.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

/// 32 bytes that nobody shall see; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// A key from its bytes; `None` where they are not 32.
    pub fn new(bytes: &[u8]) -> Option<Key> {
        Some(Key(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The signature of a text under this key.
    pub fn sign(&self, text: &[u8]) -> hmac::Tag {
        hmac::sign(&self.hmac(), text)
    }

    /// True where `signature` is that of the text under this key; takes the same time either way.
    pub fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        hmac::verify(&self.hmac(), text, signature).is_ok()
    }

    /// These bytes and the tag's, combined by exclusive or.
    pub fn masked_with(&self, tag: &hmac::Tag) -> Key {
        let mut bytes = self.0.clone();
        for (byte, mask) in bytes.iter_mut().zip(tag.as_ref()) {
            *byte ^= mask;
        }
        Key(bytes)
    }

    /// The key's digest: StoredKey, of ClientKey.
    pub fn digest(&self) -> Key {
        Key::new(digest::digest(&digest::SHA256, self.bytes()).as_ref()).expect("SHA-256 has 32 bytes")
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}

/// What a client proves itself with, for one salt and one number of iterations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// ClientKey: whoever has it can log in.
    pub client: Key,
    /// ServerKey: whoever has it can pose as the server.
    pub server: Key,
}

impl Keys {
    /// The keys of a password. Takes about a millisecond for PostgreSQL's 4096 iterations.
    pub fn derive(password: &str, salt: &[u8], iterations: NonZeroU32) -> Keys {
        // What SASLprep does not know is taken as it is, as PostgreSQL does.
        let prepared = stringprep::saslprep(password);
        let prepared = prepared.as_deref().unwrap_or(password);
        let mut salted = Zeroizing::new([0; 32]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, prepared.as_bytes(), &mut *salted);
        let salted = Key(salted);
        let key =
            |purpose: &[u8]| Key::new(salted.sign(purpose).as_ref()).expect("HMAC-SHA-256 has 32 bytes");
        Keys { client: key(b"Client Key"), server: key(b"Server Key") }
    }
}

/// What a server checks a client with; it does not let its holder log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// The salt of the password.
    pub salt: Vec<u8>,
    /// How often it was hashed.
    pub iterations: NonZeroU32,
    /// StoredKey.
    pub stored: Key,
    /// ServerKey.
    pub server: Key,
}

impl Verifier {
    /// What belongs to keys that were made with this salt.
    pub fn of(keys: &Keys, salt: Vec<u8>, iterations: NonZeroU32) -> Verifier {
        Verifier { salt, iterations, stored: keys.client.digest(), server: keys.server.clone() }
    }

    /// Reads `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, as `pg_authid.rolpassword` has it.
    pub fn parse(text: &str) -> Option<Verifier> {
        let (parameters, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
        let (iterations, salt) = parameters.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| Key::new(&STANDARD.decode(text).ok()?);
        Some(Verifier {
            salt: STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?,
            iterations: iterations.parse().ok()?,
            stored: key(stored)?,
            server: key(server)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_postgresql_belongs_to_its_password() {
        // SELECT rolpassword FROM pg_authid, after CREATE ROLE ... PASSWORD 'pencil' with the salt of RFC 7677.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let iterations = NonZeroU32::new(4096).expect("not 0");
        let keys = Keys::derive("pencil", &salt, iterations);
        let secret = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        assert_eq!(Verifier::parse(secret), Some(Verifier::of(&keys, salt, iterations)));
    }

    #[test]
    fn what_is_no_secret_is_not_read() {
        for text in [
            "",
            "SCRAM-SHA-256$",
            "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA",
            "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
            "SCRAM-SHA-256$4096:$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        ] {
            assert_eq!(Verifier::parse(text), None, "{text}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let keys = Keys::derive("pencil", b"salt", NonZeroU32::MIN);
        assert_eq!(format!("{keys:?}"), "Keys { client: (hidden), server: (hidden) }");
    }
}
