//! All sequences of a database, on every server.

use std::collections::BTreeMap;
use std::time::Duration;

use router::ids::quote_literal;
use router::sequences::{Counter, are_apart, step};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::words::counter;
use crate::replicas::{Servers, Unreachable};

/// How long one server's primary may be waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many sequences one question asks for.
const AT_ONCE: usize = 200;

const NAMES: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) \
     FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relpersistence <> 't' AND n.nspname <> 'pgherd' ORDER BY 1";

/// One sequence over all servers.
#[derive(Debug, Clone)]
pub struct Surveyed {
    /// Its schema and name, quoted.
    pub name: String,
    /// Its counters in the order of the servers; `None` where a server has it not.
    pub counters: Vec<Option<Counter>>,
}

impl Surveyed {
    /// True where no two servers can give the same value.
    pub fn is_apart(&self) -> bool {
        let there: Vec<Counter> = self.counters.iter().copied().flatten().collect();
        there.len() == self.counters.len() && are_apart(&there)
    }

    /// Its INCREMENT over all servers together.
    pub fn step(&self) -> Option<i64> {
        step(&self.counters.iter().copied().flatten().collect::<Vec<_>>())
    }
}

/// Why the sequences could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SurveyFailed {
    /// A server cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// A server refused.
    #[error("server {server}: {}", .source.as_db_error().map_or_else(|| .source.to_string(), |answer| answer.message().to_owned()))]
    Refused {
        /// Its name.
        server: String,
        /// What it said.
        source: tokio_postgres::Error,
    },
}

/// Reads the sequences of a database on every server.
///
/// # Errors
/// [`SurveyFailed`]: all servers are needed.
pub async fn survey(servers: &Servers, database: &str) -> Result<Vec<Surveyed>, SurveyFailed> {
    let count = servers.iter().count();
    let mut found: BTreeMap<String, Vec<Option<Counter>>> = BTreeMap::new();
    for (index, server) in servers.iter().enumerate() {
        let client = servers.connect(server.name(), database, PATIENCE).await?;
        let refused = |source| SurveyFailed::Refused { server: server.name().to_owned(), source };
        for (name, counter) in counters(&client).await.map_err(refused)? {
            if let Some(place) = found.entry(name).or_insert_with(|| vec![None; count]).get_mut(index) {
                *place = Some(counter);
            }
        }
    }
    Ok(found.into_iter().map(|(name, counters)| Surveyed { name, counters }).collect())
}

/// The counters of all sequences of the database that `client` is connected to, by their quoted names.
///
/// # Errors
/// The server refuses.
pub async fn counters(client: &Client) -> Result<Vec<(String, Counter)>, tokio_postgres::Error> {
    let names = rows(client, NAMES).await?;
    let names: Vec<String> = names.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
    let mut found = Vec::new();
    for some in names.chunks(AT_ONCE) {
        let each = some.iter().map(|name| {
            let literal = quote_literal(name);
            format!(
                "SELECT s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle, q.last_value, \
                 q.is_called, {literal} FROM pg_catalog.pg_sequence s, {name} q \
                 WHERE s.seqrelid = {literal}::pg_catalog.regclass"
            )
        });
        for row in rows(client, &each.collect::<Vec<_>>().join(" UNION ALL ")).await? {
            if let (Some(counter), Some(Some(name))) = (counter(&row), row.get(7)) {
                found.push((name.clone(), counter));
            }
        }
    }
    Ok(found)
}

/// The rows of a simple query.
pub(super) async fn rows(
    client: &Client,
    sql: &str,
) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    Ok(messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect())
            }
            _ => None,
        })
        .collect())
}
