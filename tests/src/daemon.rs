//! The real daemon over a fleet: configured, started, killed, started again.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::Client;

use crate::database::{self, APP_PASSWORD, APP_USER};
use crate::fleet::Fleet;
use crate::process::{self, Signal};
use crate::session::Session;
use crate::{binaries, ports};

/// The sections that a daemon's configuration has in any case.
const SECTIONS: [&str; 4] = ["proxy", "directory", "database", "admin"];

/// How long the daemon may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `pgherd serve`.
#[derive(Debug)]
pub struct Daemon {
    directory: PathBuf,
    log: PathBuf,
    port: u16,
    http_port: u16,
    environment: Mutex<Vec<(String, String)>>,
    child: Mutex<Option<Child>>,
}

impl Daemon {
    pub(crate) fn builder(fleet: &Fleet) -> DaemonBuilder<'_> {
        DaemonBuilder {
            fleet,
            name: "pgherd".to_owned(),
            servers: fleet.servers().len(),
            keys: Vec::new(),
            more: String::new(),
            store: None,
        }
    }

    /// The URL of a database through the daemon.
    #[must_use]
    pub fn url(&self, database: &str, user: &str) -> String {
        database::url(self.port, user, database)
    }

    /// The port that clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection of the application's role to the database `app`.
    pub async fn connect(&self) -> Result<Client> {
        database::connect(&self.url("app", APP_USER)).await
    }

    /// A connection of the admin to the console.
    pub async fn console(&self) -> Result<Client> {
        database::connect(&self.url("pgherd", "postgres")).await
    }

    /// A session of the application's role that shows every message.
    pub async fn session(&self, database: &str) -> Result<Session> {
        Session::open(self.port, APP_USER, database, &[]).await
    }

    /// Runs `herdctl` against this daemon.
    pub async fn herdctl(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = tokio::process::Command::new(binaries::herdctl()?);
        command.args(arguments).env("PGHERD_URL", self.url("pgherd", "postgres")).stdin(Stdio::null());
        command.kill_on_drop(true).output().await.context("cannot run herdctl")
    }

    /// Runs `herdctl` and gives what it printed; an error when it failed.
    pub async fn asked(&self, arguments: &[&str]) -> Result<String> {
        let output = self.herdctl(arguments).await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("herdctl {arguments:?} failed with {}: {said}", output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The status and body of a page of the daemon's web server.
    pub async fn page(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.http_port)).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: pgherd\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("not HTTP")?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        Ok((status, body.to_owned()))
    }

    /// Sets an environment variable for the next start, such as `PGHERD_FAIL_AT`.
    pub fn set_environment(&self, name: &str, value: &str) {
        self.environment().push((name.to_owned(), value.to_owned()));
    }

    /// Forgets what [`Daemon::set_environment`] has set.
    pub fn clear_environment(&self) {
        self.environment().clear();
    }

    /// Starts it and waits until it calls itself ready.
    pub async fn start(&self) -> Result<()> {
        self.spawn()?;
        let started = Instant::now();
        loop {
            if matches!(self.page("/readyz").await, Ok((200, _))) {
                return Ok(());
            }
            if !self.is_running() {
                bail!("pgherd ended before it was ready: {}", self.log_tail());
            }
            if started.elapsed() > PATIENCE {
                bail!("pgherd was not ready within {PATIENCE:?}: {}", self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills it outright.
    pub fn kill_9(&self) -> Result<()> {
        let Some(mut child) = self.child().take() else { return Ok(()) };
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM: it drains and ends; gives its exit status.
    pub fn terminate(&self) -> Result<std::process::ExitStatus> {
        let mut child = self.child().take().context("pgherd does not run")?;
        process::signal(child.id(), Signal::Terminate);
        Ok(child.wait()?)
    }

    /// Sends it a signal, and does not wait for what comes of it.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = self.process() {
            process::signal(process, signal);
        }
    }

    /// All lines of its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGHUP: it reads its configuration again.
    pub fn reload(&self) {
        if let Some(process) = self.child().as_ref().map(Child::id) {
            process::signal(process, Signal::Reload);
        }
    }

    /// Kills it and starts it again on the same ports and directory.
    pub async fn restart(&self) -> Result<()> {
        self.kill_9()?;
        self.start().await
    }

    /// Whether the process is there; it may have killed itself at a `PGHERD_FAIL_AT`.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let mut child = self.child();
        let ended = child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
        if ended {
            *child = None;
        }
        !ended
    }

    /// The id of its process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// The configuration file, to be changed before [`Daemon::reload`] or [`Daemon::restart`].
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.directory.join("pgherd.toml")
    }

    /// The end of the daemon's log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    fn spawn(&self) -> Result<()> {
        if self.is_running() {
            bail!("pgherd runs already");
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(binaries::pgherd()?);
        command.arg("serve").arg("--config").arg(self.configuration()).current_dir(&self.directory);
        command.envs(self.environment().iter().cloned());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot start pgherd")?;
        fs::write(self.directory.join("pid"), format!("{}\n", child.id()))?;
        *self.child() = Some(child);
        Ok(())
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().expect("nobody panics while holding the daemon's process")
    }

    fn environment(&self) -> std::sync::MutexGuard<'_, Vec<(String, String)>> {
        self.environment.lock().expect("nobody panics while holding the daemon's environment")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the end of pgherd's log ---\n{}\n---", self.log_tail());
        }
        let _ = self.kill_9();
    }
}

