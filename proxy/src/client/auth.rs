//! SCRAM-SHA-256 against the configured password (RFC 5802, RFC 7677), by pgwire's state machine.
//!
//! A user that does not exist goes through the same exchange with a salt that stays the same, so
//! neither messages nor time tell whether a user exists. The expensive part of a password (4096
//! rounds) is computed once, when the configuration is loaded, never for an attempt.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Bytes, BytesMut};
use pgwire::api::auth::sasl::scram::{
    SCRAM_ITERATIONS, ScramSecret, ScramServerAuth, ScramServerAuthWaitingForClientFinal, gen_salted_password,
};
use pgwire::api::auth::sasl::{SCRAM_SHA_256_METHOD, SCRAM_SHA_256_PLUS_METHOD};
use pgwire::error::PgWireResult;
use pgwire::messages::Message;
use pgwire::messages::startup::Authentication;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};

use super::handshake::{Ended, Handshake};
use crate::config::{Config, Password};
use crate::error::ClientError;

/// What clients are checked against: one verifier a user.
pub struct Credentials {
    users: HashMap<String, Credential>,
    /// Makes the salts; known to nobody.
    secret: [u8; 32],
}

enum Credential {
    /// No password is configured.
    Trust,
    Password(Verifier),
}

struct Verifier {
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Credentials {
    /// The users and the admin of a configuration. Takes about a millisecond a user. `secret` is
    /// one for the life of the process, so that salts outlive a reload.
    pub fn new(config: &Config, secret: [u8; 32]) -> Credentials {
        let mut credentials = Credentials { users: HashMap::new(), secret };
        let users = config.users.iter().map(|user| (&user.name, &user.password));
        // A user that is also the admin has the password of [[user]]: clients know that one.
        for (name, password) in [(&config.admin.user, &config.admin.password)].into_iter().chain(users) {
            let credential = credentials.credential(name, password);
            credentials.users.insert(name.clone(), credential);
        }
        credentials
    }

    fn credential(&self, user: &str, password: &Password) -> Credential {
        if password.is_empty() {
            return Credential::Trust;
        }
        let salt = self.salt(user);
        let salted = gen_salted_password(password.reveal(), &salt, SCRAM_ITERATIONS);
        match ScramSecret::verifier_from_salted_password(salt, salted, SCRAM_ITERATIONS) {
            ScramSecret::Verifier { stored_key, server_key, .. } => {
                Credential::Password(Verifier { stored_key, server_key })
            }
            ScramSecret::SaltedPassword { .. } => unreachable!("a verifier was asked for"),
        }
    }

    fn salt(&self, user: &str) -> Vec<u8> {
        self.derive(b"salt", user)[..16].to_vec()
    }

    /// What a user's exchange is checked with; for one that cannot log in, keys that no password
    /// fits.
    fn scram_secret(&self, user: &str) -> ScramSecret {
        let (stored_key, server_key) = match self.users.get(user) {
            Some(Credential::Password(verifier)) => {
                (verifier.stored_key.clone(), verifier.server_key.clone())
            }
            Some(Credential::Trust) | None => (self.derive(b"stored", user), self.derive(b"server", user)),
        };
        ScramSecret::Verifier { salt: self.salt(user), iterations: SCRAM_ITERATIONS, stored_key, server_key }
    }

    fn derive(&self, purpose: &[u8], user: &str) -> Vec<u8> {
        Sha256::new().chain_update(self.secret).chain_update(purpose).chain_update(user).finalize().to_vec()
    }
}

/// How a client reached us, as far as authentication cares.
pub(super) struct Route {
    /// From this machine: loopback or the unix socket.
    pub(super) local: bool,
    /// Over TLS with this certificate (PEM), for channel binding.
    pub(super) certificate: Option<Bytes>,
}

/// Authenticates; on success AuthenticationOk is sent.
pub(super) async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    handshake: &mut Handshake<S>,
    credentials: &Credentials,
    user: &str,
    route: &Route,
) -> Result<(), Ended> {
    let mut out = BytesMut::new();
    if route.local && matches!(credentials.users.get(user), Some(Credential::Trust)) {
        push(&mut out, &Authentication::Ok);
        return handshake.send(&out).await;
    }
    let server = server(route);
    push(&mut out, &Authentication::SASL(mechanisms(&server)));
    handshake.send(&out).await?;

    let first = InitialResponse::read(handshake.password_message().await?)
        .filter(|first| first.fits(&server))
        .ok_or_else(malformed)?;
    let (challenge, waiting) = guarded(|| {
        server.on_client_first_message_with_secret(&first.message, credentials.scram_secret(user))
    })?;
    out.clear();
    push(&mut out, &Authentication::SASLContinue(challenge.into()));
    handshake.send(&out).await?;

    let last = handshake.password_message().await?;
    let proof = prove(&waiting, &last).ok_or_else(|| Ended::Refused(ClientError::password(user)))?;
    out.clear();
    push(&mut out, &Authentication::SASLFinal(proof.into()));
    push(&mut out, &Authentication::Ok);
    handshake.send(&out).await
}

fn server(route: &Route) -> ScramServerAuth {
    let mut server = ScramServerAuth::new();
    if let Some(certificate) = &route.certificate
        && let Err(error) = server.configure_certificate(certificate)
    {
        tracing::debug!(%error, "this certificate's signature allows no channel binding");
    }
    server
}

