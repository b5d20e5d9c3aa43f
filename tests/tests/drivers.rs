//! The README's example application runs unchanged with three drivers.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Daemon, Fleet};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn url() -> String {
    let start = async || {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        let daemon = fleet.daemon().start().await.unwrap();
        (fleet, daemon)
    };
    STAGE.get_or_init(start).await.1.url("app", "app")
}

/// `PGHERD_EXAMPLE_URL` runs the example against something else, such as a plain PostgreSQL.
async fn target_url() -> String {
    match std::env::var("PGHERD_EXAMPLE_URL") {
        Ok(url) => url,
        Err(_) => url().await,
    }
}

fn drivers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers")
}

/// Where drivers are installed: below the target directory, kept from run to run.
fn workshop(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let workshop = here.ancestors().nth(3).unwrap().join("drivers").join(name);
    std::fs::create_dir_all(&workshop).unwrap();
    workshop
}

/// Whether an installation worked; says why not, since an unreachable registry is no fault of ours.
fn installed(driver: &str, command: &mut Command) -> bool {
    match command.output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            println!("{driver} is skipped, it cannot be installed: {}", said.trim());
            false
        }
        Err(error) => {
            println!("{driver} is skipped, {command:?} cannot run: {error}");
            false
        }
    }
}

fn runs(command: &mut Command) {
    let output = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(": ok"), "{command:?}: {said}");
}

#[tokio::test]
async fn the_example_runs_with_psycopg() {
    let workshop = workshop("psycopg");
    let python = workshop.join("bin/python");
    if !python.exists() && !installed("psycopg", Command::new("python3").args(["-m", "venv"]).arg(&workshop))
    {
        return;
    }
    let requirements = drivers().join("psycopg/requirements.txt");
    if !installed(
        "psycopg",
        Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements),
    ) {
        return;
    }
    runs(Command::new(&python).arg(drivers().join("psycopg/example.py")).arg(target_url().await));
}

#[tokio::test]
async fn the_example_runs_with_node_postgres() {
    let workshop = workshop("node-postgres");
    for file in ["package.json", "example.js"] {
        std::fs::copy(drivers().join("node-postgres").join(file), workshop.join(file)).unwrap();
    }
    let mut install = Command::new("npm");
    install.args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&workshop);
    if !installed("node-postgres", &mut install) {
        return;
    }
    runs(Command::new("node").arg("example.js").arg(target_url().await).current_dir(&workshop));
}

#[tokio::test]
async fn the_example_runs_with_tokio_postgres() {
    runs(Command::new(env!("CARGO_BIN_EXE_example-tokio-postgres")).arg(target_url().await));
}
