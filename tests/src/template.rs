//! Fresh data directories: initdb once a machine and slot, a copy each time after that.
//!
//! Each server of a fleet copies a template of its own slot, since a copy keeps the system identifier and two servers
//! of one fleet must not look like one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::binaries;
use crate::process::{give_away, run, unprivileged, user};

/// Settings of every node; a test server may forget everything with the machine, but not with its process.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
fsync = off
full_page_writes = off
jit = off
timezone = 'UTC'
shared_buffers = 32MB
max_connections = 200
max_prepared_transactions = 100
max_worker_processes = 16
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
wal_keep_size = 256MB
wal_retrieve_retry_interval = 100ms
wal_receiver_status_interval = 1s
hot_standby = on
hot_standby_feedback = on
password_encryption = scram-sha-256
log_line_prefix = '%m [%p] %a %d '
";

const ACCESS: &str = "
local all all trust
host all postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
";

/// Where the harness keeps templates and running fleets; one a user, below the temporary directory.
pub(crate) fn home() -> Result<PathBuf> {
    let home = std::env::temp_dir().join(format!("pgherd-tests-{}", user()));
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    Ok(home)
}

/// Copies the template of `slot` to `data`, a directory that does not exist yet.
pub(crate) fn copy_to(slot: usize, data: &Path) -> Result<()> {
    let template = template(slot)?;
    run(Command::new("cp").args(["-a", "--reflink=auto"]).arg(&template).arg(data))
}

/// The template of a slot, made when it is not there; a half-made one never carries the final name.
fn template(slot: usize) -> Result<PathBuf> {
    let (binaries, major) = binaries::postgres()?;
    let home = home()?;
    let template = home.join(format!("template-{major}-{slot}"));
    if template.exists() {
        return Ok(template);
    }
    let workshop = tempfile::Builder::new().prefix("making-").tempdir_in(&home)?;
    fs::set_permissions(workshop.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    give_away(workshop.path())?;
    let data = workshop.path().join("data");
    let mut initdb = unprivileged(&binaries.join("initdb"));
    initdb.arg("--pgdata").arg(&data).args(["--username=postgres", "--auth=trust", "--encoding=UTF8"]);
    initdb.args(["--locale=C.UTF-8", "--no-sync"]);
    if major >= 15 {
        initdb.args(["--locale-provider=icu", "--icu-locale=en-US"]);
    }
    run(&mut initdb)?;
    let configuration = data.join("postgresql.conf");
    let settings = fs::read_to_string(&configuration)? + SETTINGS;
    fs::write(&configuration, settings)?;
    fs::write(data.join("pg_hba.conf"), ACCESS)?;
    match fs::rename(&data, &template) {
        Err(_) if template.exists() => Ok(template),
        renamed => renamed.map(|()| template).context("cannot put the template in its place"),
    }
}
