//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), from both ends, as PostgreSQL speaks
//! them: the user name within is ignored, and what binds to TLS is `tls-server-end-point`.
//!
//! ```text
//! client: n,,n=,r=NONCE                     -> ServerExchange::begin
//! server: r=NONCE+MORE,s=SALT,i=ITERATIONS  -> ClientExchange::challenge -> Challenge::answer
//! client: c=BINDING,r=NONCE+MORE,p=PROOF    -> ServerExchange::finish: also gives the ClientKey
//! server: v=SIGNATURE                       -> Answer::check
//! ```

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::{Key, Keys, Verifier};

/// The mechanism without channel binding.
pub const PLAIN: &str = "SCRAM-SHA-256";
/// The mechanism with it.
pub const PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The only kind of channel binding that PostgreSQL knows.
const END_POINT: &str = "tls-server-end-point";
/// Nobody hashes more often; a peer that asks for it wants our time.
const MOST_ITERATIONS: u32 = 1_000_000;
/// Nonces are shorter; a peer's own is kept while the exchange lasts.
const LONGEST_NONCE: usize = 1024;

/// Why an exchange ends without a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramFault {
    /// A message that is none.
    #[error("malformed SCRAM message")]
    Malformed,
    /// Something that PostgreSQL has not got either.
    #[error("client requires an unsupported SCRAM extension")]
    Extension,
    /// Somebody between the two has hidden that channel binding is offered, or it was asked for
    /// with another mechanism or another kind.
    #[error("SCRAM channel binding negotiation error")]
    Negotiation,
    /// The TLS connection of the client ends elsewhere.
    #[error("SCRAM channel binding check failed")]
    Binding,
    /// The other end does not know the password.
    #[error("the proof is wrong")]
    WrongProof,
    /// The server wants more hashing than anybody needs.
    #[error("the server asks for too many SCRAM iterations")]
    TooManyIterations,
}

/// A server's end, between its challenge and the client's proof.
#[derive(Debug)]
pub struct ServerExchange {
    verifier: Verifier,
    /// The client's header and what it binds to, as its last message must repeat them.
    binding: Vec<u8>,
    /// The client's first message without the header, and our challenge.
    messages: String,
    nonce: String,
}

impl ServerExchange {
    /// Takes the client's first message under the mechanism that it has chosen; `end_point` is
    /// there where PLUS was offered. `nonce` is ours, fresh. Gives the challenge.
    ///
    /// # Errors
    /// [`ScramFault`] of the client's.
    pub fn begin(
        first: &[u8],
        (mechanism, end_point): (&str, Option<&[u8]>),
        verifier: Verifier,
        nonce: &str,
    ) -> Result<(ServerExchange, String), ScramFault> {
        let first = std::str::from_utf8(first).map_err(|_| ScramFault::Malformed)?;
        let mut parts = first.splitn(3, ',');
        let (Some(flag), Some(identity), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ScramFault::Malformed);
        };
        let bound_to = bound_to(flag, mechanism, end_point)?;
        match identity {
            "" => {}
            named if named.starts_with("a=") => return Err(ScramFault::Extension),
            _ => return Err(ScramFault::Malformed),
        }
        if bare.starts_with("m=") {
            return Err(ScramFault::Extension);
        }
        let mut attributes = bare.split(',');
        attributes.next().filter(|user| user.starts_with("n=")).ok_or(ScramFault::Malformed)?;
        let theirs = attributes.next().and_then(|nonce| nonce.strip_prefix("r="));
        let theirs = theirs.filter(|nonce| is_nonce(nonce)).ok_or(ScramFault::Malformed)?;
        let nonce = format!("{theirs}{nonce}");
        let salt = STANDARD.encode(&verifier.salt);
        let challenge = format!("r={nonce},s={salt},i={}", verifier.iterations);
        let binding = [flag.as_bytes(), b",,", bound_to].concat();
        let messages = format!("{bare},{challenge}");
        Ok((ServerExchange { verifier, binding, messages, nonce }, challenge))
    }

    /// Takes the client's last message. Gives our last one, and the client's keys: with them one
    /// can log in where the same verifier is stored.
    ///
    /// # Errors
    /// [`ScramFault`] of the client's; [`ScramFault::WrongProof`] where it does not know the password.
    pub fn finish(self, last: &[u8]) -> Result<(String, Keys), ScramFault> {
        let last = std::str::from_utf8(last).map_err(|_| ScramFault::Malformed)?;
        let (unproven, proof) = last.rsplit_once(",p=").ok_or(ScramFault::Malformed)?;
        let mut attributes = unproven.split(',');
        let mut attribute = |name| attributes.next().and_then(|text: &str| text.strip_prefix(name));
        let binding = attribute("c=").ok_or(ScramFault::Malformed)?;
        let nonce = attribute("r=").ok_or(ScramFault::Malformed)?;
        if binding != STANDARD.encode(&self.binding) {
            return Err(ScramFault::Binding);
        }
        if nonce != self.nonce {
            return Err(ScramFault::Malformed);
        }
        let proof = STANDARD.decode(proof).ok().and_then(|proof| Key::new(&proof));
        let proof = proof.ok_or(ScramFault::Malformed)?;
        let messages = format!("{},{unproven}", self.messages);
        let client = proof.masked_with(&self.verifier.stored.sign(messages.as_bytes()));
        // What is compared are digests: the time it takes tells nothing of the key.
        if client.digest() != self.verifier.stored {
            return Err(ScramFault::WrongProof);
        }
        let signature = STANDARD.encode(self.verifier.server.sign(messages.as_bytes()));
        Ok((format!("v={signature}"), Keys { client, server: self.verifier.server }))
    }
}