/// What a daemon shall be.
#[derive(Debug)]
pub struct DaemonBuilder<'fleet> {
    fleet: &'fleet Fleet,
    name: String,
    servers: usize,
    keys: Vec<(String, String)>,
    more: String,
    store: Option<String>,
}

impl DaemonBuilder<'_> {
    /// A name for a second daemon over the same fleet; its directory and log are called so.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Configures only the first `servers` of the fleet.
    #[must_use]
    pub fn servers(mut self, servers: usize) -> Self {
        self.servers = servers;
        self
    }

    /// Sets a key of a section that the harness writes ([`SECTIONS`]), in TOML's spelling; [`DaemonBuilder::section`]
    /// is for all others.
    #[must_use]
    pub fn key(mut self, section: &str, line: &str) -> Self {
        assert!(SECTIONS.contains(&section), "[{section}] is not written here: use `section`");
        self.keys.push((section.to_owned(), line.to_owned()));
        self
    }

    /// Appends whole sections, such as `[replicas]\npin_scope = "session"`.
    #[must_use]
    pub fn section(mut self, toml: &str) -> Self {
        self.more.push_str(toml);
        self.more.push('\n');
        self
    }

    /// Another directory store than a file of this daemon's own.
    #[must_use]
    pub fn store(mut self, store: &str) -> Self {
        self.store = Some(store.to_owned());
        self
    }

    /// Writes the configuration and starts the daemon.
    pub async fn start(self) -> Result<Daemon> {
        let daemon = self.prepare()?;
        daemon.start().await?;
        Ok(daemon)
    }

    /// Writes the configuration and starts nothing.
    pub fn prepare(self) -> Result<Daemon> {
        let directory = self.fleet.path().join(&self.name);
        fs::create_dir_all(&directory)?;
        let daemon = Daemon {
            log: directory.with_extension("log"),
            directory,
            port: ports::free_port()?,
            http_port: ports::free_port()?,
            environment: Mutex::new(Vec::new()),
            child: Mutex::new(None),
        };
        fs::write(daemon.configuration(), self.toml(&daemon))?;
        Ok(daemon)
    }

    fn toml(&self, daemon: &Daemon) -> String {
        let own_store = format!("file:{}", daemon.directory.join("directory").display());
        let store = self.store.as_ref().unwrap_or(&own_store);
        let mut toml = format!(
            "[proxy]\nlisten = \"127.0.0.1:{}\"\nhttp_listen = \"127.0.0.1:{}\"\n{}\n[directory]\nstore = \"{store}\"\n{}\n",
            daemon.port,
            daemon.http_port,
            self.lines("proxy"),
            self.lines("directory"),
        );
        for database in self.fleet.databases() {
            let lines = self.lines("database");
            let _ = write!(toml, "[[database]]\nname = \"{database}\"\n{lines}\n");
            if !lines.contains("tenant_column") {
                toml.push_str("tenant_column = \"tenant_id\"\n");
            }
        }
        for server in &self.fleet.servers()[..self.servers] {
            let _ = write!(
                toml,
                "\n[[server]]\nname = \"{}\"\nnodes = {:?}\n",
                server.name(),
                server.addresses()
            );
        }
        let _ = write!(toml, "\n[[user]]\nname = \"{APP_USER}\"\npassword = \"{APP_PASSWORD}\"\n");
        let _ = write!(
            toml,
            "\n[admin]\nuser = \"postgres\"\npassword = \"\"\n{}\n{}",
            self.lines("admin"),
            self.more
        );
        toml
    }

    fn lines(&self, section: &str) -> String {
        let lines = self.keys.iter().filter(|(of, _)| of == section);
        lines.map(|(_, line)| format!("{line}\n")).collect()
    }
}
