//! Ends what a fleet started, whatever becomes of the test.
//!
//! A reaper is a small shell process beside the fleet that reads a pipe held by the test's process. The pipe ends when the
//! fleet is dropped, when the test panics, and when its process is killed: then the reaper kills every process that
//! left its id in the fleet's directory, removes the shared memory that they leave, keeps the logs, and removes the directory. Should the reaper itself have been
//! killed, the next fleet finds the directory by its dead owner and reaps it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::binaries;
use crate::process;

/// The first argument is the fleet's directory, the second the one for logs.
const SCRIPT: &str = r#"
cat >/dev/null
roots=$(for file in "$1"/*/postmaster.pid "$1"/*/pid; do [ -f "$file" ] && head -n 1 "$file"; done)
segments=$(for file in "$1"/*/postmaster.pid; do sed -n '7s/.* //p' "$file"; done 2>/dev/null)
for root in $roots; do
    for stat in /proc/[0-9]*/stat; do
        read -r process name state parent rest <"$stat" || continue
        [ "$parent" = "$root" ] && families="$families $process"
    done
    families="$families $root"
done 2>/dev/null
[ -n "$families" ] && kill -KILL $families 2>/dev/null
for segment in $segments; do ipcrm -m "$segment" 2>/dev/null; done
mkdir -p "$2" && cp "$1"/*.log "$2" 2>/dev/null
[ -n "$PGHERD_KEEP" ] || rm -rf "$1"
"#;

/// The reaper of one fleet; to drop it is to end the fleet and wait for that.
#[derive(Debug)]
pub(crate) struct Reaper {
    shell: Child,
}

impl Reaper {
    /// Watches over `directory` from now on.
    pub(crate) fn watch(directory: &Path) -> Result<Reaper> {
        fs::write(directory.join("owner"), std::process::id().to_string())?;
        Ok(Reaper { shell: shell(directory, Stdio::piped())? })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Reaps the directories below `home` whose owner is gone.
pub(crate) fn reap_leftovers(home: &Path) -> Result<()> {
    for entry in fs::read_dir(home)?.flatten() {
        let directory = entry.path();
        let Ok(owner) = fs::read_to_string(directory.join("owner")) else { continue };
        let owner_is_gone = owner.parse().is_ok_and(|process| !process::is_alive(process));
        if owner_is_gone && std::env::var_os("PGHERD_KEEP").is_none() {
            shell(&directory, Stdio::null())?.wait()?;
        }
    }
    Ok(())
}

/// Where the logs of a fleet end up: `target/test-logs/<fleet>`.
pub(crate) fn log_directory(directory: &Path) -> Result<PathBuf> {
    let name = directory.file_name().context("a fleet's directory has a name")?;
    let target = binaries::profile_directory()?;
    let target = target.parent().context("profiles stand in the target directory")?;
    Ok(target.join("test-logs").join(name))
}

/// The shell runs in a session of its own, so that a Ctrl-C at the terminal does not reach it.
fn shell(directory: &Path, stdin: Stdio) -> Result<Child> {
    Command::new("setsid")
        .args(["sh", "-c", SCRIPT, "reaper"])
        .arg(directory)
        .arg(log_directory(directory)?)
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the reaper (setsid and sh are needed)")
}
