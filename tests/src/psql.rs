//! psql, as an operator or an application behind libpq would connect.

use anyhow::{Result, bail};

use crate::binaries;

/// Runs one statement by psql with a libpq connection string; gives the rows as `a|b` lines, or what psql
/// said instead.
pub async fn psql(connection: &str, sql: &str) -> Result<String> {
    let mut command = tokio::process::Command::new(binaries::postgres_binaries()?.join("psql"));
    command.args(["--no-psqlrc", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"]);
    command.args(["--command", sql, connection]).env_clear().kill_on_drop(true);
    let output = command.stdin(std::process::Stdio::null()).output().await?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