/// What the client's flag says that it binds to.
fn bound_to<'a>(flag: &str, mechanism: &str, end_point: Option<&'a [u8]>) -> Result<&'a [u8], ScramFault> {
    match (flag, mechanism, end_point) {
        ("n", PLAIN, _) | ("y", PLAIN, None) => Ok(&[]),
        (flag, PLUS, Some(end_point)) => match flag.strip_prefix("p=") {
            Some(END_POINT) => Ok(end_point),
            Some(_) | None => Err(ScramFault::Negotiation),
        },
        // A client that could bind and believes that we cannot, though we offered it.
        ("y", PLAIN, Some(_)) => Err(ScramFault::Negotiation),
        _ => Err(ScramFault::Malformed),
    }
}

/// A client's end, before the challenge.
#[derive(Debug)]
pub struct ClientExchange {
    header: &'static str,
    bound_to: Vec<u8>,
    nonce: String,
}

/// What a client may bind to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Nothing: there is no TLS, or its certificate defines nothing.
    Unable,
    /// The server does not offer it.
    NotOffered,
    /// The server's certificate.
    EndPoint(Vec<u8>),
}

impl ClientExchange {
    /// Begins; `nonce` is fresh. Gives the mechanism and the first message.
    pub fn begin(binding: Binding, nonce: String) -> (ClientExchange, &'static str, String) {
        let (mechanism, header, bound_to) = match binding {
            Binding::Unable => (PLAIN, "n,,", Vec::new()),
            Binding::NotOffered => (PLAIN, "y,,", Vec::new()),
            Binding::EndPoint(end_point) => (PLUS, "p=tls-server-end-point,,", end_point),
        };
        let first = format!("{header}n=,r={nonce}");
        (ClientExchange { header, bound_to, nonce }, mechanism, first)
    }

