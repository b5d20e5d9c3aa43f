//! The step `prepare`: bookkeeping stands, and nobody runs on the target without knowing the mark.

use super::bookkeeping;
use super::check;
use super::fault::Fault;
use super::site::{Site, Use};

/// Looks at both servers once more, makes the bookkeeping tables, and waits until no transaction on
/// the target is older than the mark: from then on copies there are hidden from everyone.
pub(super) async fn prepare(site: &Site) -> Result<(), Fault> {
    let source = site.source(Use::Ordinary).await?;
    let target = site.target(Use::Ordinary).await?;
    bookkeeping::ensure(&source).await?;
    bookkeeping::ensure(&target).await?;
    let (directory, mark) = site.mark()?;
    let findings = check::servers(&source, &target, &site.database, &directory, &mark).await?;
    if !findings.is_empty() {
        let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
        return Err(Fault::Refused(all.join("; ")));
    }
    site.live.until_drained(directory.version(), site.to, &mark).await;
    Ok(())
}