fn mechanisms(server: &ScramServerAuth) -> Vec<String> {
    let plus = server.supports_channel_binding().then_some(SCRAM_SHA_256_PLUS_METHOD);
    plus.into_iter().chain([SCRAM_SHA_256_METHOD]).map(str::to_owned).collect()
}

/// The client's first message.
struct InitialResponse {
    plus: bool,
    message: Bytes,
}

impl InitialResponse {
    /// `mechanism NUL length message`, and nothing after it.
    fn read(mut body: Bytes) -> Option<InitialResponse> {
        let end = body.iter().position(|byte| *byte == 0)?;
        let mechanism = body.split_to(end);
        let plus = match &mechanism[..] {
            name if name == SCRAM_SHA_256_METHOD.as_bytes() => false,
            name if name == SCRAM_SHA_256_PLUS_METHOD.as_bytes() => true,
            _ => return None,
        };
        let length = body.get(1..5)?.try_into().ok().map(u32::from_be_bytes)?;
        let message = body.split_off(5);
        (message.len() == length as usize).then_some(InitialResponse { plus, message })
    }

    /// The mechanism and the message agree about channel binding, and it was offered.
    fn fits(&self, server: &ScramServerAuth) -> bool {
        self.plus == self.message.starts_with(b"p=") && (!self.plus || server.supports_channel_binding())
    }
}

/// The server's last message, where the client's proof is right.
fn prove(waiting: &ScramServerAuthWaitingForClientFinal, message: &[u8]) -> Option<String> {
    guarded(|| waiting.on_client_final_message(message)).ok()
}

/// Runs a step of pgwire's on a client's bytes; what goes wrong inside is the client's fault.
fn guarded<T>(step: impl FnOnce() -> PgWireResult<T>) -> Result<T, Ended> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|_| malformed())?.map_err(|_| malformed())
}

fn malformed() -> Ended {
    Ended::Refused(ClientError::protocol("malformed SCRAM message"))
}

fn push(out: &mut BytesMut, message: &Authentication) {
    message.encode(out).expect("an authentication message is far smaller than the largest message");
}

#[cfg(test)]
mod tests {
    use pgwire::api::auth::sasl::scram::ScramClientAuth;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;
    use crate::config::{AdminConfig, UserConfig};

    fn credentials() -> Credentials {
        let user =
            UserConfig { name: "app".into(), password: Password::new("right"), ..UserConfig::default() };
        let admin = AdminConfig { user: "boss".into(), ..AdminConfig::default() };
        Credentials::new(&Config { users: vec![user], admin, ..Config::default() }, [7; 32])
    }

    async fn body(client: &mut DuplexStream) -> Option<Vec<u8>> {
        let mut head = [0; 5];
        client.read_exact(&mut head).await.ok()?;
        let mut body = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4];
        client.read_exact(&mut body).await.ok()?;
        Some(body)
    }

    async fn say(client: &mut DuplexStream, message: &[u8]) {
        let length = (message.len() as u32 + 4).to_be_bytes();
        client.write_all(&[b"p", &length[..], message].concat()).await.expect("the server reads");
    }

    async fn log_in(user: &'static str, password: &str, route: Route) -> Result<(), Ended> {
        let (mut client, server) = tokio::io::duplex(4096);
        let login = tokio::spawn(async move {
            authenticate(&mut Handshake::new(server), &credentials(), user, &route).await
        });
        let offered = body(&mut client).await.expect("a first message");
        if offered[..4] == [0, 0, 0, 10] {
            let scram = ScramClientAuth::new(user.into(), password.into());
            let (first, scram) = scram.build_client_first().expect("a first message");
            let head = [b"SCRAM-SHA-256\0", &(first.len() as u32).to_be_bytes()[..]].concat();
            say(&mut client, &[&head[..], first.as_bytes()].concat()).await;
            let challenge = body(&mut client).await.expect("a challenge");
            let (last, scram) = scram.build_client_final(&challenge[4..]).expect("a challenge that fits");
            say(&mut client, last.as_bytes()).await;
            if let Some(proof) = body(&mut client).await {
                scram.verify_server_final(&proof[4..]).expect("a server that knows the password");
            }
        }
        login.await.expect("no panic")
    }

    fn far() -> Route {
        Route { local: false, certificate: None }
    }

    #[tokio::test]
    async fn the_right_password_opens_and_no_other_does() {
        assert!(log_in("app", "right", far()).await.is_ok());
        for (user, password) in [("app", "wrong"), ("app", ""), ("nobody", "right"), ("boss", "")] {
            let refused = log_in(user, password, far()).await;
            assert!(
                matches!(&refused, Err(Ended::Refused(error)) if error.sqlstate == "28P01"),
                "{user}: {refused:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_user_without_password_is_trusted_from_this_machine_only() {
        assert!(log_in("boss", "", Route { local: true, certificate: None }).await.is_ok());
        assert!(log_in("nobody", "", Route { local: true, certificate: None }).await.is_err());
    }

    #[test]
    fn a_first_message_that_lies_about_its_length_is_refused() {
        let read = |body: &'static [u8]| InitialResponse::read(Bytes::from_static(body)).is_some();
        assert!(read(b"SCRAM-SHA-256\0\0\0\0\x03n,,"));
        assert!(!read(b"SCRAM-SHA-256\0\0\0\0\x04n,,"));
        assert!(!read(b"SCRAM-SHA-256\0\xff\xff\xff\xff"));
        assert!(!read(b"SCRAM-SHA-256\0\0\0"));
        assert!(!read(b"SCRAM-SHA-256"));
        assert!(!read(b"ANONYMOUS\0\0\0\0\0"));
    }
}
