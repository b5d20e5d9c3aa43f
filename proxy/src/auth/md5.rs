//! PostgreSQL's old md5 authentication: no more than the two digests it is made of.

use md5::{Digest, Md5};

/// What `pg_authid` stores for a password: `md5` and 32 digits.
pub fn md5_secret(user: &str, password: &str) -> String {
    format!("md5{}", hex(&[password.as_bytes(), user.as_bytes()]))
}

/// What a client answers to a salt, from the stored secret; `None` where that is none.
pub fn md5_answer(secret: &str, salt: [u8; 4]) -> Option<String> {
    let digits = secret.strip_prefix("md5")?;
    Some(format!("md5{}", hex(&[digits.as_bytes(), &salt])))
}

fn hex(parts: &[&[u8]]) -> String {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_postgresqls() {
        // SELECT 'md5' || md5('secret' || 'app'), and of that with the salt 1 2 3 4.
        assert_eq!(md5_secret("app", "secret"), "md56a422f785c9e20873908ce25d1736ae2");
        assert!(md5_answer("md56a422f785c9e20873908ce25d1736ae2", [1, 2, 3, 4]).is_some());
        assert_eq!(md5_answer("secret", [1, 2, 3, 4]), None);
    }
}
