//! What a role's password is stored as: in clear, or as `pg_authid.rolpassword` has it.

use std::fmt;

use zeroize::Zeroizing;

use super::keys::Verifier;

/// A role's secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The password itself.
    Password(Zeroizing<String>),
    /// SCRAM's verifier.
    Scram(Verifier),
    /// `md5` and 32 digits.
    Md5(Zeroizing<String>),
}

/// A text that begins like a secret and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("begins like a SCRAM-SHA-256 or md5 secret, and is none")]
pub struct Malformed;

impl Secret {
    /// Reads a password or a secret, as PostgreSQL tells them apart; but what begins with
    /// `SCRAM-SHA-256$` and cannot be read is refused, not taken as a password.
    pub fn parse(text: &str) -> Result<Secret, Malformed> {
        let is_md5 = |digits: &str| {
            digits.len() == 32 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        };
        if text.starts_with("SCRAM-SHA-256$") {
            return Verifier::parse(text).map(Secret::Scram).ok_or(Malformed);
        }
        let text = Zeroizing::new(text.to_owned());
        Ok(match text.strip_prefix("md5").is_some_and(is_md5) {
            true => Secret::Md5(text),
            false => Secret::Password(text),
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Secret::Password(_) => "Password(hidden)",
            Secret::Scram(_) => "Scram(hidden)",
            Secret::Md5(_) => "Md5(hidden)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_secrets_are_told_apart() {
        let password = |text: &str| Ok(Secret::Password(Zeroizing::new(text.to_owned())));
        assert_eq!(Secret::parse("change me"), password("change me"));
        assert_eq!(Secret::parse("md5"), password("md5"));
        assert_eq!(Secret::parse("md5 is what I like"), password("md5 is what I like"));
        let md5 = "md50123456789abcdef0123456789abcdef";
        assert_eq!(Secret::parse(md5), Ok(Secret::Md5(Zeroizing::new(md5.into()))));
        assert_eq!(Secret::parse("SCRAM-SHA-256$4096:AAAA"), Err(Malformed));
    }
}
