//! The step `prepare`: bookkeeping stands, and nobody runs on the target without knowing the mark.

use super::bookkeeping;
use super::check;
use super::fault::Fault;
use super::site::{Site, Use};

/// Makes the bookkeeping tables and waits until no transaction that concerns the scope, or changes the
/// schema, is older than the mark: from then on copies on the target are hidden from everyone and the
/// schema stands still. Then it looks at both servers once more.
pub(super) async fn prepare(site: &Site) -> Result<(), Fault> {
    let source = site.source(Use::Ordinary).await?;
    let target = site.target(Use::Ordinary).await?;
    bookkeeping::ensure(&source).await?;
    bookkeeping::ensure(&target).await?;
    let (directory, mark) = site.mark()?;
    site.live.until_drained(directory.version(), site.to, &mark).await;
    let findings = check::servers(&source, &target, &site.database, &directory, &mark).await?;
    if !findings.is_empty() {
        let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
        return Err(Fault::Refused(all.join("; ")));
    }
    Ok(())
}
