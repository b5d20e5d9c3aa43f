//! Finishing what a dead proxy or a dead server left of a commit on several servers.
//!
//! A prepared branch names its decider's server in its gid. There the row that stands in
//! `pgherd.decision` says what became of it; where none stands, `abort` is written first and whoever
//! is late finds it. Any proxy can do this at any time: no clocks, no leases. The age below is
//! politeness towards commits that are under way, not safety.

use std::sync::Arc;
use std::time::Duration;

use router::ids::quote_literal;
use tokio_postgres::Client;

use crate::execute::decisions;
use crate::fleet::{Database, Fleet};

/// How often left-over branches are looked for.
const ROUND: Duration = Duration::from_secs(5);
/// A branch that was prepared this recently is probably being committed by its own session.
const POLITE_SECONDS: i64 = 3;
/// How long one round may take on one server.
const PATIENCE: Duration = Duration::from_secs(10);
/// Decisions are looked through once in so many rounds.
const ROUNDS_A_CLEANING: u32 = 120;

/// A prepared branch that was found on a server.
struct LeftOver {
    gid: String,
    owner: String,
    fresh: bool,
}

/// Finishes left-over branches of a database until the daemon stops.
pub async fn run(fleet: Arc<Fleet>, database: Arc<Database>) {
    for round in 0_u32.. {
        // At the start no session of this daemon is committing: what is decided is finished at once.
        finish_round(&fleet, &database, round > 0).await;
        if round % ROUNDS_A_CLEANING == 1 {
            decisions::clean(&fleet, &database).await;
        }
        tokio::select! {
            () = fleet.shutdown.cancelled() => return,
            () = database.recovery.notified() => tokio::time::sleep(Duration::from_millis(100)).await,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

async fn finish_round(fleet: &Fleet, database: &Database, polite: bool) {
    for server in fleet.servers.iter() {
        let round = finish_on(fleet, database, server.name(), polite);
        match tokio::time::timeout(PATIENCE, round).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(server = server.name(), %error, "left-over branches could not be looked for");
            }
            Err(_) => {
                tracing::debug!(server = server.name(), "looking for left-over branches took too long");
            }
        }
    }
}

async fn finish_on(fleet: &Fleet, database: &Database, server: &str, polite: bool) -> anyhow::Result<()> {
    let client = admin(fleet, database, server).await?;
    let mut finished = false;
    for left_over in left_overs(&client, &database.name).await? {
        let committed = match left_over.fresh {
            true if polite => continue,
            true => standing(fleet, database, &left_over.gid).await,
            false => outcome(fleet, database, &left_over.gid).await,
        };
        let Some(committed) = committed else {
            tracing::debug!(gid = left_over.gid, "a prepared branch waits for its decision");
            continue;
        };
        let verb = if committed { "COMMIT" } else { "ROLLBACK" };
        let statement = format!("{verb} PREPARED {}", quote_literal(&left_over.gid));
        finish(fleet, database, server, &left_over.owner, &client, &statement).await?;
        tracing::info!(gid = left_over.gid, server, verb, "a left-over branch was finished");
        finished = true;
    }
    if finished {
        // It may have changed the schema.
        database.catalog.changed(&fleet.servers).await;
    }
    Ok(())
}

/// Commits a branch whose decision is to commit, as soon as its server can be asked, within bounds.
pub(super) async fn finish_decided(fleet: &Fleet, database: &Database, server: &str, gid: &str) {
    let finished = async {
        while let Err(error) = commit_on(fleet, database, server, gid).await {
            tracing::debug!(server, gid, %error, "a decided branch could not be committed yet");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, finished).await.is_err() {
        tracing::warn!(server, gid, "a part of a committed transaction shows only when its server is back");
        database.recovery.notify_one();
    }
}

async fn commit_on(fleet: &Fleet, database: &Database, server: &str, gid: &str) -> anyhow::Result<()> {
    let client = admin(fleet, database, server).await?;
    let left_over = left_overs(&client, &database.name).await?.into_iter().find(|found| found.gid == gid);
    match left_over {
        None => Ok(()),
        Some(found) => {
            let statement = format!("COMMIT PREPARED {}", quote_literal(gid));
            finish(fleet, database, server, &found.owner, &client, &statement).await
        }
    }
}

/// COMMIT PREPARED and ROLLBACK PREPARED are the owner's to say, or a superuser's.
async fn finish(
    fleet: &Fleet,
    database: &Database,
    server: &str,
    owner: &str,
    admin: &Client,
    statement: &str,
) -> anyhow::Result<()> {
    let config = fleet.config.load();
    // Of a role whose password is not known in clear only its clients can be it.
    let user = config.user(owner).and_then(|user| Some((user, user.password.in_clear()?)));
    let (Some((user, password)), Ok(named)) = (user, fleet.servers.named(server)) else {
        return Ok(admin.batch_execute(statement).await?);
    };
    let node = named.wait_for_primary(PATIENCE).await?;
    let control = fleet.servers.control();
    let mut parameters = control.parameters(&database.name);
    parameters.user(&user.name).password(password);
    Ok(control.connect_with(node, parameters).await?.batch_execute(statement).await?)
}

pub(super) async fn admin(fleet: &Fleet, database: &Database, server: &str) -> anyhow::Result<Client> {
    Ok(fleet.servers.connect(server, &database.name, PATIENCE).await?)
}

async fn left_overs(client: &Client, database: &str) -> Result<Vec<LeftOver>, tokio_postgres::Error> {
    let rows = client
        .query(
            "SELECT gid, owner::text, prepared > pg_catalog.clock_timestamp() - $2::bigint * interval '1 second' \
             FROM pg_catalog.pg_prepared_xacts WHERE gid LIKE 'pgherd:%' AND database = $1",
            &[&database, &POLITE_SECONDS],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| LeftOver { gid: row.get(0), owner: row.get(1), fresh: row.get(2) })
        .collect())
}

/// What stands decided about a gid; `None` where nothing does, or where it cannot be asked now.
async fn standing(fleet: &Fleet, database: &Database, gid: &str) -> Option<bool> {
    let client = admin(fleet, database, decider_of(gid)?).await.ok()?;
    let question = "SELECT outcome FROM pgherd.decision WHERE gid = $1";
    let row = client.query_opt(question, &[&gid]).await.ok()??;
    Some(row.get::<_, String>(0) == "commit")
}

/// What was decided about a gid, deciding `abort` where nothing stands yet. `None` where the
/// decider's server cannot be asked now.
pub(super) async fn outcome(fleet: &Fleet, database: &Database, gid: &str) -> Option<bool> {
    let decider = decider_of(gid)?;
    let client = admin(fleet, database, decider).await.ok()?;
    let ask = async {
        client
            .execute(
                "INSERT INTO pgherd.decision (gid, outcome) VALUES ($1, 'abort') ON CONFLICT DO NOTHING",
                &[&gid],
            )
            .await?;
        client.query_one("SELECT outcome FROM pgherd.decision WHERE gid = $1", &[&gid]).await
    };
    let row = tokio::time::timeout(PATIENCE, ask).await.ok()?.ok()?;
    Some(row.get::<_, String>(0) == "commit")
}

/// A new gid: `pgherd:<decider's server>:<proxy>:<unique>`.
pub(crate) fn new_gid(decider: &str, proxy: &str) -> String {
    format!("pgherd:{decider}:{proxy}:{:032x}", rand::random::<u128>())
}

fn decider_of(gid: &str) -> Option<&str> {
    gid.strip_prefix("pgherd:")?.split(':').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gid_names_its_decider() {
        let gid = new_gid("alpha", "a1");
        assert_eq!(decider_of(&gid), Some("alpha"));
        assert!(gid.len() < 200, "PostgreSQL's limit of a gid");
        assert_eq!(decider_of("somebody's"), None);
    }
}
