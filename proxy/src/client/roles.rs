//! The roles that clients may be, and what each is checked with.
//!
//! They stand in the configuration; others a [`Roles`] may know of, who asks a server. A role that
//! nobody knows is checked like one whose password nobody knows: with the same messages and a salt
//! that stays the same.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::auth::{Key, Keys, Malformed, Proof, Secret, Verifier};
use crate::config::{Config, Password};

/// As PostgreSQL hashes passwords.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("not 0");

/// Who knows roles that the configuration does not name.
pub trait Roles: Send + Sync {
    /// The role of this name, for a client of this database; `None` where there is none that may
    /// log in.
    ///
    /// # Errors
    /// [`Unknowable`] where nobody can say at present.
    fn role(
        &self,
        user: &str,
        database: &str,
    ) -> impl Future<Output = Result<Option<Arc<Role>>, Unknowable>> + Send;

    /// What was said of this role was of no use to a client: it may have changed since.
    fn doubt(&self, user: &str);
}

/// Knows nobody: the configuration names all there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoRoles;

impl Roles for NoRoles {
    async fn role(&self, _user: &str, _database: &str) -> Result<Option<Arc<Role>>, Unknowable> {
        Ok(None)
    }

    fn doubt(&self, _user: &str) {}
}

/// Whether there is such a role cannot be told at present.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unknowable(pub String);

/// A role as far as logging in goes.
#[derive(Debug)]
pub struct Role {
    /// True where it may run statements over all tenants.
    pub fan_out: bool,
    secret: Option<Secret>,
    /// The verifier of a password, once it was needed.
    hashed: OnceLock<Verifier>,
    proof: Arc<Proof>,
}

impl Role {
    /// A role with this password or secret; none: it has no password.
    ///
    /// # Errors
    /// [`Malformed`] where the secret is none.
    pub fn new(secret: Option<&str>, fan_out: bool) -> Result<Role, Malformed> {
        let secret = secret.map(Secret::parse).transpose()?;
        let proof = match &secret {
            Some(Secret::Password(password)) => Proof::password(password),
            Some(Secret::Md5(md5)) => Proof::Md5(md5.clone()),
            Some(Secret::Scram(_)) | None => Proof::Nothing,
        };
        Ok(Role { fan_out, secret, hashed: OnceLock::new(), proof: Arc::new(proof) })
    }

    fn configured(password: &Password, fan_out: bool) -> Role {
        let secret = (!password.is_empty()).then(|| password.reveal());
        Role::new(secret, fan_out).expect("secrets were checked when the configuration was read")
    }

    /// True where it has no password.
    pub(super) fn has_no_password(&self) -> bool {
        self.secret.is_none()
    }

    /// The md5 secret, where that is all that is known.
    pub(super) fn md5(&self) -> Option<&Zeroizing<String>> {
        match &self.secret {
            Some(Secret::Md5(md5)) => Some(md5),
            Some(Secret::Password(_) | Secret::Scram(_)) | None => None,
        }
    }

    /// What the role logs in to servers with, where the client has shown no keys.
    pub(super) fn proof(&self) -> Arc<Proof> {
        Arc::clone(&self.proof)
    }

    /// What the role logs in to servers with, once a client has shown these keys.
    pub(super) fn proven(&self, keys: Keys) -> Arc<Proof> {
        match &self.secret {
            Some(Secret::Scram(verifier)) => Arc::new(Proof::proven(keys, verifier)),
            Some(Secret::Password(_) | Secret::Md5(_)) | None => self.proof(),
        }
    }
}

/// The roles of a configuration.
pub(super) struct Credentials {
    roles: HashMap<String, Arc<Role>>,
    /// Makes the salts; known to nobody.
    secret: [u8; 32],
}

impl Credentials {
    /// The users and the admin of a configuration. `secret` is one for the life of the process, so
    /// that salts outlive a reload.
    pub(super) fn new(config: &Config, secret: [u8; 32]) -> Credentials {
        let admin = (&config.admin.user, &config.admin.password, true);
        let users = config.users.iter().map(|user| (&user.name, &user.password, user.fan_out));
        // A user that is also the admin is that of [[user]].
        let all = [admin].into_iter().chain(users);
        let roles = all
            .map(|(name, password, fan_out)| (name.clone(), Arc::new(Role::configured(password, fan_out))));
        Credentials { roles: roles.collect(), secret }
    }

    /// The role of this name, if the configuration has it.
    pub(super) fn role(&self, user: &str) -> Option<Arc<Role>> {
        self.roles.get(user).cloned()
    }

    /// What a client is checked with; for a role that cannot log in by SCRAM, keys that no password
    /// fits. May hash for a millisecond.
    pub(super) fn verifier(&self, user: &str, role: Option<&Role>) -> Verifier {
        let hash = |password: &str| {
            let salt = self.salt(user);
            Verifier::of(&Keys::derive(password, &salt, ITERATIONS), salt, ITERATIONS)
        };
        match role.and_then(|role| role.secret.as_ref().map(|secret| (role, secret))) {
            Some((_, Secret::Scram(verifier))) => verifier.clone(),
            Some((role, Secret::Password(password))) => role.hashed.get_or_init(|| hash(password)).clone(),
            Some((_, Secret::Md5(_))) | None => Verifier {
                salt: self.salt(user),
                iterations: ITERATIONS,
                stored: self.key(b"stored", user),
                server: self.key(b"server", user),
            },
        }
    }

    /// Hashes the passwords that were not yet needed, so that the first login of a role takes no
    /// longer than that of a role that is none. Takes a millisecond a role.
    pub(super) fn warm(&self) {
        for (user, role) in &self.roles {
            self.verifier(user, Some(role));
        }
    }

    /// True where the role's verifier is at hand, without hashing.
    pub(super) fn is_hashed(role: Option<&Role>) -> bool {
        role.is_none_or(|role| match role.secret {
            Some(Secret::Password(_)) => role.hashed.get().is_some(),
            Some(Secret::Scram(_) | Secret::Md5(_)) | None => true,
        })
    }

    fn salt(&self, user: &str) -> Vec<u8> {
        self.key(b"salt", user).bytes()[..16].to_vec()
    }

    fn key(&self, purpose: &[u8], user: &str) -> Key {
        let digest =
            Sha256::new().chain_update(self.secret).chain_update(purpose).chain_update(user).finalize();
        Key::new(&digest).expect("SHA-256 has 32 bytes")
    }
}