    /// Takes the server's challenge.
    ///
    /// # Errors
    /// [`ScramFault`] of the server's.
    pub fn challenge(self, first: &[u8]) -> Result<Challenge, ScramFault> {
        let first = std::str::from_utf8(first).map_err(|_| ScramFault::Malformed)?;
        let mut attributes = first.split(',');
        let mut attribute = |name| {
            let found = attributes.next().and_then(|text: &str| text.strip_prefix(name));
            found.ok_or(ScramFault::Malformed)
        };
        let (nonce, salt, iterations) = (attribute("r=")?, attribute("s=")?, attribute("i=")?);
        let is_ours = nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce) && is_nonce(nonce);
        let salt = STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty());
        let iterations: NonZeroU32 = iterations.parse().map_err(|_| ScramFault::Malformed)?;
        if iterations.get() > MOST_ITERATIONS {
            return Err(ScramFault::TooManyIterations);
        }
        let binding = [self.header.as_bytes(), &self.bound_to].concat();
        let unproven = format!("c={},r={nonce}", STANDARD.encode(binding));
        let messages = format!("n=,r={},{first},{unproven}", self.nonce);
        match salt.filter(|_| is_ours) {
            Some(salt) => Ok(Challenge { salt, iterations, unproven, messages }),
            None => Err(ScramFault::Malformed),
        }
    }
}

/// A server's challenge, and what the answer to it is made of.
#[derive(Debug)]
pub struct Challenge {
    /// The salt that the keys must be made with.
    pub salt: Vec<u8>,
    /// And how often they must be hashed.
    pub iterations: NonZeroU32,
    unproven: String,
    messages: String,
}

impl Challenge {
    /// The last message, proven with keys of this salt and these iterations.
    pub fn answer(self, keys: &Keys) -> (Answer, String) {
        let signature = keys.client.digest().sign(self.messages.as_bytes());
        let proof = STANDARD.encode(keys.client.masked_with(&signature).bytes());
        let last = format!("{},p={proof}", self.unproven);
        (Answer { messages: self.messages, server: keys.server.clone() }, last)
    }
}

/// An answer that is under way: the server must still prove itself.
#[derive(Debug)]
pub struct Answer {
    messages: String,
    server: Key,
}

impl Answer {
    /// Takes the server's last message.
    ///
    /// # Errors
    /// [`ScramFault`] where the server does not know the password either.
    pub fn check(&self, last: &[u8]) -> Result<(), ScramFault> {
        let signature = last.strip_prefix(b"v=").ok_or(ScramFault::Malformed)?;
        let signature = STANDARD.decode(signature).map_err(|_| ScramFault::Malformed)?;
        match self.server.has_signed(self.messages.as_bytes(), &signature) {
            true => Ok(()),
            false => Err(ScramFault::WrongProof),
        }
    }
}

/// A nonce that nobody can guess.
pub fn nonce() -> String {
    STANDARD.encode(rand::random::<[u8; 18]>())
}

