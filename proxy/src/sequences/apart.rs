//! Bringing sequences apart that are not: each is locked on every server, so that nobody takes a number
//! meanwhile; all go on past the greatest; one atomic commit.

use std::time::Duration;

use router::ids::quote_literal;
use router::sequences::{are_apart, spread, step};
use tokio_postgres::Client;

use super::survey::{Surveyed, rows};
use super::words::{counter, definition, question};
use crate::execute::recovery::new_gid;
use crate::replicas::Servers;

/// How long one server's primary may be waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long transactions that have used a sequence may keep it from being changed.
const LOCK: &str = "2s";

/// What became of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its servers count apart now.
    Apart,
    /// They did before.
    Already,
    /// Nothing was changed, and why.
    Failed(String),
}

/// Brings one sequence apart on all servers. `proxy` is this daemon's id.
pub async fn bring_apart(
    servers: &Servers,
    database: &str,
    proxy: &str,
    stride: u16,
    sequence: &Surveyed,
) -> Outcome {
    if sequence.is_apart() {
        return Outcome::Already;
    }
    match try_to(servers, database, proxy, stride, &sequence.name).await {
        Ok(()) => Outcome::Apart,
        Err(error) => Outcome::Failed(reason(&error)),
    }
}

fn reason(error: &anyhow::Error) -> String {
    let said = error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error());
    said.map_or_else(|| format!("{error:#}"), |answer| answer.message().to_owned())
}

async fn try_to(
    servers: &Servers,
    database: &str,
    proxy: &str,
    stride: u16,
    name: &str,
) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    let mut counters = Vec::new();
    for server in servers.iter() {
        let client = servers.connect(server.name(), database, PATIENCE).await?;
        let read = async || {
            let row = rows(&client, &question(name)).await?.into_iter().next().unwrap_or_default();
            counter(&row).ok_or_else(|| anyhow::anyhow!("server {} has no such sequence", server.name()))
        };
        let seen = read().await?;
        // To set what it is set to locks it, as LOCK TABLE cannot.
        let lock = format!(
            "BEGIN; SET LOCAL lock_timeout = '{LOCK}'; ALTER SEQUENCE {name} INCREMENT BY {}",
            seen.increment
        );
        client.batch_execute(&lock).await?;
        counters.push(read().await?);
        clients.push((server.name(), client));
    }
    if are_apart(&counters) {
        return Ok(());
    }
    let step = step(&counters).ok_or_else(|| anyhow::anyhow!("its increment cannot be told"))?;
    let placed = spread(&counters, step, stride)?;
    for ((_, client), counter) in clients.iter().zip(&placed) {
        client.batch_execute(&definition(name, counter)).await?;
    }
    commit(proxy, &clients).await
}

/// One atomic commit, as `execute::two_phase` describes it: what is left over after a crash is finished or
/// undone by the recovery.
async fn commit(proxy: &str, clients: &[(&str, Client)]) -> anyhow::Result<()> {
    let [(decider_name, decider), others @ ..] = clients else { return Ok(()) };
    let gid = quote_literal(&new_gid(decider_name, proxy));
    for (_, client) in others {
        client.batch_execute(&format!("PREPARE TRANSACTION {gid}")).await?;
    }
    let decide = format!("INSERT INTO pgherd.decision (gid, outcome) VALUES ({gid}, 'commit'); COMMIT");
    decider.batch_execute(&decide).await?;
    for (_, client) in others {
        client.batch_execute(&format!("COMMIT PREPARED {gid}")).await?;
    }
    Ok(())
}
