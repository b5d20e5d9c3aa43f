//! Logging in to a node: pgwire's client side does the authentication, fed with frames that we cut.
//!
//! pgwire decodes beyond a frame's end and can panic on malformed bodies, so it is given one whole
//! frame at a time, and a panic counts as a malformed message. Errors are read by us: the node's own
//! fields are what the client shall see.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, SinkExt, Stream as Messages, StreamExt};
use pgwire::api::client::auth::{DefaultStartupHandler, StartupHandler};
use pgwire::api::client::{ClientInfo, Config, ReadyState};
use pgwire::error::{PgWireClientError, PgWireError, PgWireResult};
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::startup::{SecretKey, Startup};
use pgwire::messages::{DecodeContext, PgWireBackendMessage, PgWireFrontendMessage, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::dial::WhyNot;
use super::target::Target;
use crate::net::Stream;
use crate::wire::view::{Fields, error_fields};
use crate::wire::{Frame, cut};

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
    let mut session = Session::new(stream, target);
    match session.log_in(target).await {
        Ok((process, key)) => Ok(Welcome {
            stream: session.stream,
            inbound: session.inbound,
            parameters: session.parameters,
            process,
            key,
        }),
        Err(error) => Err(session.why(error)),
    }
}

/// A login under way, as pgwire's handler wants to see it.
struct Session {
    stream: Stream,
    inbound: BytesMut,
    outbound: BytesMut,
    config: Config,
    decode: DecodeContext,
    parameters: BTreeMap<String, String>,
    status: TransactionStatus,
    key: SecretKey,
    refused: Option<Fields>,
}

impl Session {
    fn new(stream: Stream, target: &Target) -> Session {
        let mut config = Config::new();
        config.user(&target.user).password(target.password.as_deref().unwrap_or_default());
        let mut decode = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        decode.awaiting_frontend_ssl = false;
        decode.awaiting_frontend_startup = false;
        Session {
            stream,
            inbound: BytesMut::new(),
            outbound: BytesMut::new(),
            config,
            decode,
            parameters: BTreeMap::new(),
            status: TransactionStatus::Idle,
            key: SecretKey::default(),
            refused: None,
        }
    }

    /// Returns the process and its cancel key.
    async fn log_in(&mut self, target: &Target) -> Result<(i32, Bytes), PgWireClientError> {
        self.send(PgWireFrontendMessage::Startup(startup(target))).await?;
        let mut handler = DefaultStartupHandler::new();
        loop {
            let message = self.next().await.ok_or(PgWireClientError::UnexpectedEOF)??;
            match handler.on_message(self, message).await? {
                ReadyState::Pending => {}
                ReadyState::Ready(node) => return Ok((node.process_id, node.secret_key.to_bytes())),
            }
        }
    }

    /// The node's own words, if it said why.
    fn why(&mut self, error: PgWireClientError) -> WhyNot {
        match (self.refused.take(), error) {
            (Some(fields), _) => WhyNot::Refused(Box::new(fields)),
            (
                None,
                PgWireClientError::IoError(error)
                | PgWireClientError::PgWireError(PgWireError::IoError(error)),
            ) => error.into(),
            (None, PgWireClientError::UnexpectedEOF) => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
            (None, other) => WhyNot::Protocol(other.to_string()),
        }
    }

    fn decoded(&mut self, frame: Frame) -> PgWireResult<PgWireBackendMessage> {
        if frame.tag() == b'E' {
            self.refused = Some(error_fields(&frame));
        }
        let malformed = || PgWireError::InvalidMessageType(frame.tag());
        let mut bytes = BytesMut::from(frame.bytes().as_ref());
        let decoded =
            catch_unwind(AssertUnwindSafe(|| PgWireBackendMessage::decode(&mut bytes, &self.decode)));
        decoded.map_err(|_| malformed())??.ok_or_else(malformed)
    }
}

/// The startup message, with the target's further settings.
fn startup(target: &Target) -> Startup {
    let mut startup = Startup::new();
    let named = [
        ("user", &target.user),
        ("database", &target.database),
        ("application_name", &target.application_name),
    ];
    let further = target.startup.iter().map(|(name, value)| (name.as_str(), value));
    startup.parameters =
        named.into_iter().chain(further).map(|(name, value)| (name.to_owned(), value.clone())).collect();
    startup
}

impl Messages for Session {
    type Item = PgWireResult<PgWireBackendMessage>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let session = self.get_mut();
        loop {
            match cut(&mut session.inbound, LIMIT) {
                Ok(Some(frame)) => return Poll::Ready(Some(session.decoded(frame))),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Some(Err(PgWireError::ApiError(Box::new(fault))))),
            }
            match ready!(pin!(session.stream.read_buf(&mut session.inbound)).poll(task)) {
                Ok(0) => return Poll::Ready(None),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }
}

impl Sink<PgWireFrontendMessage> for Session {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: PgWireFrontendMessage) -> io::Result<()> {
        message.encode(&mut self.get_mut().outbound).map_err(io::Error::from)
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let session = self.get_mut();
        while !session.outbound.is_empty() {
            let written = ready!(Pin::new(&mut session.stream).poll_write(task, &session.outbound))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            session.outbound.advance(written);
        }
        Pin::new(&mut session.stream).poll_flush(task)
    }

    fn poll_close(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(task)
    }
}

impl ClientInfo for Session {
    fn config(&self) -> &Config {
        &self.config
    }

    fn server_parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    fn set_server_parameter(&mut self, name: String, value: String) {
        self.parameters.insert(name, value);
    }

    fn process_id(&self) -> i32 {
        0
    }

    fn secret_key(&self) -> &SecretKey {
        &self.key
    }

    fn protocol_version(&self) -> ProtocolVersion {
        self.decode.protocol_version
    }

    fn set_protocol_version(&mut self, version: ProtocolVersion) {
        self.decode.protocol_version = version;
    }

    fn transaction_status(&self) -> TransactionStatus {
        self.status
    }

    fn set_transaction_status(&mut self, status: TransactionStatus) {
        self.status = status;
    }
}
