//! One atomic commit on several servers, with no log of the proxy's own.
//!
//! One branch is the decider; the others PREPARE, all at once. The decider inserts `(gid, 'commit')` into its
//! `pgherd.decision` inside its own transaction meanwhile and, when all are prepared, commits: that commit is the decision. Then the
//! others COMMIT PREPARED. A gid names the decider's server, so whoever finds a left-over branch
//! knows whom to ask: it inserts `(gid, 'abort')` there and obeys the row that stands. The unique
//! index arbitrates every race.

use futures_util::future::{join, join_all};
use router::ids::{ServerId, quote_literal};

use crate::error::ClientError;
use crate::execute::branches::Branches;
use crate::execute::finish::end;
use crate::execute::transaction::Branch;
use crate::execute::trouble::Trouble;
use crate::fleet::{Database, Fleet, Showing};
use crate::metrics::rows_of;

use crate::execute::failpoint::{failpoint, slowpoint};

/// The places before and after a message where a test can stop.
type Places = (&'static str, &'static str);

const PREPARE: Places = ("two_phase.prepare", "two_phase.prepared");
const FINISH: Places = ("two_phase.finish", "two_phase.finished");
const UNDO: Places = ("two_phase.undo", "two_phase.undone");

/// True for the CommandComplete of a command that wrote rows.
pub(super) fn shows_rows_written(completion: &[u8]) -> bool {
    // INSERT, UPDATE, DELETE and MERGE; no other tag that begins so ends with a number.
    matches!(completion.get(5..7), Some(b"IN" | b"UP" | b"DE" | b"ME")) && rows_of(completion) > 0
}

/// Whether a branch wrote anything, which PostgreSQL is asked where it has not said so: only then it has a
/// transaction id.
pub(super) async fn wrote(branch: &mut Branch) -> Result<bool, Trouble> {
    if branch.wrote {
        return Ok(true);
    }
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
    let (prepared, outcome) = prepare(branches, decider, others, &literal).await;
    if let Err(trouble) = outcome {
        undo(branches, &prepared, &literal).await;
        return Err(trouble);
    }
    let (decided, _showing) = decide(database, branches, decider).await;
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
    let finished = end_all(branches, &prepared, &format!("COMMIT PREPARED {literal}"), FINISH).await;
    for (server, finished) in finished {
        if finished.is_err() {
            // Decided. The client is told when all of it shows, or when that takes too long.
            let name = database.directory.load().server_name(server).to_owned();
            super::recovery::finish_decided(fleet, database, &name, &gid).await;
        }
    }
    Ok(())
}

/// Prepares all branches but the decider's, which notes its decision meanwhile: that decides nothing yet. Which are
/// prepared, and the first error.
async fn prepare(
    branches: &mut Branches,
    decider: &ServerId,
    others: &[ServerId],
    literal: &str,
) -> (Vec<ServerId>, Result<(), Trouble>) {
    let prepare = format!("PREPARE TRANSACTION {literal}");
    let insert = format!("INSERT INTO pgherd.decision (gid, outcome) VALUES ({literal}, 'commit')");
    let (branch, mut others) = divide(branches, decider, others);
    let inserted = async {
        failpoint("two_phase.decide", 0).await;
        let inserted = match branch {
            Some(branch) => end(branch, &insert).await,
            None => Ok(()),
        };
        failpoint("two_phase.decided", 0).await;
        inserted
    };
    let (inserted, ends) = join(inserted, said(&mut others, &prepare, PREPARE)).await;
    let (mut prepared, mut outcome) = (Vec::new(), Ok(()));
    for (server, ended) in ends {
        match ended {
            Ok(()) => prepared.push(server),
            Err(trouble) => outcome = outcome.and(Err(trouble)),
        }
    }
    (prepared, outcome.and(inserted))
}

/// The branch of one server, and those of some others.
fn divide<'a>(
    branches: &'a mut Branches,
    one: &ServerId,
    others: &[ServerId],
) -> (Option<&'a mut Branch>, Vec<(ServerId, &'a mut Branch)>) {
    let (mut found, mut rest) = (None, Vec::new());
    for (server, branch) in branches.iter_mut() {
        match server == *one {
            true => found = Some(branch),
            false if others.contains(&server) => rest.push((server, branch)),
            false => {}
        }
    }
    (found, rest)
}

/// Sends a command to the branches on these servers, and hears what each says to it.
async fn end_all(
    branches: &mut Branches,
    servers: &[ServerId],
    command: &str,
    places: Places,
) -> Vec<(ServerId, Result<(), Trouble>)> {
    let concerned = branches.iter_mut().filter(|(server, _)| servers.contains(server));
    said(&mut concerned.collect::<Vec<_>>(), command, places).await
}

/// What each branch says to a command that all are sent at once.
async fn said(
    branches: &mut [(ServerId, &mut Branch)],
    command: &str,
    (before, after): Places,
) -> Vec<(ServerId, Result<(), Trouble>)> {
    let ends = branches.iter_mut().enumerate().map(|(number, (server, branch))| async move {
        failpoint(before, number).await;
        let ended = end(branch, command).await;
        failpoint(after, number).await;
        (*server, ended)
    });
    join_all(ends).await
}

/// Commits the decider. From then on the transaction shows itself, until what comes with it is dropped.
async fn decide(
    database: &Database,
    branches: &mut Branches,
    decider: &ServerId,
) -> (Result<(), Trouble>, Option<Showing>) {
    let branch = branches.get_mut(*decider).expect("writers are branches");
    failpoint("two_phase.commit", 0).await;
    let showing = database.gate.show().await;
    let committed = end(branch, "COMMIT").await;
    failpoint("two_phase.committed", 0).await;
    (committed, Some(showing))
}

async fn undo(branches: &mut Branches, prepared: &[ServerId], literal: &str) {
    // What cannot be undone now is undone by the recovery: the decider never commits.
    end_all(branches, prepared, &format!("ROLLBACK PREPARED {literal}"), UNDO).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tag_of_a_command_that_writes_shows_rows_written() {
        let tag = |tag: &str| {
            let mut out = bytes::BytesMut::new();
            crate::wire::write::command_complete(&mut out, tag);
            shows_rows_written(&out)
        };
        assert!(tag("INSERT 0 10") && tag("UPDATE 1") && tag("DELETE 200") && tag("MERGE 7"));
        assert!(
            !tag("INSERT 0 0") && !tag("UPDATE 0") && !tag("SELECT 3") && !tag("FETCH 3") && !tag("MOVE 3")
        );
        assert!(!tag("DECLARE CURSOR") && !tag("DISCARD ALL") && !tag("DO") && !tag("COPY 3"));
    }
}
