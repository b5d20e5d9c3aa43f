//! One PostgreSQL instance: started, faulted, asked.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio_postgres::Client;

use crate::process::{self, Signal, children, unprivileged};
use crate::{binaries, database, ports};

/// How long a node may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// One PostgreSQL instance of a fleet, on a port of its own.
#[derive(Debug)]
pub struct Node {
    name: String,
    data: PathBuf,
    port: u16,
    child: Mutex<Option<Child>>,
}

impl Node {
    /// A node with the data directory `directory/name`, which the caller fills before the first start.
    pub(crate) fn new(directory: &Path, name: &str) -> Result<Node> {
        let data = directory.join(name);
        Ok(Node { name: name.to_owned(), data, port: ports::free_port()?, child: Mutex::new(None) })
    }

    /// `alpha-0`: the server's name and the node's number.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port that PostgreSQL itself listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database on this very node.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        database::url(self.port, user, database)
    }

    /// A connection of the superuser to a database on this very node.
    pub async fn connect(&self, database: &str) -> Result<Client> {
        database::connect(&self.url("postgres", database)).await
    }

    /// Starts PostgreSQL and waits until it answers.
    pub async fn start(&self) -> Result<()> {
        self.spawn()?;
        let started = Instant::now();
        while self.connect("postgres").await.is_err() {
            if let Some(status) = self.child().as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                bail!("{} ended with {status}: {}", self.name, self.log_tail());
            }
            if started.elapsed() > PATIENCE {
                bail!("{} did not answer within {PATIENCE:?}: {}", self.name, self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        Ok(())
    }

    /// A fast shutdown, waited for.
    pub fn stop(&self) -> Result<()> {
        let Some(mut child) = self.child().take() else { return Ok(()) };
        process::signal(child.id(), Signal::Interrupt);
        child.wait()?;
        Ok(())
    }

    /// What a power cut does to the processes: all of the node's die at once.
    pub fn kill_9(&self) -> Result<()> {
        let Some(mut child) = self.child().take() else { return Ok(()) };
        let backends = children(child.id());
        let segment = self.segment();
        process::signal(child.id(), Signal::Kill);
        backends.into_iter().for_each(|backend| process::signal(backend, Signal::Kill));
        child.wait()?;
        segment.as_deref().map_or(Ok(()), process::remove_segment)?;
        fs::remove_file(self.data.join("postmaster.pid")).or_else(ignore_absence)
    }

    /// The shared memory by which PostgreSQL tells that it runs; it would outlive its processes.
    fn segment(&self) -> Option<String> {
        let noted = fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        Some(noted.lines().nth(6)?.split_whitespace().nth(1)?.to_owned())
    }

    /// Stops all the node's processes in their tracks, connections open, nothing answered.
    pub fn suspend(&self) {
        self.signal_all(Signal::Stop);
    }

    /// Undoes [`Node::suspend`].
    pub fn resume(&self) {
        self.signal_all(Signal::Continue);
    }

    /// A replica stops replaying; what it has, it still answers.
    pub async fn pause_replay(&self) -> Result<()> {
        self.say("SELECT pg_wal_replay_pause()").await?;
        let client = self.connect("postgres").await?;
        let started = Instant::now();
        loop {
            let state: String = client.query_one("SELECT pg_get_wal_replay_pause_state()", &[]).await?.get(0);
            if state == "paused" {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("{} did not pause its replay: {state}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A replica goes on replaying.
    pub async fn resume_replay(&self) -> Result<()> {
        self.say("SELECT pg_wal_replay_resume()").await
    }

    /// A replica becomes a primary, waited for.
    pub async fn promote(&self) -> Result<()> {
        self.say("SELECT pg_promote(true, 60)").await
    }

    /// Whether the node is a replica now.
    pub async fn is_replica(&self) -> Result<bool> {
        Ok(self.connect("postgres").await?.query_one("SELECT pg_is_in_recovery()", &[]).await?.get(0))
    }

    /// Copies a file into the data directory, readable by the server alone.
    pub fn keep_file(&self, name: &str, from: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let file = self.data.join(name);
        fs::copy(from, &file)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        process::give_away(&file)
    }

    /// Appends settings to the running node's configuration and replaces its rules of who may come
    /// in; both are in force for whoever comes next.
    pub async fn reconfigure(&self, settings: &str, access: &str) -> Result<()> {
        self.configure(settings)?;
        fs::write(self.data.join("pg_hba.conf"), access)?;
        self.say("SELECT pg_reload_conf()").await
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Appends settings to the node's configuration, before its start.
    pub(crate) fn configure(&self, settings: &str) -> Result<()> {
        use std::io::Write;
        let mut file = OpenOptions::new().append(true).open(self.data.join("postgresql.conf"))?;
        writeln!(file, "{settings}").context("cannot write postgresql.conf")
    }

    /// Makes the node a replica of another one at its next start.
    pub(crate) fn follow(&self, primary: &Node) -> Result<()> {
        let name = &self.name;
        let source = format!("host=127.0.0.1 port={} user=postgres application_name={name}", primary.port);
        self.configure(&format!("primary_conninfo = '{source}'"))?;
        fs::write(self.data.join("standby.signal"), "").context("cannot write standby.signal")
    }

    async fn say(&self, sql: &str) -> Result<()> {
        self.connect("postgres")
            .await?
            .batch_execute(sql)
            .await
            .with_context(|| format!("{}: {sql}", self.name))
    }

    fn spawn(&self) -> Result<()> {
        let mut child = self.child();
        if child.is_some() {
            bail!("{} runs already", self.name);
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let directory = self.data.parent().context("a data directory stands in the fleet's")?;
        let mut command = unprivileged(&binaries::postgres()?.0.join("postgres"));
        command.arg("-D").arg(&self.data).arg("-p").arg(self.port.to_string());
        command.arg("-k").arg(directory).current_dir(directory);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        *child = Some(command.spawn().context("cannot start postgres")?);
        Ok(())
    }

    fn signal_all(&self, signal: Signal) {
        if let Some(postmaster) = self.child().as_ref().map(Child::id) {
            process::signal(postmaster, signal);
            children(postmaster).into_iter().for_each(|backend| process::signal(backend, signal));
        }
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().expect("nobody panics while holding a node's process")
    }

    fn log_path(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    fn log_tail(&self) -> String {
        let text = File::open(self.log_path()).and_then(std::io::read_to_string).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.resume();
        let _ = self.kill_9();
    }
}

fn ignore_absence(error: std::io::Error) -> Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error.into()) }
}
