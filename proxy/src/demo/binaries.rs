//! Where PostgreSQL's programs are, and as whom they run: PostgreSQL refuses to run as root.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// The oldest major version that pgherd works with.
const OLDEST: u32 = 14;

/// The programs that the demo runs.
const NEEDED: [&str; 4] = ["postgres", "initdb", "pg_ctl", "pg_basebackup"];

/// PostgreSQL's programs.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
    as_postgres: bool,
}

impl Binaries {
    /// Finds the newest version that is installed.
    ///
    /// # Errors
    /// None is installed; the error says how to.
    pub(super) async fn find() -> Result<Binaries> {
        let mut found: Vec<(u32, PathBuf)> = Vec::new();
        let mut folders: Vec<PathBuf> =
            std::env::var_os("PGHERD_PG_BIN").map(PathBuf::from).into_iter().collect();
        for root in ["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt"] {
            if let Ok(entries) = std::fs::read_dir(root) {
                folders.extend(entries.flatten().map(|entry| entry.path().join("bin")));
            }
        }
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let whole = |folder: &PathBuf| NEEDED.iter().all(|program| folder.join(program).exists());
        for folder in folders.into_iter().filter(whole) {
            if let Some(version) = major_version(&folder.join("postgres")).await {
                found.push((version, folder));
            }
        }
        found.sort();
        match found.pop() {
            Some((version, folder)) if version >= OLDEST => Ok(Binaries { folder, as_postgres: is_root() }),
            _ => bail!(
                "PostgreSQL {OLDEST} or newer with its server programs is not installed; on Debian or Ubuntu: apt-get install postgresql"
            ),
        }
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// It failed; the error has its words.
    pub(super) async fn run<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> Result<String> {
        let path = self.folder.join(program);
        let mut command = match self.as_postgres {
            false => Command::new(&path),
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(&path);
                command
            }
        };
        // A server that is started here outlives the program that starts it, so it gets no pipe of ours.
        let output = command.args(arguments).current_dir("/").stdin(std::process::Stdio::null()).output();
        let output = output.await.with_context(|| format!("{program} could not be run"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).into_owned()
                + &String::from_utf8_lossy(&output.stdout);
            bail!("{program} failed: {}", words.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Gives a folder to whoever runs the programs.
    ///
    /// # Errors
    /// There is no user `postgres`, or the folder is not ours.
    pub(super) async fn own(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("{} could not be made", folder.display()))?;
        if self.as_postgres {
            let status = Command::new("chown").arg("postgres:postgres").arg(folder).status().await?;
            anyhow::ensure!(status.success(), "{} could not be given to user postgres", folder.display());
        }
        Ok(())
    }

    /// True where whoever runs the programs may enter the folder.
    pub(super) async fn can_enter(&self, folder: &Path) -> bool {
        if !self.as_postgres {
            return true;
        }
        let entered = Command::new("setpriv")
            .args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--", "test", "-x"])
            .arg(folder)
            .status();
        entered.await.is_ok_and(|status| status.success())
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
}

async fn major_version(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres).arg("--version").output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
}
