//! Connections of the admin role: for probes, the catalog, bookkeeping and moves, never for a
//! client's statements.

use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};

use crate::config::{AdminConfig, NodeAddress as Node};

/// How the admin role connects. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    admin: AdminConfig,
    connect_timeout: Duration,
}

/// A connection of the admin role that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The node refused the connection or could not be reached.
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
            ControlError::Refused { source, .. } => source.as_db_error().is_none(),
        }
    }
}

impl Control {
    /// The admin role, with a limit on dialling and logging in.
    pub fn new(admin: &AdminConfig, connect_timeout: Duration) -> Control {
        Control { admin: admin.clone(), connect_timeout }
    }

    /// The admin role's name and password.
    pub fn admin(&self) -> &AdminConfig {
        &self.admin
    }

    /// The parameters with which the admin role connects.
    pub fn parameters(&self, node: &Node, database: &str) -> Config {
        let mut config = Config::new();
        config.host(&node.host).port(node.port).dbname(database).user(&self.admin.user);
        config.application_name("pgherd/control").connect_timeout(self.connect_timeout);
        config.keepalives_idle(Duration::from_secs(10)).tcp_user_timeout(Duration::from_secs(10));
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
        let limit = self.connect_timeout;
        let late = || ControlError::Late { node: node.clone(), limit };
        let refused = |source| ControlError::Refused { node: node.clone(), source };
        let config = self.parameters(node, database);
        // The limit of `Config` ends with the TCP handshake; a node that hangs after it must not
        // hang us.
        let connecting = tokio::time::timeout(limit, config.connect(NoTls));
        let (client, connection) = connecting.await.map_err(|_| late())?.map_err(refused)?;
        let node = node.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%node, %error, "a control connection ended");
            }
        });
        Ok(client)
    }
}

/// The whole chain of an error, since tokio-postgres says only "db error" by itself.
pub(super) fn spell_out(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(answer) => format!("{} ({})", answer.message(), answer.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
