//! An operator lets an unfinished change go on, or lets it be.

use std::time::Duration;

use router::ids::quote_identifier;
use router::sql::{InTurn, Learned, Remedy};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::records::{Opened, Record, Unfinished, unfinished};
use crate::fleet::{Database, Fleet};
use crate::replicas::Unreachable;

/// How long one server's primary may be waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why it did not go on.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// There is no record of the number.
    #[error("there is no unfinished change {0}")]
    Unknown(i64),
    /// Somebody is at it.
    #[error("somebody is at change {0}")]
    Busy(i64),
    /// The text is not understood any more.
    #[error("the statement of change {0} cannot be read")]
    Unreadable(i64),
    /// A server cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// A server refused.
    #[error("server {server}: {}", reason(.source))]
    Refused {
        /// Its name.
        server: String,
        /// What it said.
        source: tokio_postgres::Error,
    },
}

/// Goes on with a change where it was left; gives the servers that it is done on.
///
/// # Errors
/// [`Failed`]; what was done before stands in the record.
pub async fn resume(fleet: &Fleet, database: &Database, id: i64) -> Result<Vec<String>, Failed> {
    let (home, change, mut record) = held(fleet, database, id).await?;
    let path = router::catalog::SearchPath::standard(&change.work.role);
    let in_turn = match router::sql::learn(&change.work.statement, &database.catalog.load(), &path) {
        Learned::Statements(statements) => statements.first().and_then(|statement| statement.in_turn()),
        Learned::SyntaxError | Learned::TooComplex | Learned::Empty => None,
    };
    let in_turn = in_turn.ok_or(Failed::Unreadable(id))?;
    for server in fleet.servers.iter() {
        let refused = |source| Failed::Refused { server: server.name().to_owned(), source };
        let client = fleet.servers.connect(server.name(), &database.name, PATIENCE).await?;
        if let Err(error) = on_one(&client, &change, &in_turn).await {
            // The record is for whoever comes next; this one is told by the error.
            let _ = record.failed(&reason(&error)).await;
            return Err(refused(error));
        }
        record
            .done(server.name())
            .await
            .map_err(|source| Failed::Refused { server: home.clone(), source })?;
    }
    let done = record.done.clone();
    let closed = record.close(&change.work, in_turn.takes_away()).await;
    closed.map_err(|source| Failed::Refused { server: home, source })?;
    database.catalog.changed(&fleet.servers).await;
    Ok(done)
}

/// Removes a record; what the servers have of the change stays as it is.
///
/// # Errors
/// [`Failed`].
pub async fn forget(fleet: &Fleet, database: &Database, id: i64) -> Result<(), Failed> {
    let (home, change, record) = held(fleet, database, id).await?;
    record.close(&change.work, false).await.map_err(|source| Failed::Refused { server: home, source })
}

async fn held(fleet: &Fleet, database: &Database, id: i64) -> Result<(String, Unfinished, Record), Failed> {
    let home = database.directory.load().server_name(router::ids::ServerId::HOME).to_owned();
    let refused = |source| Failed::Refused { server: home.clone(), source };
    let client = fleet.servers.connect(&home, &database.name, PATIENCE).await?;
    let found = unfinished(&client).await.map_err(refused)?;
    let change = found.into_iter().find(|change| change.id == id).ok_or(Failed::Unknown(id))?;
    match Record::hold(client, id, true).await.map_err(refused)? {
        Opened::Held(record) => Ok((home, change, record)),
        Opened::Busy(id) => Err(Failed::Busy(id)),
    }
}

async fn on_one(client: &Client, change: &Unfinished, in_turn: &InTurn) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("SET ROLE {}", quote_identifier(&change.work.role))).await?;
    let path = "SELECT pg_catalog.set_config('search_path', $1, false)";
    client.query_one(path, &[&change.work.path]).await?;
    let rows = match in_turn.question() {
        Some(question) => rows(client, &question).await?,
        None => Vec::new(),
    };
    match in_turn.remedy(&rows) {
        Remedy::Done => Ok(()),
        Remedy::Instead(statement) => client.batch_execute(&statement).await,
        Remedy::After(statements) => {
            for statement in statements {
                client.batch_execute(&statement).await?;
            }
            client.batch_execute(&change.work.statement).await
        }
    }
}

async fn rows(client: &Client, question: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
    let messages = client.simple_query(question).await?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect())
        }
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

fn reason(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |answer| answer.message().to_owned())
}
