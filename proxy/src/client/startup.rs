//! From an accepted socket to an authenticated client.
//!
//! ```text
//! accepted -> [TLS: SSLRequest, or at once] -> CancelRequest                       -> Arrival::Cancel
//!                                           -> StartupMessage -> version, password -> Arrival::Client
//! ```
//!
//! Up to AuthenticationOk everything is said here; ParameterStatus, BackendKeyData and the first
//! ReadyForQuery are the session's, who knows the servers' settings. Bytes that came in plain
//! text behind an SSLRequest are never read as if TLS had protected them (CVE-2021-23214).

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use pgwire::messages::Message;
use pgwire::messages::startup::NegotiateProtocolVersion;
use tracing::Span;

use super::auth::{self, Admitted, Claim};
use super::gate::{Gate, Slot};
use super::handshake::{Ended, Handshake};
use super::options;
use super::origin;
use super::packet::{CancelRequest, Packet, ProtocolVersion, StartupPacket};
use super::roles::Roles;
use super::route::Route;
use super::secure;
use crate::auth::Proof;
use crate::config::{CONSOLE, CONSOLE_ALIAS};
use crate::error::ClientError;
use crate::net::Stream;
use crate::net::listen::Accepted;

/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// Who came.
pub enum Arrival {
    /// Somebody who wants a statement of another connection canceled; gets no answer, but is let wait:
    /// its connection closes when the request has done what it can, so that it meets no later statement.
    Cancel(CancelRequest, Stream),
    /// A client that is who it says.
    Client(Box<Startup>),
}

/// An authenticated client.
pub struct Startup {
    /// Its connection; AuthenticationOk is sent.
    pub stream: Stream,
    /// What it sent already behind its last message.
    pub leftover: BytesMut,
    /// The role it is.
    pub user: String,
    /// What the role logs in to servers with.
    pub proof: Arc<Proof>,
    /// True where it may run statements over all tenants.
    pub fan_out: bool,
    /// The database it named: one of the configuration's, or [`CONSOLE`].
    pub database: String,
    /// Its settings, in the order in which they take effect: first those of `options`, then the
    /// others; `application_name` and `client_encoding` among them.
    pub parameters: Vec<(String, String)>,
    /// What it calls itself; empty where it does not say.
    pub application_name: String,
    /// Where it came from: `address:port`, or `[local]`.
    pub address: String,
    /// What is spoken: 3.2 at most.
    pub protocol: ProtocolVersion,
    /// Its place among `max_client_connections`.
    pub slot: Slot,
}

impl Startup {
    /// What its log lines are told apart by.
    pub fn span(&self) -> Span {
        span(&self.user, &self.database, &self.address)
    }
}

/// What a client's log lines are told apart by.
pub(super) fn span(user: &str, database: &str, address: &str) -> Span {
    tracing::info_span!("client", %user, %database, %address)
}

/// Receives a client within `client_login_timeout`. A client that is refused is told so.
pub async fn receive(accepted: Accepted, gate: &Gate, roles: &impl Roles) -> Result<Arrival, Ended> {
    let limit = gate.config.proxy.client_login_timeout;
    let admitted = tokio::time::timeout(limit, admit(secure::plain(accepted), gate, roles)).await;
    admitted.unwrap_or(Err(Ended::TimedOut))
}

async fn admit(mut stream: Stream, gate: &Gate, roles: &impl Roles) -> Result<Arrival, Ended> {
    let address = origin::address(&mut stream, gate).await?;
    let mut handshake = Handshake::new(direct_tls(stream, gate).await?);
    let packet = loop {
        match handshake.packet().await? {
            Packet::Cancel(request) => return Ok(Arrival::Cancel(request, handshake.stream)),
            Packet::Startup(packet) => break packet,
            Packet::Ssl => handshake = answer_ssl(handshake, gate).await?,
            Packet::Gss => handshake.send(b"N").await?,
        }
    };
    match login(&mut handshake, (packet, address), gate, roles).await {
        Ok(login) => Ok(Arrival::Client(Box::new(login.startup(handshake)))),
        Err(Ended::Refused(error)) => {
            handshake.refuse(&error).await;
            Err(Ended::Refused(error))
        }
        Err(ended @ (Ended::Gone(_) | Ended::Garbage(_) | Ended::TimedOut)) => Err(ended),
    }
}

/// TLS from the first byte, as libpq 17 does with `sslnegotiation=direct`; ALPN is then required.
async fn direct_tls(stream: Stream, gate: &Gate) -> Result<Stream, Ended> {
    if secure::first_byte(&stream).await? != Some(TLS_HANDSHAKE) {
        return Ok(stream);
    }
    let tls = gate.tls.as_ref().ok_or(Ended::Garbage("TLS without a certificate configured"))?;
    let stream = secure::begin(stream, &tls.acceptor).await?;
    match secure::alpn(&stream) {
        Some(b"postgresql") => Ok(stream),
        _ => Err(Ended::Garbage("direct TLS without ALPN protocol postgresql")),
    }
}

async fn answer_ssl(mut handshake: Handshake<Stream>, gate: &Gate) -> Result<Handshake<Stream>, Ended> {
    let tls = match &gate.tls {
        Some(tls) if secure::may_begin(&handshake.stream) => tls,
        Some(_) | None => {
            handshake.send(b"N").await?;
            return Ok(handshake);
        }
    };
    if !handshake.buffer.is_empty() {
        return Err(Ended::Garbage("unencrypted data after SSLRequest"));
    }
    handshake.send(b"S").await?;
    Ok(Handshake::new(secure::begin(handshake.stream, &tls.acceptor).await?))
}

