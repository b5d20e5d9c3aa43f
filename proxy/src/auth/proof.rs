//! What a role logs in to servers with: its password, or what the client has proven itself with.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::keys::{Keys, Verifier};

/// More pairs of salt and iterations are not remembered: each server of a fleet has one.
const MOST_KEYS: usize = 256;

/// What a role logs in to servers with.
pub enum Proof {
    /// Nothing: the servers trust it, or know it by our certificate.
    Nothing,
    /// Its password.
    Password(PasswordProof),
    /// The keys that a client has proven to have; they fit where the servers store the same verifier.
    Keys {
        /// The keys.
        keys: Arc<Keys>,
        /// The salt they were made with.
        salt: Vec<u8>,
        /// And the iterations.
        iterations: NonZeroU32,
    },
    /// `md5` and 32 digits, for servers that ask for md5.
    Md5(Zeroizing<String>),
}

/// Keys by the salt and the iterations that they were made with.
type MadeKeys = HashMap<(Vec<u8>, NonZeroU32), Arc<Keys>>;

/// A password, and the keys that were made of it.
pub struct PasswordProof {
    password: Zeroizing<String>,
    made: Mutex<MadeKeys>,
}

/// Why a role cannot log in to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotProve {
    /// There is no password.
    #[error("the server asks for a password, and the role has none here")]
    Nothing,
    /// Only a verifier is known, and the server stores another.
    #[error("the server stores another SCRAM secret than the one that the client was checked with")]
    OtherVerifier,
    /// Only SCRAM's keys are known.
    #[error("the server asks for the password itself, and only the SCRAM secret is known here")]
    OnlyKeys,
    /// Only the md5 secret is known.
    #[error("the server asks for more than md5, and only the md5 secret is known here")]
    OnlyMd5,
}

impl Proof {
    /// A password's; nothing where it is empty.
    pub fn password(password: &str) -> Proof {
        if password.is_empty() {
            return Proof::Nothing;
        }
        let password = Zeroizing::new(password.to_owned());
        Proof::Password(PasswordProof { password, made: Mutex::default() })
    }

    /// The keys of a client that has proven itself against a verifier.
    pub fn proven(keys: Keys, verifier: &Verifier) -> Proof {
        Proof::Keys { keys: Arc::new(keys), salt: verifier.salt.clone(), iterations: verifier.iterations }
    }

    /// The keys for a server's challenge, where they are at hand: without hashing.
    pub fn keys_at_hand(&self, salt: &[u8], iterations: NonZeroU32) -> Option<Arc<Keys>> {
        match self {
            Proof::Keys { keys, salt: made_with, iterations: made_by } => {
                (salt == made_with && iterations == *made_by).then(|| Arc::clone(keys))
            }
            Proof::Password(proof) => {
                let made = proof.made.lock().unwrap_or_else(PoisonError::into_inner);
                made.get(&(salt.to_vec(), iterations)).cloned()
            }
            Proof::Nothing | Proof::Md5(_) => None,
        }
    }

    /// The keys for a server's challenge. May hash for milliseconds; remembers the outcome.
    ///
    /// # Errors
    /// [`CannotProve`] where they cannot be made.
    pub fn keys(&self, salt: &[u8], iterations: NonZeroU32) -> Result<Arc<Keys>, CannotProve> {
        if let Some(keys) = self.keys_at_hand(salt, iterations) {
            return Ok(keys);
        }
        match self {
            Proof::Password(proof) => {
                let keys = Arc::new(Keys::derive(&proof.password, salt, iterations));
                let mut made = proof.made.lock().unwrap_or_else(PoisonError::into_inner);
                if made.len() < MOST_KEYS {
                    made.insert((salt.to_vec(), iterations), Arc::clone(&keys));
                }
                Ok(keys)
            }
            Proof::Nothing => Err(CannotProve::Nothing),
            Proof::Keys { .. } => Err(CannotProve::OtherVerifier),
            Proof::Md5(_) => Err(CannotProve::OnlyMd5),
        }
    }

    /// The password itself.
    ///
    /// # Errors
    /// [`CannotProve`] where it is not known.
    pub fn reveal(&self) -> Result<&str, CannotProve> {
        match self {
            Proof::Password(proof) => Ok(&proof.password),
            Proof::Nothing => Err(CannotProve::Nothing),
            Proof::Keys { .. } => Err(CannotProve::OnlyKeys),
            Proof::Md5(_) => Err(CannotProve::OnlyMd5),
        }
    }

    /// The answer to a server that asks for md5.
    ///
    /// # Errors
    /// [`CannotProve`] where only SCRAM's keys are known.
    pub fn md5(&self, user: &str, salt: [u8; 4]) -> Result<String, CannotProve> {
        let secret = match self {
            Proof::Md5(secret) => secret.to_string(),
            Proof::Password(proof) => super::md5_secret(user, &proof.password),
            Proof::Nothing => return Err(CannotProve::Nothing),
            Proof::Keys { .. } => return Err(CannotProve::OnlyKeys),
        };
        super::md5_answer(&secret, salt).ok_or(CannotProve::Nothing)
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Proof::Nothing => "Nothing",
            Proof::Password(_) => "Password(hidden)",
            Proof::Keys { .. } => "Keys(hidden)",
            Proof::Md5(_) => "Md5(hidden)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_for_each_server() {
        let proof = Proof::password("secret");
        assert!(proof.keys_at_hand(b"salt", NonZeroU32::MIN).is_none());
        let made = proof.keys(b"salt", NonZeroU32::MIN).expect("a password makes keys");
        assert!(Arc::ptr_eq(&made, &proof.keys_at_hand(b"salt", NonZeroU32::MIN).expect("remembered")));
        assert!(proof.keys_at_hand(b"other", NonZeroU32::MIN).is_none());
    }

    #[test]
    fn keys_of_a_client_fit_its_own_verifier_only() {
        let keys = Keys::derive("secret", b"salt", NonZeroU32::MIN);
        let proof = Proof::proven(keys.clone(), &Verifier::of(&keys, b"salt".to_vec(), NonZeroU32::MIN));
        assert_eq!(proof.keys(b"salt", NonZeroU32::MIN).as_deref(), Ok(&keys));
        assert_eq!(proof.keys(b"other", NonZeroU32::MIN), Err(CannotProve::OtherVerifier));
        assert_eq!(proof.reveal(), Err(CannotProve::OnlyKeys));
    }
}
