//! Where the programs are: PostgreSQL's server binaries, and our own daemon and CLI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The directory of PostgreSQL's server binaries and its major version: `PG_BIN`, else what pg_config says, else the
/// newest below /usr/lib/postgresql.
pub(crate) fn postgres() -> Result<(PathBuf, u32)> {
    let directory = std::env::var("PG_BIN").ok().map(PathBuf::from);
    let directory = directory.or_else(debian_binaries).or_else(configured_binaries);
    let directory =
        directory.context("no PostgreSQL server binaries found; run `make setup`, or set PG_BIN")?;
    let version = Command::new(directory.join("postgres")).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let number = version.rsplit_once("(PostgreSQL) ").map(|(_, rest)| rest);
    let major: String = number.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    Ok((directory, major.parse().with_context(|| format!("postgres calls itself {version:?}"))?))
}

/// The directory of PostgreSQL's server binaries and clients.
pub fn postgres_binaries() -> Result<PathBuf> {
    postgres().map(|(directory, _)| directory)
}

/// The daemon's binary, built by this call unless `PGHERD_BIN` names the directory of ready ones.
pub fn pgherd() -> Result<PathBuf> {
    program("proxy", "pgherd")
}

/// The CLI's binary, found as [`pgherd`] is.
pub fn herdctl() -> Result<PathBuf> {
    program("admin", "herdctl")
}

fn debian_binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let numbered =
        versions.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    let usable = numbered.map(|(major, path)| (major, path.join("bin")));
    usable.filter(|(_, path)| path.join("initdb").exists()).max().map(|(_, path)| path)
}

fn configured_binaries() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    directory.join("initdb").exists().then_some(directory)
}

fn program(package: &str, name: &str) -> Result<PathBuf> {
    if let Ok(directory) = std::env::var("PGHERD_BIN") {
        return existing(Path::new(&directory).join(name));
    }
    build(package, name)?;
    existing(profile_directory()?.join(name))
}

fn existing(path: PathBuf) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} is not there; build it with `cargo build --bins`", path.display());
    }
    Ok(path)
}

/// Builds a program once in a process, so that a suite never runs against yesterday's.
fn build(package: &str, name: &str) -> Result<()> {
    static BUILT: OnceLock<std::sync::Mutex<Vec<String>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Default::default).lock().expect("no build panics");
    if built.iter().any(|done| done == name) {
        return Ok(());
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in a workspace");
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.current_dir(workspace).args(["build", "--quiet", "--package", package, "--bin", name]);
    if profile_directory()?.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo cannot build {name}");
    }
    built.push(name.to_owned());
    Ok(())
}

/// `target/debug` or its like: where the running test's own binary stands.
pub(crate) fn profile_directory() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let directory = here.ancestors().nth(2).context("the test binary stands in target/<profile>/deps")?;
    Ok(directory.to_owned())
}
