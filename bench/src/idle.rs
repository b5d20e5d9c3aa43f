//! The memory of clients that are authenticated and say nothing, and whether each of them still answers.

use anyhow::{Context, Result, ensure};
use tests::{APP_USER, Session};

use crate::contest::Entry;
use crate::processor::memory_of;

/// What idle clients cost.
#[derive(Debug)]
pub struct Idle {
    /// Bytes a client after its login.
    pub fresh: f64,
    /// Bytes a client after one statement each.
    pub used: f64,
    /// How many were answered.
    pub answered: usize,
}

/// Connects so many clients to a proxy, lets each of them ask once, and measures before and after.
///
/// # Errors
/// One was refused or not answered.
pub async fn idle(entry: &Entry, port: u16, clients: usize) -> Result<Idle> {
    const WARM: usize = 50;
    let process = entry.process.context("only proxies are measured")?;
    let mut warm = Vec::new();
    for _ in 0..WARM {
        warm.push(asked(Session::open(port, APP_USER, "app", &[]).await?).await?);
    }
    let before = memory_of(process)?;
    let mut sessions = Vec::with_capacity(clients);
    for number in 0..clients {
        let session = Session::open(port, APP_USER, "app", &[]).await;
        sessions.push(session.with_context(|| format!("{}: client {number}", entry.name))?);
    }
    let each = |after: u64| (after as f64 - before as f64) / clients as f64;
    let fresh = each(memory_of(process)?);
    let mut answered = Vec::with_capacity(clients);
    for session in sessions {
        answered.push(asked(session).await?);
    }
    Ok(Idle { fresh, used: each(memory_of(process)?), answered: answered.len() })
}

async fn asked(mut session: Session) -> Result<Session> {
    let sql = "SELECT balance FROM accounts WHERE tenant_id = 7 AND account_id = 9";
    let answer = session.ask(sql).await?;
    ensure!(answer.fault.is_none() && answer.rows.len() == 1, "{sql}: {answer:?}");
    Ok(session)
}
