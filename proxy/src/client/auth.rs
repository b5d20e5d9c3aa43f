//! Whether a client is who it says: the rule that it meets, and the exchange that the rule asks for.
//!
//! ```text
//! hba_file     the first rule that fits: trust, reject, scram-sha-256, md5, cert; none: refused
//! no hba_file  a role without password is trusted from this machine; all others prove themselves
//! ```
//!
//! A role that does not exist goes through the same exchange as one that does. What a client does
//! not know is never told to it: why, stands in the log.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::startup::Authentication;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::gate::Gate;
use super::handshake::{Ended, Handshake};
use super::roles::{Credentials, Role, Roles};
use super::route::Route;
use crate::auth::hba::{Certificate, Method, Visitor};
use crate::auth::scram::{self, ScramFault, ServerExchange};
use crate::auth::{Proof, Verifier, md5_answer};
use crate::error::ClientError;

/// Who wants to be let in.
#[derive(Clone, Copy)]
pub(super) struct Claim<'a> {
    /// The role that it says it is.
    pub(super) user: &'a str,
    /// The database it wants.
    pub(super) database: &'a str,
    /// How it came.
    pub(super) route: &'a Route,
}

/// A client that is who it says.
pub(super) struct Admitted {
    /// What its role logs in to servers with.
    pub(super) proof: Arc<Proof>,
    /// True where it may run statements over all tenants.
    pub(super) fan_out: bool,
}

/// Authenticates; on success AuthenticationOk is sent.
pub(super) async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    handshake: &mut Handshake<S>,
    claim: Claim<'_>,
    gate: &Gate,
    roles: &impl Roles,
) -> Result<Admitted, Ended> {
    let method = method(&claim, gate).map_err(Ended::Refused)?;
    if method == Method::Reject {
        return Err(Ended::Refused(rejected(&claim)));
    }
    let role = match gate.credentials.role(claim.user) {
        Some(role) => Some(role),
        None => roles.role(claim.user, claim.database).await.map_err(unknowable)?,
    };
    if role.is_none() {
        tracing::info!(
            user = claim.user,
            from = claim.route.host(),
            "nobody knows a role that a client wants to be"
        );
    }
    let proof = match method {
        Method::Reject => return Err(Ended::Refused(rejected(&claim))),
        Method::Trust => role.as_ref().map(|role| role.proof()).ok_or_else(|| no_role(claim.user))?,
        Method::Cert(map) => {
            certified(&claim, gate, map.as_deref()).map_err(Ended::Refused)?;
            role.as_ref().map(|role| role.proof()).ok_or_else(|| no_role(claim.user))?
        }
        Method::Md5 if role.as_ref().is_some_and(|role| role.md5().is_some()) => {
            prove_by_md5(handshake, claim.user, role.as_ref()).await?
        }
        Method::Scram | Method::Md5 => {
            let proven = prove_by_scram(handshake, &claim, role.as_ref(), gate).await;
            proven.inspect_err(|_| roles.doubt(claim.user))?
        }
    };
    let mut out = BytesMut::new();
    push(&mut out, &Authentication::Ok);
    handshake.send(&out).await?;
    Ok(Admitted { proof, fan_out: role.is_some_and(|role| role.fan_out) })
}

/// The method that the client meets; its certificate is as the rule wants it.
fn method(claim: &Claim<'_>, gate: &Gate) -> Result<Method, ClientError> {
    let Some(hba) = &gate.config.auth.hba else {
        let trusted = gate.credentials.role(claim.user).is_some_and(|role| role.has_no_password());
        return Ok(if trusted && claim.route.is_local() { Method::Trust } else { Method::Md5 });
    };
    let Claim { user, database, route } = *claim;
    let rule =
        hba.decide(&Visitor { origin: route.origin, database, user }).ok_or_else(|| no_entry(claim))?;
    match &rule.certificate {
        Certificate::Any => {}
        Certificate::Signed => match route.certificate {
            Some(_) => {}
            None => return Err(no_certificate()),
        },
        Certificate::Names(map) => certified(claim, gate, map.as_deref())?,
    }
    Ok(rule.method.clone())
}

/// The client's certificate names its role.
fn certified(claim: &Claim<'_>, gate: &Gate, map: Option<&str>) -> Result<(), ClientError> {
    let certificate = claim.route.certificate.as_ref().ok_or_else(no_certificate)?;
    let name = crate::net::tls::binding::common_name(certificate);
    match name.filter(|name| gate.config.auth.ident.allow(map, name, claim.user)) {
        Some(_) => Ok(()),
        None => {
            let message = format!("certificate authentication failed for user \"{}\"", claim.user);
            Err(ClientError::not_authorized(message))
        }
    }
}

