//! Logging in to a node: the startup message, the proof that the node asks for, and what it says
//! of itself until it is ready.
//!
//! A node that we prove ourselves to by SCRAM must prove itself as well: an AuthenticationOk that
//! comes before its proof is a fault. Errors are the node's own fields, for the client to see.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dial::WhyNot;
use super::target::Target;
use crate::auth::scram::{self, Answer, Binding, Challenge, ClientExchange};
use crate::auth::{CannotProve, Keys, Proof};
use crate::net::Stream;
use crate::wire::view::{
    Authentication, authentication, backend_key, error_fields, parameter_status, ready_status,
};
use crate::wire::{Frame, cut, write};

/// No message of a login is longer.
const LIMIT: usize = 1 << 20;

/// What a login ends with.
pub(super) struct Welcome {
    pub(super) stream: Stream,
    /// What the node sent after its ReadyForQuery.
    pub(super) inbound: BytesMut,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) process: i32,
    pub(super) key: Bytes,
}

/// Logs in over a fresh stream.
pub(super) async fn run(stream: Stream, target: &Target) -> Result<Welcome, WhyNot> {
    let mut login = Login { stream, inbound: BytesMut::new() };
    let named = [
        ("user", target.user.as_str()),
        ("database", &target.database),
        ("application_name", &target.application_name),
        // Statements are read so, whatever a role's or a database's default says.
        ("standard_conforming_strings", "on"),
        ("client_encoding", "UTF8"),
    ];
    let further = target.startup.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    login.say(|out| write::startup(out, named.into_iter().chain(further))).await?;
    login.prove(target).await?;
    login.listen().await
}

/// A login under way.
struct Login {
    stream: Stream,
    inbound: BytesMut,
}

impl Login {
    /// Proves who we are, in the way that the node asks for, until it says that it believes us.
    async fn prove(&mut self, target: &Target) -> Result<(), WhyNot> {
        let frame = self.next().await?;
        match authentication(&frame)? {
            Authentication::Ok => return Ok(()),
            Authentication::Password => {
                let password = target.proof.reveal()?;
                self.say(|out| write::password(out, password)).await?;
            }
            Authentication::Md5(salt) => {
                let answer = target.proof.md5(&target.user, salt)?;
                self.say(|out| write::password(out, &answer)).await?;
            }
            Authentication::Sasl(mechanisms) => self.scram(&mechanisms, &target.proof).await?,
            Authentication::SaslContinue(_) | Authentication::SaslFinal(_) => return Err(unexpected()),
            Authentication::Other(number) => {
                let why = format!("the server asks for authentication {number}, which is not supported");
                return Err(WhyNot::Protocol(why));
            }
        }
        match authentication(&self.next().await?)? {
            Authentication::Ok => Ok(()),
            _ => Err(unexpected()),
        }
    }

    async fn scram(&mut self, mechanisms: &[&[u8]], proof: &Arc<Proof>) -> Result<(), WhyNot> {
        let offered = |mechanism: &str| mechanisms.contains(&mechanism.as_bytes());
        let binding = match self.stream.server_end_point() {
            Some(end_point) if offered(scram::PLUS) => Binding::EndPoint(end_point),
            Some(_) => Binding::NotOffered,
            None => Binding::Unable,
        };
        if !offered(scram::PLAIN) && !matches!(binding, Binding::EndPoint(_)) {
            return Err(WhyNot::Protocol("the server offers no SASL mechanism that we know".into()));
        }
        let (exchange, mechanism, first) = ClientExchange::begin(binding, scram::nonce());
        self.say(|out| write::sasl_initial(out, mechanism, &first)).await?;

        let challenge = match authentication(&self.next().await?)? {
            Authentication::SaslContinue(challenge) => exchange.challenge(challenge)?,
            _ => return Err(unexpected()),
        };
        let keys = keys(proof, &challenge).await?;
        let (answer, last): (Answer, String) = challenge.answer(&keys);
        self.say(|out| write::raw(out, b'p', last.as_bytes())).await?;

        match authentication(&self.next().await?)? {
            Authentication::SaslFinal(last) => Ok(answer.check(last)?),
            _ => Err(unexpected()),
        }
    }

    /// What the node says of itself until it is ready.
    async fn listen(mut self) -> Result<Welcome, WhyNot> {
        let (mut parameters, mut process, mut key) = (BTreeMap::new(), 0, Bytes::new());
        loop {
            let frame = self.next().await?;
            match frame.tag() {
                b'S' => {
                    if let Some((name, value)) = parameter_status(&frame) {
                        parameters.insert(name.to_owned(), value.to_owned());
                    }
                }
                b'K' => {
                    let (named, secret) = backend_key(&frame)?;
                    (process, key) = (named, Bytes::copy_from_slice(secret));
                }
                b'Z' if ready_status(&frame) == b'I' => {
                    let Login { stream, inbound } = self;
                    return Ok(Welcome { stream, inbound, parameters, process, key });
                }
                _ => return Err(unexpected()),
            }
        }
    }

    /// The next message that is not for people.
    async fn next(&mut self) -> Result<Frame, WhyNot> {
        loop {
            match cut(&mut self.inbound, LIMIT)? {
                Some(frame) if frame.tag() == b'E' => {
                    return Err(WhyNot::Refused(Box::new(error_fields(&frame))));
                }
                // A notice, or that the node speaks an older protocol than we never asked for.
                Some(frame) if matches!(frame.tag(), b'N' | b'v') => {}
                Some(frame) => return Ok(frame),
                None if self.stream.read_buf(&mut self.inbound).await? == 0 => {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                None => {}
            }
        }
    }

    async fn say(&mut self, message: impl FnOnce(&mut BytesMut)) -> Result<(), WhyNot> {
        let mut out = BytesMut::new();
        message(&mut out);
        self.stream.write_all(&out).await?;
        Ok(self.stream.flush().await?)
    }
}

/// The keys for a challenge. Hashing takes milliseconds, so it is done where it holds up nobody.
async fn keys(proof: &Arc<Proof>, challenge: &Challenge) -> Result<Arc<Keys>, WhyNot> {
    if let Some(keys) = proof.keys_at_hand(&challenge.salt, challenge.iterations) {
        return Ok(keys);
    }
    let (proof, salt, iterations) = (Arc::clone(proof), challenge.salt.clone(), challenge.iterations);
    let made = tokio::task::spawn_blocking(move || proof.keys(&salt, iterations)).await;
    Ok(made.map_err(|_| WhyNot::Proof(CannotProve::Nothing))??)
}

fn unexpected() -> WhyNot {
    WhyNot::Protocol("the server sent a message that does not belong there".into())
}
