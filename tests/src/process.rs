//! Processes as the harness needs them: run as a user that PostgreSQL accepts, signalled by id.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A signal that the harness sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Terminate,
    /// SIGINT: PostgreSQL's fast shutdown.
    Interrupt,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
    /// SIGHUP.
    Reload,
    /// SIGQUIT.
    Quit,
    /// SIGUSR1.
    First,
    /// SIGUSR2.
    Second,
}

impl Signal {
    /// Sends it; a process that is gone already is no error.
    pub fn send(self, process: u32) {
        signal(process, self);
    }

    fn name(self) -> &'static str {
        match self {
            Signal::Kill => "KILL",
            Signal::Terminate => "TERM",
            Signal::Interrupt => "INT",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
            Signal::Reload => "HUP",
            Signal::Quit => "QUIT",
            Signal::First => "USR1",
            Signal::Second => "USR2",
        }
    }
}

/// Removes a segment of System V shared memory; one that is gone already is no error.
pub(crate) fn remove_segment(id: &str) -> Result<()> {
    let mut command = Command::new("ipcrm");
    command.args(["-m", id]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().map(|_| ()).context("cannot run ipcrm")
}

/// Sends a signal; a process that is gone already is no error.
pub(crate) fn signal(process: u32, signal: Signal) {
    let _ = Command::new("kill")
        .args(["-s", signal.name(), &process.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// The children of a process, as /proc tells them.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let processes = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.filter(|process| parent_of(*process) == Some(parent)).collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(process: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
}

/// A command that does not run as root, which PostgreSQL refuses: as the user `postgres` when we are root.
pub(crate) fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// Makes a directory that the user of [`unprivileged`] owns.
pub(crate) fn give_away(directory: &Path) -> Result<()> {
    if is_root() {
        let (user, group) = postgres_ids()?;
        std::os::unix::fs::chown(directory, Some(user), Some(group))
            .with_context(|| format!("cannot give {} to postgres", directory.display()))?;
    }
    Ok(())
}

/// Runs a command to its end; an error with its output when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed with {}: {said}", output.status);
    }
    Ok(())
}

/// The user that owns our process.
pub(crate) fn user() -> u32 {
    fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid())
}

fn is_root() -> bool {
    user() == 0
}

fn postgres_ids() -> Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let line = line.context("PostgreSQL does not run as root, and there is no user postgres to run it as")?;
    let fields: Vec<&str> = line.split(':').collect();
    Ok((fields[2].parse()?, fields[3].parse()?))
}
