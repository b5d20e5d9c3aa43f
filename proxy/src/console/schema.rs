//! Unfinished changes of the schema in the console: SHOW SCHEMA, SCHEMA RESUME, SCHEMA FORGET.

use router::ids::ServerId;

use super::table::{Table, some};
use crate::error::ClientError;
use crate::fleet::{Database, Fleet};
use crate::in_turn::{self, Failed, unfinished};

/// How long the home server's primary may be waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// The changes that are under way or unfinished.
///
/// # Errors
/// 08001 where the home server cannot be asked.
pub(super) async fn show(fleet: &Fleet, database: &Database) -> Result<Table, ClientError> {
    let home = database.directory.load().server_name(ServerId::HOME).to_owned();
    let unasked = |error: String| ClientError::new("08001", error);
    let client = fleet.servers.connect(&home, &database.name, PATIENCE).await;
    let client = client.map_err(|error| unasked(error.to_string()))?;
    let mut table = Table::new(&["id", "state", "began", "role", "done", "left", "statement", "error"]);
    for change in unfinished(&client).await.map_err(|error| unasked(error.to_string()))? {
        let left: Vec<&str> = fleet.servers.iter().map(|server| server.name()).collect();
        let left: Vec<&str> =
            left.into_iter().filter(|name| !change.done.iter().any(|done| done == name)).collect();
        table.row([
            some(change.id),
            some(if change.running { "running" } else { "unfinished" }),
            some(&change.began),
            some(&change.work.role),
            some(change.done.join(", ")),
            some(left.join(", ")),
            some(&change.work.statement),
            change.error.clone(),
        ]);
    }
    Ok(table)
}

/// What SCHEMA RESUME answers, without rows yet.
pub(super) fn outcomes() -> Table {
    Table::new(&["id", "done"])
}

/// Goes on with one.
///
/// # Errors
/// 42704 where there is none of the number; 55006 where somebody is at it; 08001, or what a server said.
pub(super) async fn resume(fleet: &Fleet, database: &Database, id: i64) -> Result<Table, ClientError> {
    let mut table = outcomes();
    let done = in_turn::resume(fleet, database, id).await.map_err(told)?;
    table.row([some(id), some(done.join(", "))]);
    Ok(table)
}

/// Removes the record of one.
///
/// # Errors
/// As [`resume`].
pub(super) async fn forget(fleet: &Fleet, database: &Database, id: i64) -> Result<(), ClientError> {
    in_turn::forget(fleet, database, id).await.map_err(told)
}

fn told(failed: Failed) -> ClientError {
    let sqlstate = match &failed {
        Failed::Unknown(_) => "42704",
        Failed::Busy(_) => "55006",
        Failed::Unreadable(_) => "42601",
        Failed::Unreachable(_) => "08001",
        Failed::Refused { .. } => "55000",
    };
    ClientError::new(sqlstate, failed.to_string())
}
