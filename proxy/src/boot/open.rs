//! The directory of a database, opened as the store keeps it or begun.
//!
//! | the servers hold | the first directory |
//! | --- | --- |
//! | no rows of tenants | the shards are spread evenly |
//! | rows of tenants on one of them | all shards are on that one: it is adopted as it stands |
//! | rows of tenants on several | the shards are spread, if that is where each tenant is |
//!
//! The first start needs all servers; later ones go on without those that are away.

use std::sync::Arc;
use std::time::Duration;

use router::directory::{Change, Directory, Start, start};
use router::ids::ServerId;

use super::bookkeeping::{BookkeepingFailed, keep_books};
use super::survey::{Holdings, Stray, strays, survey};
use crate::catalog::ReadError;
use crate::config::DatabaseConfig;
use crate::directory::{ApplyError, LiveDirectory, Store, StoreError};
use crate::replicas::{Servers, Unreachable};

/// Why a database can not be served.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A server could not be added to the directory.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The first start needs every server, and one is away.
    #[error("the first start needs every server: {0}")]
    Unreachable(#[from] Unreachable),
    /// The first start needs every server's catalog.
    #[error("the first start needs every server: {0}")]
    Read(#[from] ReadError),
    /// The first start makes the bookkeeping tables.
    #[error(transparent)]
    Bookkeeping(#[from] BookkeepingFailed),
    /// Rows of tenants are on other servers than the ones where they would be looked for.
    #[error("rows of tenants are not where the directory would look for them{}", listed(.0))]
    Strays(Vec<Stray>),
    /// The directory places shards or tenants on a server that the configuration lacks.
    #[error("server \"{0}\" holds shards or tenants of database \"{1}\", but the configuration lacks it")]
    Missing(String, String),
}

/// How long a server may take to show a primary.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same where the start goes on without it.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);
/// The most strays that an error lists.
const MOST_LISTED: usize = 20;

/// Opens or begins the directory of a database. The servers must be under probe.
///
/// # Errors
/// [`BootError`]: the database can not be served until a person acted.
pub async fn open(
    database: &DatabaseConfig,
    servers: &Servers,
    store: Arc<dyn Store>,
) -> Result<LiveDirectory, BootError> {
    // The store blocks for a file of some kilobytes, before the first client is let in.
    if let Some(live) = LiveDirectory::open(&database.name, Arc::clone(&store))? {
        reconcile(&live, database, servers).await?;
        return Ok(live);
    }
    let directory = begin(database, servers).await?;
    for (server, number) in servers.iter().zip((0..).map(ServerId)) {
        let number = directory.server_named(server.name()).unwrap_or(number);
        keep_books(servers, (server.name(), number), &database.name, PATIENCE).await?;
    }
    Ok(LiveDirectory::create(&database.name, store, directory)?)
}

/// Makes a stored directory and the configuration agree on the servers.
async fn reconcile(
    live: &LiveDirectory,
    database: &DatabaseConfig,
    servers: &Servers,
) -> Result<(), BootError> {
    let directory = live.load();
    for holder in directory.holders() {
        let name = directory.server_name(holder);
        if servers.named(name).is_err() {
            return Err(BootError::Missing(name.to_owned(), database.name.clone()));
        }
    }
    for server in servers.iter() {
        let Some(number) = directory.server_named(server.name()) else {
            let number = u16::try_from(live.load().servers().len()).map_or(ServerId(u16::MAX), ServerId);
            keep_books(servers, (server.name(), number), &database.name, PATIENCE).await?;
            live.apply(Change::AddServer(server.name().to_owned())).await?;
            tracing::info!(database = database.name, server = server.name(), "server added to the directory");
            continue;
        };
        let kept = keep_books(servers, (server.name(), number), &database.name, SHORT_PATIENCE).await;
        if let Err(error) = kept {
            tracing::warn!(database = database.name, server = server.name(), %error, "started without it");
        }
    }
    Ok(())
}

async fn begin(database: &DatabaseConfig, servers: &Servers) -> Result<Directory, BootError> {
    let names: Vec<String> = servers.iter().map(|server| server.name().to_owned()).collect();
    let mut surveyed = Vec::new();
    for name in &names {
        let client = servers.connect(name, &database.name, PATIENCE).await?;
        let holdings = survey(&client, &database.tenant_column).await?;
        surveyed.push((client, holdings));
    }
    let holding = |what: fn(&Holdings) -> bool| {
        let numbered = (0u16..).zip(&surveyed).filter(move |(_, (_, holdings))| what(holdings));
        numbered.map(|(number, _)| ServerId(number)).collect::<Vec<_>>()
    };
    let (with_tenants, with_others) =
        (holding(|holdings| holdings.tenants), holding(|holdings| holdings.others));
    let how = match (with_tenants.as_slice(), with_others.as_slice()) {
        ([one], _) | ([], [one]) => Start::Adopt(*one),
        ([], _) | ([_, _, ..], _) => Start::Spread,
    };
    let directory = start(&names, database.shards, how.clone());
    let mut found = Vec::new();
    if with_tenants.len() > 1 {
        for (number, (client, holdings)) in (0u16..).zip(&surveyed) {
            found.extend(strays(client, holdings, ServerId(number), &directory).await?);
        }
    }
    if !found.is_empty() {
        return Err(BootError::Strays(found));
    }
    tracing::info!(database = database.name, ?how, "the first directory is made");
    Ok(directory)
}

fn listed(strays: &[Stray]) -> String {
    let line = |stray: &Stray| {
        let Stray { tenant, table, found_on, expected_on } = stray;
        format!("\n  tenant {tenant} in {table}: on {found_on}, expected on {expected_on}")
    };
    let mut text: String = strays.iter().take(MOST_LISTED).map(line).collect();
    if strays.len() > MOST_LISTED {
        text.push_str(&format!("\n  and {} more", strays.len() - MOST_LISTED));
    }
    text
}
