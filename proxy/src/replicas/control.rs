//! Connections of the admin role: for probes, the catalog, bookkeeping and moves, never for a
//! client's statements. TLS is the server's own setting, as for clients' statements.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Ready, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config};

use crate::config::{AdminConfig, NodeAddress as Node};
use crate::net::dial::{DialFault, dial};
use crate::net::{ServerTls, Stream};

/// A node that answers nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);

/// How the admin role connects. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    admin: AdminConfig,
    connect_timeout: Duration,
    tls: HashMap<Node, ServerTls>,
}

/// A connection of the admin role that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The node could not be reached, or not as its TLS setting demands.
    #[error("node {node} did not let the admin role in: {source}")]
    Unreached {
        /// The node.
        node: Node,
        /// Why.
        source: DialFault,
    },
    /// The node refused the connection, or ended it.
    #[error("node {node} did not let the admin role in: {}", spell_out(.source))]
    Refused {
        /// The node.
        node: Node,
        /// What was said.
        source: tokio_postgres::Error,
    },
    /// The node did not answer in time.
    #[error("node {node} did not answer within {limit:?}")]
    Late {
        /// The node.
        node: Node,
        /// The limit.
        limit: Duration,
    },
}

impl ControlError {
    /// True where the node said nothing, not even that it refuses.
    pub(super) fn is_silence(&self) -> bool {
        match self {
            ControlError::Late { .. } => true,
            ControlError::Unreached { source, .. } => match source {
                DialFault::Network(_) => true,
                DialFault::NoTls | DialFault::Tls(_) => false,
            },
            ControlError::Refused { source, .. } => source.as_db_error().is_none(),
        }
    }
}

impl Control {
    /// The admin role, with a limit on dialling and logging in.
    pub fn new(admin: &AdminConfig, connect_timeout: Duration) -> Control {
        Control { admin: admin.clone(), connect_timeout, tls: HashMap::new() }
    }

    /// These nodes are spoken to so.
    pub(super) fn know(&mut self, nodes: &[Node], tls: &ServerTls) {
        self.tls.extend(nodes.iter().map(|node| (node.clone(), tls.clone())));
    }

    /// The admin role's name and password.
    pub fn admin(&self) -> &AdminConfig {
        &self.admin
    }

    /// The parameters with which the admin role connects.
    pub fn parameters(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.dbname(database).user(&self.admin.user).application_name("pgherd/control");
        if !self.admin.password.is_empty() {
            config.password(self.admin.password.reveal());
        }
        config
    }

    /// A connection to a database of a node. A task of its own moves its bytes and ends with the
    /// returned client.
    ///
    /// # Errors
    /// [`ControlError`] where the node can not be reached in time or refuses.
    pub async fn connect(&self, node: &Node, database: &str) -> Result<Client, ControlError> {
        self.connect_with(node, self.parameters(database)).await
    }

    /// The same with parameters of the caller's; whom to dial, and whether by TLS, is not theirs.
    ///
    /// # Errors
    /// [`ControlError`] where the node can not be reached in time or refuses.
    pub async fn connect_with(&self, node: &Node, parameters: Config) -> Result<Client, ControlError> {
        let limit = self.connect_timeout;
        match tokio::time::timeout(limit, self.log_in(node, parameters)).await {
            Ok(connected) => connected,
            Err(_) => Err(ControlError::Late { node: node.clone(), limit }),
        }
    }

    async fn log_in(&self, node: &Node, mut parameters: Config) -> Result<Client, ControlError> {
        let tls = self.tls.get(node).cloned().unwrap_or_else(ServerTls::disabled);
        let unreached = |source| ControlError::Unreached { node: node.clone(), source };
        let stream = dial(&node.host, node.port, &tls).await.map_err(unreached)?;
        stream.notice_silence(SILENCE).map_err(|error| unreached(error.into()))?;
        // TLS stands already; the client only needs to know, for SCRAM's channel binding.
        match stream {
            Stream::Tls(_) => parameters.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct),
            Stream::Plain(_) | Stream::Unix(_) => parameters.ssl_mode(SslMode::Disable),
        };
        let connected = parameters.connect_raw(stream, Dialled).await;
        let (client, connection) =
            connected.map_err(|source| ControlError::Refused { node: node.clone(), source })?;
        let node = node.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%node, %error, "a control connection ended");
            }
        });
        Ok(client)
    }
}

/// Says of a stream that it has its TLS already.
struct Dialled;

/// A stream whose TLS stands.
struct Secured(Stream);

impl TlsConnect<Stream> for Dialled {
    type Stream = Secured;
    type Error = io::Error;
    type Future = Ready<io::Result<Secured>>;

    fn connect(self, stream: Stream) -> Self::Future {
        ready(Ok(Secured(stream)))
    }
}

impl TlsStream for Secured {
    fn channel_binding(&self) -> ChannelBinding {
        match self.0.server_end_point() {
            Some(end_point) => ChannelBinding::tls_server_end_point(end_point),
            None => ChannelBinding::none(),
        }
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(task, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}

/// The whole chain of an error, since tokio-postgres says only "db error" by itself.
pub(crate) fn spell_out(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(answer) => format!("{} ({})", answer.message(), answer.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
