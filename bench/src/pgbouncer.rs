//! A PgBouncer over the same server, in transaction mode, ended with the benchmark.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tests::{APP_PASSWORD, APP_USER, Fleet, until};

use crate::load::Protocol;

/// Where Debian puts it, and where else it may be; the variable `PGBOUNCER` comes first.
const PLACES: [&str; 4] =
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];

/// The first version that keeps prepared statements in transaction mode.
const WITH_PREPARED: (u32, u32) = (1, 21);

/// A running PgBouncer.
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    port: u16,
    version: (u32, u32),
}

impl PgBouncer {
    /// Starts one in front of the fleet's first server; `None` where it is not installed.
    ///
    /// # Errors
    /// It is installed and does not start.
    pub async fn start(fleet: &Fleet) -> Result<Option<PgBouncer>> {
        let chosen = std::env::var_os("PGBOUNCER").map(PathBuf::from);
        let installed = PLACES.iter().map(PathBuf::from);
        let Some(program) = chosen.into_iter().chain(installed).find(|path| path.exists()) else {
            return Ok(None);
        };
        let version = version(&program)?;
        let directory = fleet.path().join("pgbouncer");
        fs::create_dir_all(&directory)?;
        fs::set_permissions(&directory, PermissionsExt::from_mode(0o755))?;
        let port = tests::free_port()?;
        let configuration = configure(&directory, port, fleet.server(0).node(0).port(), version)?;
        let log = fs::File::create(directory.with_extension("log"))?;
        let mut command = Command::new(program);
        command.arg(&configuration).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot start pgbouncer")?;
        fs::write(directory.join("pid"), format!("{}\n", child.id()))?;
        let pgbouncer = PgBouncer { child, port, version };
        let url = pgbouncer.url();
        until("pgbouncer answers", Duration::from_secs(20), async || tests::connect(&url).await.is_ok())
            .await;
        Ok(Some(pgbouncer))
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        let password = APP_PASSWORD.replace(' ', "%20");
        format!("postgres://{APP_USER}:{password}@127.0.0.1:{}/app", self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// Whether it can pool sessions that speak so.
    #[must_use]
    pub fn speaks(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Simple | Protocol::Extended => true,
            Protocol::Prepared => self.version >= WITH_PREPARED,
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes its configuration; started as root it becomes the user `postgres`, for it refuses to be root.
fn configure(directory: &Path, port: u16, server: u16, version: (u32, u32)) -> Result<PathBuf> {
    let users = directory.join("users.txt");
    fs::write(&users, format!("\"{APP_USER}\" \"{APP_PASSWORD}\"\n"))?;
    let is_root = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self")?) == 0;
    let user = if is_root { "user = postgres\n" } else { "" };
    let prepared = if version >= WITH_PREPARED { "max_prepared_statements = 500\n" } else { "" };
    let text = format!(
        "[databases]\napp = host=127.0.0.1 port={server}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
         default_pool_size = 20\nmax_client_conn = 12000\nlog_connections = 0\nlog_disconnections = 0\n{user}{prepared}",
        users.display()
    );
    let configuration = directory.join("pgbouncer.ini");
    fs::write(&configuration, text)?;
    Ok(configuration)
}

/// The first two numbers of `PgBouncer 1.18.0`.
fn version(program: &Path) -> Result<(u32, u32)> {
    let output = Command::new(program).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers = text.split_whitespace().nth(1).context("pgbouncer says no version")?;
    let mut numbers = numbers.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => anyhow::bail!("pgbouncer calls itself {text:?}"),
    }
}