async fn prove_by_scram<S: AsyncRead + AsyncWrite + Unpin>(
    handshake: &mut Handshake<S>,
    claim: &Claim<'_>,
    role: Option<&Arc<Role>>,
    gate: &Gate,
) -> Result<Arc<Proof>, Ended> {
    let end_point = claim.route.end_point.as_deref();
    let plus = end_point.map(|_| scram::PLUS);
    let mechanisms = plus.into_iter().chain([scram::PLAIN]).map(str::to_owned).collect();
    let mut out = BytesMut::new();
    push(&mut out, &Authentication::SASL(mechanisms));
    handshake.send(&out).await?;

    let first = InitialResponse::read(handshake.password_message().await?).ok_or_else(malformed)?;
    let verifier = verifier(&gate.credentials, claim.user, role).await?;
    let begun =
        ServerExchange::begin(&first.message, (first.mechanism, end_point), verifier, &scram::nonce());
    let (exchange, challenge) = begun.map_err(|fault| faulty(fault, claim.user))?;
    out.clear();
    push(&mut out, &Authentication::SASLContinue(Bytes::from(challenge)));
    handshake.send(&out).await?;

    let last = handshake.password_message().await?;
    let (proof, keys) = exchange.finish(&last).map_err(|fault| faulty(fault, claim.user))?;
    // Keys that nobody knows are proven by nobody: there is a role.
    let role = role.ok_or_else(|| faulty(ScramFault::WrongProof, claim.user))?;
    out.clear();
    push(&mut out, &Authentication::SASLFinal(Bytes::from(proof)));
    handshake.send(&out).await?;
    Ok(role.proven(keys))
}

/// What the client is checked with; a password that was not needed before is hashed where that
/// holds up nobody.
async fn verifier(
    credentials: &Arc<Credentials>,
    user: &str,
    role: Option<&Arc<Role>>,
) -> Result<Verifier, Ended> {
    if Credentials::is_hashed(role.map(Arc::as_ref)) {
        return Ok(credentials.verifier(user, role.map(Arc::as_ref)));
    }
    let (credentials, role, name) = (Arc::clone(credentials), role.cloned(), user.to_owned());
    let hashed = tokio::task::spawn_blocking(move || credentials.verifier(&name, role.as_deref())).await;
    hashed.map_err(|_| faulty(ScramFault::WrongProof, user))
}

async fn prove_by_md5<S: AsyncRead + AsyncWrite + Unpin>(
    handshake: &mut Handshake<S>,
    user: &str,
    role: Option<&Arc<Role>>,
) -> Result<Arc<Proof>, Ended> {
    let salt: [u8; 4] = rand::random();
    let mut out = BytesMut::new();
    push(&mut out, &Authentication::MD5Password(salt.to_vec()));
    handshake.send(&out).await?;
    let said = Zeroizing::new(handshake.password_message().await?.to_vec());
    let role = role.ok_or_else(|| faulty(ScramFault::WrongProof, user))?;
    let expected = role.md5().and_then(|secret| md5_answer(secret, salt));
    let is_right = expected.is_some_and(|expected| said.strip_suffix(b"\0") == Some(expected.as_bytes()));
    if is_right { Ok(role.proof()) } else { Err(faulty(ScramFault::WrongProof, user)) }
}

/// The client's first SASL message.
struct InitialResponse {
    mechanism: &'static str,
    message: Bytes,
}

impl InitialResponse {
    /// `mechanism NUL length message`, and nothing after it.
    fn read(mut body: Bytes) -> Option<InitialResponse> {
        let end = body.iter().position(|byte| *byte == 0)?;
        let named = body.split_to(end);
        let mechanism =
            [scram::PLAIN, scram::PLUS].into_iter().find(|known| known.as_bytes() == &named[..])?;
        let length = body.get(1..5)?.try_into().ok().map(u32::from_be_bytes)?;
        let message = body.split_off(5);
        (message.len() == length as usize).then_some(InitialResponse { mechanism, message })
    }
}

fn push(out: &mut BytesMut, message: &Authentication) {
    message.encode(out).expect("an authentication message fits");
}

fn malformed() -> Ended {
    Ended::Refused(ClientError::protocol("malformed SASL message"))
}

/// What a client is told of a failed exchange: of a wrong proof no more than that.
fn faulty(fault: ScramFault, user: &str) -> Ended {
    Ended::Refused(match fault {
        ScramFault::WrongProof => ClientError::password(user),
        ScramFault::Negotiation => ClientError::fatal("28000", fault.to_string()).hint(
            "the client could bind to TLS and was told that pgherd cannot: something between them changes messages",
        ),
        ScramFault::Binding => ClientError::fatal("28000", fault.to_string()),
        ScramFault::Extension => ClientError::fatal("0A000", fault.to_string()),
        ScramFault::Malformed | ScramFault::TooManyIterations => ClientError::protocol(fault.to_string()),
    })
}

/// A role that nobody asks a password of must at least exist.
fn no_role(user: &str) -> Ended {
    Ended::Refused(ClientError::not_authorized(format!("role \"{user}\" does not exist")))
}

fn unknowable(why: super::roles::Unknowable) -> Ended {
    tracing::warn!(%why, "auth.query could not be asked");
    let error = ClientError::fatal("57P03", "the role cannot be checked at present");
    Ended::Refused(error.hint("pgherd cannot reach the server that knows the roles; connect again"))
}

fn no_certificate() -> ClientError {
    ClientError::not_authorized("connection requires a valid client certificate")
}

