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

use crate::fleet::{Database, Fleet};

/// How often left-over branches are looked for.
const ROUND: Duration = Duration::from_secs(5);
/// A branch that was prepared this recently is probably being committed by its own session.
const POLITE_SECONDS: i64 = 3;
/// How long one round may take on one server.
const PATIENCE: Duration = Duration::from_secs(10);

/// A prepared branch that was found on a server.
struct LeftOver {
    gid: String,
    owner: String,
}

/// Finishes left-over branches of a database until the daemon stops.
pub async fn run(fleet: Arc<Fleet>, database: Arc<Database>) {
    loop {
        for server in fleet.servers.iter() {
            let round = tokio::time::timeout(PATIENCE, finish_on(&fleet, &database, server.name()));
            match round.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(server = server.name(), %error, "left-over branches could not be looked for");
                }
                Err(_) => {
                    tracing::debug!(server = server.name(), "looking for left-over branches took too long")
                }
            }
        }
        tokio::select! {
            () = fleet.shutdown.cancelled() => return,
            () = database.recovery.notified() => tokio::time::sleep(Duration::from_millis(100)).await,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

async fn finish_on(fleet: &Fleet, database: &Database, server: &str) -> anyhow::Result<()> {
    let client = admin(fleet, database, server).await?;
    for left_over in left_overs(&client, &database.name).await? {
        let Some(committed) = outcome(fleet, database, &left_over.gid).await else {
            tracing::warn!(gid = left_over.gid, "a prepared branch waits for its decider's server");
            continue;
        };
        let verb = if committed { "COMMIT" } else { "ROLLBACK" };
        let statement = format!("{verb} PREPARED {}", quote_literal(&left_over.gid));
        finish(fleet, database, server, &left_over.owner, &client, &statement).await?;
        tracing::info!(gid = left_over.gid, server, verb, "a left-over branch was finished");
    }
    Ok(())
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
    let (Some(user), Ok(named)) = (config.user(owner), fleet.servers.named(server)) else {
        return Ok(admin.batch_execute(statement).await?);
    };
    let node = named.wait_for_primary(PATIENCE).await?;
    let mut parameters = fleet.servers.control().parameters(&node, &database.name);
    parameters.user(&user.name).password(user.password.reveal());
    let (client, connection) = parameters.connect(tokio_postgres::NoTls).await?;
    let (done, ended) = tokio::join!(
        async move {
            let done = client.batch_execute(statement).await;
            drop(client);
            done
        },
        connection
    );
    ended?;
    Ok(done?)
}

async fn admin(fleet: &Fleet, database: &Database, server: &str) -> anyhow::Result<Client> {
    Ok(fleet.servers.connect(server, &database.name, PATIENCE).await?)
}

async fn left_overs(client: &Client, database: &str) -> Result<Vec<LeftOver>, tokio_postgres::Error> {
    let rows = client
        .query(
            "SELECT gid, owner::text FROM pg_catalog.pg_prepared_xacts \
             WHERE gid LIKE 'pgherd:%' AND database = $1 \
             AND prepared < pg_catalog.clock_timestamp() - $2::bigint * interval '1 second'",
            &[&database, &POLITE_SECONDS],
        )
        .await?;
    Ok(rows.into_iter().map(|row| LeftOver { gid: row.get(0), owner: row.get(1) }).collect())
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
pub(super) fn new_gid(decider: &str, proxy: &str) -> String {
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