/// A login that passed.
struct Login {
    user: String,
    admitted: Admitted,
    address: Option<SocketAddr>,
    database: String,
    parameters: Vec<(String, String)>,
    protocol: ProtocolVersion,
    slot: Slot,
}

impl Login {
    fn startup(self, handshake: Handshake<Stream>) -> Startup {
        let Login { user, admitted, address, database, parameters, protocol, slot } = self;
        let Admitted { proof, fan_out } = admitted;
        let Handshake { stream, buffer: leftover } = handshake;
        let address = address.map_or_else(|| "[local]".into(), |address| address.to_string());
        let named = parameters.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case("application_name"));
        let application_name = named.map(|(_, value)| value.clone()).unwrap_or_default();
        Startup {
            stream,
            leftover,
            user,
            proof,
            fan_out,
            database,
            parameters,
            application_name,
            address,
            protocol,
            slot,
        }
    }
}

async fn login(
    handshake: &mut Handshake<Stream>,
    (packet, address): (StartupPacket, Option<SocketAddr>),
    gate: &Gate,
    roles: &impl Roles,
) -> Result<Login, Ended> {
    let protocol = negotiate(handshake, &packet).await?;
    let wishes = Wishes::read(packet.parameters).map_err(Ended::Refused)?;
    let route = Route::of(&handshake.stream, address, gate);
    if gate.config.proxy.tls_required && !handshake.stream.is_secure() {
        let refused = ClientError::not_authorized("connections without TLS are not accepted");
        return Err(Ended::Refused(refused.hint("connect with sslmode=require")));
    }
    let console = wishes.database == CONSOLE && wishes.user == gate.config.admin.user;
    let slot = if console { gate.enter_console() } else { gate.enter() };
    let slot = slot.ok_or_else(|| Ended::Refused(ClientError::too_many_connections()))?;
    if gate.config.proxy.tls_client_required && handshake.stream.is_secure() && !route.shows_certificate() {
        let refused = ClientError::not_authorized("connection requires a valid client certificate");
        return Err(Ended::Refused(refused));
    }
    let claim = Claim { user: &wishes.user, database: &wishes.database, route: &route };
    let admitted = auth::authenticate(handshake, claim, gate, roles).await?;
    permitted(&wishes, gate).map_err(Ended::Refused)?;
    let slot = match console {
        true => slot,
        false => gate.enter_as(slot, &wishes.user, &wishes.database).map_err(Ended::Refused)?,
    };
    let Wishes { user, database, parameters } = wishes;
    Ok(Login { user, admitted, address, database, parameters, protocol, slot })
}

/// Settles the version; the client is told where it is not the one it asked for.
async fn negotiate(
    handshake: &mut Handshake<Stream>,
    packet: &StartupPacket,
) -> Result<ProtocolVersion, Ended> {
    let ProtocolVersion { major, minor } = packet.version;
    if major != 3 {
        let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2");
        return Err(Ended::Refused(ClientError::fatal("0A000", message)));
    }
    let spoken = packet.version.min(ProtocolVersion::V3_2);
    let names = packet.parameters.iter().map(|(name, _)| name);
    let unknown: Vec<String> = names.filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if spoken != packet.version || !unknown.is_empty() {
        let mut out = BytesMut::new();
        NegotiateProtocolVersion::new(spoken.code() as i32, unknown)
            .encode(&mut out)
            .map_err(|_| Ended::Refused(ClientError::protocol("too many protocol options")))?;
        handshake.send(&out).await?;
    }
    Ok(spoken)
}

/// What a StartupMessage asks for.
struct Wishes {
    user: String,
    database: String,
    parameters: Vec<(String, String)>,
}

impl Wishes {
    fn read(pairs: Vec<(String, String)>) -> Result<Wishes, ClientError> {
        let (mut user, mut database) = (String::new(), String::new());
        let (mut options, mut others) = (String::new(), Vec::new());
        for (name, value) in pairs {
            match name.as_str() {
                "user" => user = value,
                "database" => database = value,
                "options" => options = value,
                "replication" => replication(&value)?,
                _ if name.starts_with("_pq_.") => {}
                _ => others.push((name, value)),
            }
        }
        if user.is_empty() {
            return Err(ClientError::not_authorized("no PostgreSQL user name specified in startup packet"));
        }
        if database.is_empty() {
            database.clone_from(&user);
        }
        if database == CONSOLE_ALIAS {
            database = CONSOLE.to_owned();
        }
        let mut parameters = options::settings(&options)?;
        parameters.extend(others);
        Ok(Wishes { user, database, parameters })
    }
}

fn replication(value: &str) -> Result<(), ClientError> {
    match value.to_ascii_lowercase().as_str() {
        "false" | "off" | "no" | "0" => Ok(()),
        _ => Err(ClientError::fatal("0A000", "replication connections are not supported")
            .hint("connect to a server itself to replicate from it")),
    }
}

/// What an authenticated user may enter.
fn permitted(wishes: &Wishes, gate: &Gate) -> Result<(), ClientError> {
    let Wishes { user, database, .. } = wishes;
    if database == CONSOLE {
        return match *user == gate.config.admin.user || gate.config.admin.stats_users.contains(user) {
            true => Ok(()),
            false => Err(ClientError::not_authorized(format!("user \"{user}\" may not enter the console"))
                .hint("the console is the [admin] user's, and for looking also the stats_users'")),
        };
    }
    if gate.config.database(database).is_none() {
        return Err(ClientError::no_such_database(database));
    }
    if *user == gate.config.admin.user && gate.config.user(user).is_none() {
        return Err(ClientError::not_authorized(format!("user \"{user}\" may enter the console only"))
            .hint(format!("add a [[user]] of this name, or connect to database \"{CONSOLE}\"")));
    }
    Ok(())
}
