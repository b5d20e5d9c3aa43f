//! One atomic commit on several servers, with no log of the proxy's own.
//!
//! One branch is the decider; the others PREPARE. The decider inserts `(gid, 'commit')` into its
//! `pgherd.decision` inside its own transaction and commits: that commit is the decision. Then the
//! others COMMIT PREPARED. A gid names the decider's server, so whoever finds a left-over branch
//! knows whom to ask: it inserts `(gid, 'abort')` there and obeys the row that stands. The unique
//! index arbitrates every race.

use router::ids::{ServerId, quote_literal};

use crate::error::ClientError;
use crate::execute::branches::Branches;
use crate::execute::finish::end;
use crate::execute::transaction::Branch;
use crate::execute::trouble::Trouble;
use crate::fleet::{Database, Fleet, Showing};

use crate::execute::failpoint::{failpoint, slowpoint};

/// Asks PostgreSQL whether a branch wrote anything: only then it has a transaction id.
pub(super) async fn wrote(branch: &mut Branch) -> Result<bool, Trouble> {
    let question = "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL";
    let outcome = branch.connection.simple(question).await?;
    match outcome.error {
        Some(fields) => Err(fields.into()),
        None => Ok(outcome
            .rows
            .first()
            .and_then(|row| row.first())
            .is_some_and(|value| value.as_deref() == Some("t"))),
    }
}

/// Commits the writers' branches, all or none; the first is the decider.
///
/// # Errors
/// The server's own where a branch cannot prepare or the decider not commit: nothing stands then.
/// 08007 where the decider's answer was lost and cannot be asked for now; the recovery finishes it.
pub(super) async fn commit(
    fleet: &Fleet,
    database: &Database,
    decider_name: &str,
    branches: &mut Branches,
    writers: &[ServerId],
) -> Result<(), Trouble> {
    let gid = super::recovery::new_gid(decider_name, &fleet.proxy_id);
    let literal = quote_literal(&gid);
    let [decider, others @ ..] = writers else { return Ok(()) };
    let mut prepared = Vec::new();
    for (number, server) in others.iter().enumerate() {
        failpoint("two_phase.prepare", number).await;
        let branch = branches.get_mut(*server).expect("writers are branches");
        let outcome = end(branch, &format!("PREPARE TRANSACTION {literal}")).await;
        failpoint("two_phase.prepared", number).await;
        if let Err(trouble) = outcome {
            undo(branches, &prepared, &literal).await;
            return Err(trouble);
        }
        prepared.push(*server);
    }
    let (decided, _showing) = decide(database, branches, decider, &literal).await;
    if let Err(trouble) = decided {
        let decided = match trouble {
            trouble if trouble.is_connection_failure() => {
                super::recovery::outcome(fleet, database, &gid).await
            }
            other => {
                undo(branches, &prepared, &literal).await;
                return Err(other);
            }
        };
        match decided {
            Some(true) => {}
            Some(false) => {
                undo(branches, &prepared, &literal).await;
                return Err(ClientError::new(
                    "40000",
                    "the transaction was rolled back: a server failed during its commit",
                )
                .into());
            }
            None => {
                return Err(ClientError::new("08007", "it is not known yet whether the transaction stands")
                    .hint("A server failed during the commit. All of it or nothing will stand once the server is back.")
                    .into());
            }
        }
    }
    slowpoint("two_phase.finish").await;
    for (number, server) in prepared.iter().enumerate() {
        failpoint("two_phase.finish", number).await;
        let branch = branches.get_mut(*server).expect("writers are branches");
        if end(branch, &format!("COMMIT PREPARED {literal}")).await.is_err() {
            // Decided. The client is told when all of it shows, or when that takes too long.
            let name = database.directory.load().server_name(*server).to_owned();
            super::recovery::finish_decided(fleet, database, &name, &gid).await;
        }
        failpoint("two_phase.finished", number).await;
    }
    Ok(())
}

/// Commits the decider. From then on the transaction shows itself, until what comes with it is dropped.
async fn decide(
    database: &Database,
    branches: &mut Branches,
    decider: &ServerId,
    literal: &str,
) -> (Result<(), Trouble>, Option<Showing>) {
    let branch = branches.get_mut(*decider).expect("writers are branches");
    let insert = format!("INSERT INTO pgherd.decision (gid, outcome) VALUES ({literal}, 'commit')");
    failpoint("two_phase.decide", 0).await;
    let inserted = end(branch, &insert).await;
    failpoint("two_phase.decided", 0).await;
    if let Err(trouble) = inserted {
        return (Err(trouble), None);
    }
    failpoint("two_phase.commit", 0).await;
    let showing = database.gate.show().await;
    let committed = end(branch, "COMMIT").await;
    failpoint("two_phase.committed", 0).await;
    (committed, Some(showing))
}

async fn undo(branches: &mut Branches, prepared: &[ServerId], literal: &str) {
    for (number, server) in prepared.iter().enumerate() {
        failpoint("two_phase.undo", number).await;
        let branch = branches.get_mut(*server).expect("writers are branches");
        // What cannot be undone now is undone by the recovery: the decider never commits.
        let _ = end(branch, &format!("ROLLBACK PREPARED {literal}")).await;
        failpoint("two_phase.undone", number).await;
    }
}
