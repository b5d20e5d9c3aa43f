//! The two servers of a move, and the connections to them.

use std::sync::Arc;
use std::time::Duration;

use pgwire_replication::{ReplicationClient, ReplicationConfig, SslMode, TlsConfig};
use router::directory::{Directory, MoveMark};
use router::ids::{MoveId, ServerId};
use tokio_postgres::Client;

use super::fault::Fault;
use super::names::Names;
use crate::config::{DatabaseConfig, MovesConfig, ServerConfig, TlsMode};
use crate::directory::LiveDirectory;
use crate::replicas::{Servers, Unreachable};

/// How long a step waits for a primary.
const PRIMARY_WAIT: Duration = Duration::from_secs(10);

/// Values are written the same on both sides, whatever the servers' and the role's settings.
const SETTINGS: [(&str, &str); 9] = [
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("timezone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("search_path", "pg_catalog"),
    ("synchronous_commit", "on"),
    ("row_security", "off"),
];

/// What a move's steps need to know of their surroundings. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub id: MoveId,
    pub from: ServerId,
    pub to: ServerId,
    pub names: Names,
    pub database: Arc<DatabaseConfig>,
    pub settings: Arc<MovesConfig>,
    pub live: LiveDirectory,
    pub servers: Arc<Servers>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Reading, and bookkeeping.
    Ordinary,
    /// Writing rows as replication does: no triggers, no foreign keys, no rules.
    Rows,
}

impl Site {
    /// A connection to the source's primary.
    pub(super) async fn source(&self, purpose: Use) -> Result<Client, Fault> {
        self.connect(self.from, purpose).await
    }

    /// A connection to the target's primary.
    pub(super) async fn target(&self, purpose: Use) -> Result<Client, Fault> {
        self.connect(self.to, purpose).await
    }

    /// A connection to a server's primary.
    pub(super) async fn connect(&self, server: ServerId, purpose: Use) -> Result<Client, Fault> {
        let name = self.live.load().server_name(server).to_owned();
        let server = self.servers.named(&name).map_err(Unreachable::from)?;
        let node = server.wait_for_primary(PRIMARY_WAIT).await.map_err(Unreachable::from)?;
        let control = self.servers.control();
        let mut parameters = control.parameters(&self.database.name);
        parameters.application_name(&self.names.application);
        let connected = control.connect_with(node, parameters).await;
        let client = connected.inspect_err(|_| server.suspect(node)).map_err(Unreachable::from)?;
        let mut setup: String =
            SETTINGS.iter().map(|(setting, value)| format!("SET {setting} = '{value}';")).collect();
        setup.push_str(
            "SET client_min_messages = warning; SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;",
        );
        if purpose == Use::Rows {
            setup.push_str("SET session_replication_role = replica;");
        }
        client.batch_execute(&setup).await?;
        Ok(client)
    }

    /// A replication connection to the source's primary that has not started to stream, which
    /// would start at `start`.
    pub(super) async fn replication(&self, start: router::ids::Lsn) -> Result<ReplicationClient, Fault> {
        let name = self.live.load().server_name(self.from).to_owned();
        let server = self.servers.named(&name).map_err(Unreachable::from)?;
        let node = server.wait_for_primary(PRIMARY_WAIT).await.map_err(Unreachable::from)?;
        let admin = self.servers.control().admin();
        let options: Vec<String> =
            SETTINGS.iter().map(|(setting, value)| format!("-c {setting}={value}")).collect();
        let mut config = ReplicationConfig::new(
            node.host.clone(),
            admin.user.clone(),
            admin.password.reveal(),
            self.database.name.clone(),
            self.names.slot.clone(),
            self.names.publication.as_str(),
        )
        .with_port(node.port)
        .with_start_lsn(pgwire_replication::Lsn(start.0))
        .with_status_interval(Duration::from_secs(1))
        .with_wakeup_interval(Duration::from_secs(1))
        .with_application_name(self.names.application.clone());
        config =
            config.with_options(options.join(" ")).with_tls(replication_tls(server.config(), &node.host));
        Ok(ReplicationClient::connect_gated(config).await?)
    }

    /// Ends what a dead mover of this move may have left running on a server, and waits for it.
    pub(super) async fn evict(&self, server: ServerId) -> Result<(), Fault> {
        let client = self.connect(server, Use::Ordinary).await?;
        let sql = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()";
        for _ in 0..200 {
            if client.query(sql, &[&self.names.application]).await?.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Fault::Passing("an older connection of this move does not end".into()))
    }

    /// The directory of this moment, and the move's mark in it.
    pub(super) fn mark(&self) -> Result<(Arc<Directory>, MoveMark), Fault> {
        let directory = self.live.load();
        let mark = directory.marks().iter().find(|mark| mark.id == self.id).cloned();
        let mark = mark.ok_or_else(|| Fault::Refused("the directory does not know this move".into()))?;
        Ok((directory, mark))
    }
}

/// A server's TLS, in the replication client's words. The host is named, since a certificate may name
/// an address too.
fn replication_tls(server: &ServerConfig, host: &str) -> TlsConfig {
    TlsConfig {
        mode: match server.tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require => SslMode::Require,
            TlsMode::VerifyCa => SslMode::VerifyCa,
            TlsMode::VerifyFull => SslMode::VerifyFull,
        },
        ca_pem_path: server.tls_ca.clone(),
        sni_hostname: Some(host.to_owned()),
        client_cert_pem_path: server.tls_certificate.clone(),
        client_key_pem_path: server.tls_key.clone(),
    }
}
