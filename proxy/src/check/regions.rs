//! Region rules: which tenants stand, or would stand, on a server of another region than their rule says.

use router::directory::{Directory, MoveMark};
use router::ids::{KeyType, ServerId, TenantKey};

use super::finding::{Finding, Weight};
use crate::config::DatabaseConfig;
use crate::replicas::Servers;

/// A tenant's rule that a placement breaks or would break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The tenant's key as text.
    pub tenant: String,
    /// The region of its rule.
    pub region: String,
    /// The server, which is elsewhere.
    pub server: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Breach { tenant, region, server } = self;
        write!(
            formatter,
            "tenant {tenant} must stay in region \"{region}\", and server {server} is not there"
        )
    }
}

/// The rules that the directory breaks.
pub fn broken(
    database: &DatabaseConfig,
    servers: &Servers,
    directory: &Directory,
    keys: KeyType,
) -> Vec<Breach> {
    ruled(database, keys)
        .filter_map(|(key, region)| breach(&key, region, servers, directory, directory.locate(&key).server))
        .collect()
}

/// The rules that a move would break.
pub fn would_break(
    database: &DatabaseConfig,
    servers: &Servers,
    directory: &Directory,
    keys: KeyType,
    mark: &MoveMark,
) -> Vec<Breach> {
    ruled(database, keys)
        .filter(|(key, _)| directory.in_scope(mark, key))
        .filter_map(|(key, region)| breach(&key, region, servers, directory, mark.to))
        .collect()
}

/// Broken rules as findings, each with the move that mends it.
pub(super) fn findings(
    database: &DatabaseConfig,
    servers: &Servers,
    directory: &Directory,
    keys: KeyType,
) -> Vec<Finding> {
    let finding = |breach: Breach| Finding {
        weight: Weight::Error,
        server: breach.server.clone(),
        fix: format!(
            "herdctl move start --tenants {} --to a server of region {}",
            breach.tenant, breach.region
        ),
        what: breach.to_string(),
    };
    broken(database, servers, directory, keys).into_iter().map(finding).collect()
}

fn ruled(database: &DatabaseConfig, keys: KeyType) -> impl Iterator<Item = (TenantKey, &str)> {
    database.regions.iter().flat_map(move |rule| {
        rule.tenants.iter().filter_map(move |tenant| Some((keys.parse(tenant)?, rule.region.as_str())))
    })
}

fn breach(
    key: &TenantKey,
    region: &str,
    servers: &Servers,
    directory: &Directory,
    server: ServerId,
) -> Option<Breach> {
    let name = directory.server_name(server);
    let there = servers.named(name).is_ok_and(|server| server.config().region == region);
    (!there).then(|| Breach { tenant: key.to_string(), region: region.to_owned(), server: name.to_owned() })
}