/// Printable characters without a comma.
fn is_nonce(text: &str) -> bool {
    let length = 1..=LONGEST_NONCE;
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keys {
        Keys::derive("pencil", b"sixteen bytes...", NonZeroU32::MIN)
    }

    fn verifier() -> Verifier {
        Verifier::of(&keys(), b"sixteen bytes...".to_vec(), NonZeroU32::MIN)
    }

    /// Both ends against each other; the client's view of TLS and the server's may differ.
    fn exchange(binding: Binding, end_point: Option<&[u8]>, keys: &Keys) -> Result<Keys, ScramFault> {
        let (client, mechanism, first) = ClientExchange::begin(binding, nonce());
        let offered = (mechanism, end_point);
        let (server, challenge) = ServerExchange::begin(first.as_bytes(), offered, verifier(), &nonce())?;
        let challenge = client.challenge(challenge.as_bytes())?;
        assert_eq!((&challenge.salt[..], challenge.iterations.get()), (&b"sixteen bytes..."[..], 1));
        let (answer, last) = challenge.answer(keys);
        let (proof, recovered) = server.finish(last.as_bytes())?;
        answer.check(proof.as_bytes()).map(|()| recovered)
    }

    #[test]
    fn both_ends_agree_and_the_server_learns_the_keys() {
        let bound = || Binding::EndPoint(b"certificate".to_vec());
        assert_eq!(exchange(Binding::Unable, None, &keys()), Ok(keys()));
        assert_eq!(exchange(Binding::Unable, Some(b"certificate"), &keys()), Ok(keys()));
        assert_eq!(exchange(Binding::NotOffered, None, &keys()), Ok(keys()));
        assert_eq!(exchange(bound(), Some(b"certificate"), &keys()), Ok(keys()));
        let others = Keys::derive("crayon", b"sixteen bytes...", NonZeroU32::MIN);
        assert_eq!(exchange(Binding::Unable, None, &others), Err(ScramFault::WrongProof));
    }

    #[test]
    fn whoever_stands_between_is_noticed() {
        let certificate: Option<&[u8]> = Some(b"certificate");
        assert_eq!(exchange(Binding::NotOffered, certificate, &keys()), Err(ScramFault::Negotiation));
        let other = Binding::EndPoint(b"another".to_vec());
        assert_eq!(exchange(other, certificate, &keys()), Err(ScramFault::Binding));
        let unasked = Binding::EndPoint(b"certificate".to_vec());
        assert_eq!(exchange(unasked, None, &keys()), Err(ScramFault::Malformed));
    }

    #[test]
    fn a_first_message_is_read_as_postgresql_reads_it() {
        let begin = |mechanism, first: &str, end_point| {
            ServerExchange::begin(first.as_bytes(), (mechanism, end_point), verifier(), "x").map(drop)
        };
        let certificate: Option<&[u8]> = Some(b"c");
        assert_eq!(begin(PLAIN, "n,,n=anybody,r=abc,x=ignored", None), Ok(()));
        assert_eq!(begin(PLAIN, "n,a=other,n=,r=abc", None), Err(ScramFault::Extension));
        assert_eq!(begin(PLAIN, "n,,m=1,n=,r=abc", None), Err(ScramFault::Extension));
        assert_eq!(begin(PLUS, "n,,n=,r=abc", certificate), Err(ScramFault::Negotiation));
        assert_eq!(begin(PLUS, "p=tls-unique,,n=,r=abc", certificate), Err(ScramFault::Negotiation));
        for malformed in ["", "n", "n,,", "n,,r=abc", "n,,n=", "n,,n=,r=", "n,,n=,r=\u{e4}", "x,,n=,r=abc"] {
            assert_eq!(begin(PLAIN, malformed, None), Err(ScramFault::Malformed), "{malformed}");
        }
        let long = format!("n,,n=,r={}", "a".repeat(LONGEST_NONCE + 1));
        assert_eq!(begin(PLAIN, &long, None), Err(ScramFault::Malformed));
    }

    #[test]
    fn a_challenge_must_go_on_from_our_nonce_and_ask_for_little() {
        let challenge = |text: &str| {
            let (client, _, _) = ClientExchange::begin(Binding::Unable, "abc".into());
            client.challenge(text.as_bytes()).map(drop)
        };
        assert_eq!(challenge("r=abcd,s=AAAA,i=4096"), Ok(()));
        assert_eq!(challenge("r=abcd,s=AAAA,i=4096,x=1"), Ok(()));
        assert_eq!(challenge("r=abcd,s=AAAA,i=2000000"), Err(ScramFault::TooManyIterations));
        for malformed in
            ["", "r=abc,s=AAAA,i=1", "r=xabc,s=AAAA,i=1", "r=abcd,s=,i=1", "r=abcd,s=AAAA,i=0", "e=no"]
        {
            assert_eq!(challenge(malformed), Err(ScramFault::Malformed), "{malformed}");
        }
        let long = format!("r=abc{},s=AAAA,i=1", "d".repeat(LONGEST_NONCE));
        assert_eq!(challenge(&long), Err(ScramFault::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[npyra=,;A-Z0-9/+]{0,60}") {
            for message in [&bytes[..], text.as_bytes()] {
                let begun = ServerExchange::begin(message, (PLAIN, None), verifier(), "x");
                if let Ok((server, _)) = begun {
                    let _ = server.finish(message);
                }
                let (server, _) = ServerExchange::begin(b"n,,n=,r=a", (PLAIN, None), verifier(), "x").expect("sound");
                let _ = server.finish(message);
                let (client, _, _) = ClientExchange::begin(Binding::Unable, "a".into());
                if let Ok(challenge) = client.challenge(message) {
                    let (answer, _) = challenge.answer(&keys());
                    let _ = answer.check(message);
                }
            }
        }
    }
}
