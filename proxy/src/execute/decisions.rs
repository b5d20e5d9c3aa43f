//! Decisions to commit are forgotten once nobody can ask for them any more.
//!
//! A decision is asked for by its prepared branches, all of which were prepared before it was made.
//! So when every server has answered that it holds no branch of the gid, nobody will ask again, but
//! for the session that lost the answer to its own COMMIT: it asks within seconds, hence the age.
//! Decisions to abort stay: a decider that was cut off may still try to commit, and must fail.

use std::time::Duration;

use tokio_postgres::Client;

use crate::execute::failpoint::failpoint;
use crate::execute::recovery::admin;
use crate::fleet::{Database, Fleet};

/// Far longer than any session asks for its own outcome.
const OLD: &str = "1 hour";
/// How long one look at all servers may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Deletes what no prepared branch needs, if every server can be asked.
pub(super) async fn clean(fleet: &Fleet, database: &Database) {
    let cleaned = tokio::time::timeout(PATIENCE, try_to(fleet, database));
    match cleaned.await.unwrap_or_else(|late| Err(late.into())) {
        Ok(0) => {}
        Ok(deleted) => tracing::debug!(database = database.name, deleted, "old decisions were forgotten"),
        Err(error) => {
            tracing::debug!(database = database.name, %error, "old decisions are kept: not every server answered");
        }
    }
}

async fn try_to(fleet: &Fleet, database: &Database) -> anyhow::Result<u64> {
    let mut clients: Vec<Client> = Vec::new();
    let mut candidates: Vec<Vec<String>> = Vec::new();
    for server in fleet.servers.iter() {
        let client = admin(fleet, database, server.name()).await?;
        let old = format!(
            "SELECT gid FROM pgherd.decision WHERE outcome = 'commit' \
             AND at < pg_catalog.now() - interval '{OLD}' LIMIT 10000"
        );
        candidates.push(client.query(&old, &[]).await?.iter().map(|row| row.get(0)).collect());
        clients.push(client);
    }
    let mut wanted: Vec<String> = Vec::new();
    for client in &clients {
        let prepared = "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE gid LIKE 'pgherd:%'";
        wanted.extend(client.query(prepared, &[]).await?.iter().map(|row| row.get::<_, String>(0)));
    }
    let mut deleted = 0;
    for (number, (client, old)) in clients.iter().zip(candidates).enumerate() {
        let done: Vec<String> = old.into_iter().filter(|gid| !wanted.contains(gid)).collect();
        let delete = "DELETE FROM pgherd.decision WHERE gid = ANY ($1) AND outcome = 'commit'";
        failpoint("decisions.forget", number).await;
        deleted += client.execute(delete, &[&done]).await?;
    }
    Ok(deleted)
}
