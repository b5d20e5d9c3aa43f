//! All servers: each by itself, what must be equal on all of them, and the databases' tables.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use router::catalog::RelationKind;
use router::directory::Directory;
use router::ids::quote_identifier;

use super::finding::{Finding, Weight};
use super::regions;
use super::settings::{LIBRARIES, Standing, ask};
use crate::catalog::LiveCatalog;
use crate::config::DatabaseConfig;
use crate::replicas::{NodeRole, Servers};
use crate::sequences::{Surveyed, survey};

/// How long one server may take to show a primary.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than this between a server's clock and ours is worth a word, in seconds.
const SKEW: f64 = 1.0;

/// A database under check.
pub struct Checked<'a> {
    /// Its section of the configuration.
    pub config: &'a DatabaseConfig,
    /// Its tables.
    pub catalog: &'a LiveCatalog,
    /// Where its rows are.
    pub directory: Arc<Directory>,
}

/// What the fleet lacks for these databases, the heaviest first.
pub async fn check(servers: &Servers, databases: &[Checked<'_>]) -> Vec<Finding> {
    let mut found = Vec::new();
    for server in servers.iter() {
        for node in server.status().nodes {
            if let NodeRole::Unusable { reason } = node.role {
                let what = format!("node {} is not used: {reason}", node.node);
                found.push(warning(server.name(), what, "see why it is away, then wait for a probe"));
            }
        }
    }
    for Checked { config, catalog, directory } in databases {
        found.extend(check_database(servers, &config.name).await);
        found.extend(check_tables(servers, catalog).await);
        found.extend(check_sequences(servers, config).await);
        if let Some(key_type) = catalog.load().key_type {
            found.extend(regions::findings(config, servers, directory, key_type));
        }
    }
    found.sort_by(|one, other| other.weight.cmp(&one.weight).then(one.server.cmp(&other.server)));
    found.dedup();
    found
}

async fn check_database(servers: &Servers, database: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut standings: Vec<(&str, Standing)> = Vec::new();
    let role = quote_identifier(&servers.control().admin().user);
    for server in servers.iter() {
        match standing(servers, server.name(), database).await {
            Ok((standing, skew)) => {
                found.extend(standing.findings(server.name(), &quote_identifier(database), &role));
                if skew.abs() > SKEW {
                    let what = format!("its clock is {skew:+.1} s from the proxy's");
                    found.push(warning(server.name(), what, "keep the clocks with NTP"));
                }
                standings.push((server.name(), standing));
            }
            Err(what) => {
                let fix = "see that it runs and lets the admin role in".to_owned();
                found.push(Finding { weight: Weight::Error, server: server.name().to_owned(), what, fix });
            }
        }
    }
    found.extend(other_versions(&standings));
    found
}

async fn standing(servers: &Servers, server: &str, database: &str) -> Result<(Standing, f64), String> {
    let client = servers.connect(server, database, PATIENCE).await.map_err(|error| error.to_string())?;
    let standing = ask(&client).await.map_err(|error| error.to_string())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let skew = standing.clock - now;
    Ok((standing, skew))
}

/// Texts sort by the library's version, where they do not sort by bytes.
fn other_versions(standings: &[(&str, Standing)]) -> Vec<Finding> {
    let Some(((first, expected), others)) = standings.split_first() else { return Vec::new() };
    let mut found = Vec::new();
    for (server, standing) in others {
        let pairs = LIBRARIES.iter().zip(expected.versions.iter().zip(&standing.versions));
        for (library, (one, other)) in pairs.filter(|(_, (one, other))| one != other) {
            let what = format!(
                "the collations of {library} are of version \"{other}\", on {first} of \"{one}\": texts may sort otherwise"
            );
            found.push(warning(server, what, "run the servers on one version of the operating system"));
        }
    }
    found
}

async fn check_tables(servers: &Servers, live: &LiveCatalog) -> Vec<Finding> {
    let mut found = Vec::new();
    let catalog = match live.refresh(servers).await {
        Ok(catalog) => catalog,
        Err(error) => return vec![warning("", error.to_string(), "see that the servers run")],
    };
    for difference in live.differences().await {
        found.push(Finding {
            weight: Weight::Error,
            server: String::new(),
            what: format!("{}.{} differs: {}", difference.schema, difference.name, difference.what),
            fix: "make it the same on all servers".to_owned(),
        });
    }
    for what in live.unequal(servers).await {
        found.push(Finding {
            weight: Weight::Error,
            server: String::new(),
            what: format!("the databases differ: {what}"),
            fix: "make it the same on all servers; until then nothing runs over several".to_owned(),
        });
    }
    for relation in catalog.relations.values() {
        if let RelationKind::Unsafe { reason } = &relation.kind {
            let what = format!("{} can not be sharded: {reason}", relation.quoted_name());
            found.push(warning("", what, "statements about it run only where one server holds everything"));
        }
    }
    found
}

/// Sequences that may give one number on two servers.
async fn check_sequences(servers: &Servers, config: &DatabaseConfig) -> Vec<Finding> {
    if servers.iter().count() < 2 || config.sequence_stride < 2 {
        return Vec::new();
    }
    let sequences = match survey(servers, &config.name).await {
        Ok(sequences) => sequences,
        Err(error) => return vec![warning("", error.to_string(), "see that the servers run")],
    };
    let together = sequences.iter().filter(|sequence| !sequence.is_apart());
    let finding = |sequence: &Surveyed| {
        let what = format!("sequence {} may give one number on two servers", sequence.name);
        warning("", what, "herdctl sequences --spread")
    };
    together.map(finding).collect()
}

fn warning(server: &str, what: String, fix: &str) -> Finding {
    Finding { weight: Weight::Warning, server: server.to_owned(), what, fix: fix.to_owned() }
}