fn rejected(claim: &Claim<'_>) -> ClientError {
    ClientError::not_authorized(format!("pg_hba.conf rejects connection for {}", shown(claim)))
}

fn no_entry(claim: &Claim<'_>) -> ClientError {
    ClientError::not_authorized(format!("no pg_hba.conf entry for {}", shown(claim)))
}

fn shown(claim: &Claim<'_>) -> String {
    let Claim { user, database, route } = claim;
    let host = route.host();
    format!("host \"{host}\", user \"{user}\", database \"{database}\", {}", route.encryption())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;
    use crate::auth::scram::{Binding, ClientExchange};
    use crate::auth::{Keys, hba::Hba};
    use crate::client::roles::NoRoles;
    use crate::config::{AdminConfig, Config, Password, UserConfig};

    /// Made by PostgreSQL for the password `pencil`.
    const SECRET: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn gate(hba: Option<&str>) -> Gate {
        let user = |name: &str, password: &str| UserConfig {
            name: name.into(),
            password: Password::new(password),
            ..UserConfig::default()
        };
        let users = vec![user("app", "right"), user("stored", SECRET)];
        let admin = AdminConfig { user: "boss".into(), ..AdminConfig::default() };
        let mut config = Config { users, admin, ..Config::default() };
        config.auth.hba = hba.map(|text| Hba::parse(text).expect("sound rules"));
        Gate::new(Arc::new(config), None)
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

    async fn log_in(user: &'static str, password: &str, route: Route) -> Result<Admitted, Ended> {
        log_in_by(None, user, password, route).await
    }

    async fn log_in_by(
        hba: Option<&'static str>,
        user: &'static str,
        password: &str,
        route: Route,
    ) -> Result<Admitted, Ended> {
        let (mut client, server) = tokio::io::duplex(4096);
        let login = tokio::spawn(async move {
            let claim = Claim { user, database: "shop", route: &route };
            authenticate(&mut Handshake::new(server), claim, &gate(hba), &NoRoles).await
        });
        if let Some(offered) = body(&mut client).await
            && offered[..4] == [0, 0, 0, 10]
        {
            let (exchange, mechanism, first) = ClientExchange::begin(Binding::Unable, scram::nonce());
            let head = [mechanism.as_bytes(), b"\0", &(first.len() as u32).to_be_bytes()].concat();
            say(&mut client, &[&head[..], first.as_bytes()].concat()).await;
            let challenge = exchange.challenge(&body(&mut client).await.expect("a challenge")[4..]);
            let challenge = challenge.expect("a challenge that fits");
            let keys = Keys::derive(password, &challenge.salt, challenge.iterations);
            let (answer, last) = challenge.answer(&keys);
            say(&mut client, last.as_bytes()).await;
            if let Some(proof) = body(&mut client).await {
                answer.check(&proof[4..]).expect("a server that knows the password");
            }
        }
        login.await.expect("no panic")
    }

    fn sqlstate(outcome: &Result<Admitted, Ended>) -> &str {
        match outcome {
            Ok(_) => "",
            Err(Ended::Refused(error)) => error.sqlstate,
            Err(_) => "ended",
        }
    }

    #[tokio::test]
    async fn the_right_password_opens_and_no_other_does() {
        assert!(log_in("app", "right", Route::far()).await.is_ok());
        assert!(log_in("stored", "pencil", Route::far()).await.is_ok());
        for (user, password) in
            [("app", "wrong"), ("app", ""), ("stored", "right"), ("nobody", "right"), ("boss", "")]
        {
            let refused = log_in(user, password, Route::far()).await;
            assert_eq!(sqlstate(&refused), "28P01", "{user}");
        }
    }

    #[tokio::test]
    async fn a_client_that_proves_itself_against_a_secret_gives_its_keys() {
        let admitted =
            log_in("stored", "pencil", Route::far()).await.unwrap_or_else(|_| panic!("the right password"));
        let Verifier { salt, iterations, .. } = Verifier::parse(SECRET).expect("a secret");
        let keys = admitted.proof.keys_at_hand(&salt, iterations).expect("keys");
        assert_eq!(*keys, Keys::derive("pencil", &salt, iterations));
    }

    #[tokio::test]
    async fn a_user_without_password_is_trusted_from_this_machine_only() {
        assert!(log_in("boss", "", Route::near()).await.is_ok());
        assert_eq!(sqlstate(&log_in("nobody", "", Route::near()).await), "28P01");
    }

    #[tokio::test]
    async fn the_rules_decide() {
        let rules = Some("local all boss reject\nlocal all all trust\nhost shop app all scram-sha-256");
        assert_eq!(sqlstate(&log_in_by(rules, "boss", "", Route::near()).await), "28000");
        assert_eq!(sqlstate(&log_in_by(rules, "app", "", Route::near()).await), "");
        assert_eq!(sqlstate(&log_in_by(rules, "nobody", "", Route::near()).await), "28000");
        assert_eq!(sqlstate(&log_in_by(rules, "app", "right", Route::far()).await), "");
        assert_eq!(sqlstate(&log_in_by(rules, "stored", "pencil", Route::far()).await), "28000");
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
