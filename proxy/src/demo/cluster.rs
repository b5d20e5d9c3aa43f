//! Servers and replicas of the demo: made once, started, stopped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::binaries::Binaries;

/// What a demo's server is set to: what moves and transactions over servers need, and little memory.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
wal_level = logical
max_prepared_transactions = 50
max_wal_senders = 20
max_replication_slots = 20
max_connections = 200
hot_standby_feedback = on
shared_buffers = 64MB
wal_keep_size = 256MB
log_min_messages = warning
";

/// One PostgreSQL instance of the demo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Instance {
    /// Its server's name.
    pub(super) server: String,
    /// Its port on loopback.
    pub(super) port: u16,
    /// True for a replica.
    pub(super) replica: bool,
    folder: PathBuf,
}

/// The demo's instances, primaries first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cluster {
    pub(super) instances: Vec<Instance>,
    #[serde(skip)]
    binaries: Option<Binaries>,
}

impl Cluster {
    /// Makes the servers in a folder, or takes those that are there, and starts them.
    pub(super) async fn start(
        binaries: Binaries,
        folder: &Path,
        servers: u16,
        replicas: u16,
    ) -> Result<Cluster> {
        let record = folder.join("cluster.json");
        let mut cluster = match std::fs::read(&record) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).context("cluster.json is damaged; start with --fresh")?
            }
            Err(_) => Cluster { instances: Vec::new(), binaries: None },
        };
        let made = !cluster.instances.is_empty();
        cluster.binaries = Some(binaries);
        if !made {
            for index in 0..servers {
                cluster.make_server(folder, index, replicas).await?;
            }
            std::fs::write(&record, serde_json::to_vec_pretty(&cluster)?)?;
            return Ok(cluster);
        }
        for instance in cluster.instances.clone() {
            cluster.start_instance(&instance).await?;
        }
        Ok(cluster)
    }

    /// The servers that an earlier demo left in a folder.
    pub(super) fn there(binaries: Binaries, folder: &Path) -> Option<Cluster> {
        let bytes = std::fs::read(folder.join("cluster.json")).ok()?;
        let mut cluster: Cluster = serde_json::from_slice(&bytes).ok()?;
        cluster.binaries = Some(binaries);
        Some(cluster)
    }

    /// The servers' names in order.
    pub(super) fn servers(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.instances.iter().map(|instance| instance.server.as_str()).collect();
        names.dedup();
        names
    }

    /// Stops everything.
    pub(super) async fn stop(&self) {
        for instance in self.instances.iter().rev() {
            let folder = instance.folder.display().to_string();
            let stopped = self.binaries().run("pg_ctl", &["-D", &folder, "-m", "fast", "-w", "stop"]).await;
            if let Err(error) = stopped {
                tracing::warn!(server = instance.server, port = instance.port, %error, "a server did not stop");
            }
        }
    }

    fn binaries(&self) -> &Binaries {
        self.binaries.as_ref().expect("a cluster has been started")
    }

    async fn make_server(&mut self, folder: &Path, index: u16, replicas: u16) -> Result<()> {
        let name = name(index);
        let primary = Instance {
            server: name.clone(),
            port: free_port()?,
            replica: false,
            folder: folder.join(format!("{name}-0")),
        };
        let data = primary.folder.display().to_string();
        self.binaries()
            .run(
                "initdb",
                &[
                    "-D",
                    &data,
                    "-U",
                    "postgres",
                    "-A",
                    "trust",
                    "-E",
                    "UTF8",
                    "--lc-collate=C",
                    "--lc-ctype=C.UTF-8",
                    "--no-sync",
                ],
            )
            .await?;
        self.start_instance(&primary).await?;
        self.instances.push(primary.clone());
        for number in 1..=replicas {
            let replica = Instance {
                server: name.clone(),
                port: free_port()?,
                replica: true,
                folder: folder.join(format!("{name}-{number}")),
            };
            let copy = replica.folder.display().to_string();
            let port = primary.port.to_string();
            self.binaries()
                .run(
                    "pg_basebackup",
                    &[
                        "-D",
                        &copy,
                        "-h",
                        "127.0.0.1",
                        "-p",
                        &port,
                        "-U",
                        "postgres",
                        "-R",
                        "-X",
                        "stream",
                        "-c",
                        "fast",
                    ],
                )
                .await?;
            self.start_instance(&replica).await?;
            self.instances.push(replica);
        }
        Ok(())
    }

    async fn start_instance(&self, instance: &Instance) -> Result<()> {
        let data = instance.folder.display().to_string();
        if self.binaries().run("pg_ctl", &["-D", &data, "status"]).await.is_ok() {
            return Ok(());
        }
        let log = format!("{data}.log");
        let socket_folder =
            instance.folder.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        let mut options = format!("-p {} -c unix_socket_directories='{socket_folder}'", instance.port);
        for line in SETTINGS.lines().filter(|line| !line.is_empty()) {
            options.push_str(&format!(" -c {}", line.replace(" = ", "=")));
        }
        let arguments = ["-D", &data, "-l", &log, "-o", &options, "-w", "-t", "60", "start"];
        self.binaries()
            .run("pg_ctl", &arguments)
            .await
            .map(|_| ())
            .with_context(|| format!("server {} did not start; its log is {log}", instance.server))
    }
}

fn name(index: u16) -> String {
    const NAMES: [&str; 8] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];
    NAMES.get(usize::from(index)).map_or_else(|| format!("server{index}"), |name| (*name).to_owned())
}

/// A port of loopback that nobody listens on now.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?.port())
}
