//! What the parts of a file must say about each other.

use std::collections::HashSet;
use std::path::PathBuf;

use toml::de::DeValue;

use super::section::Section;
use super::settings::{Config, DatabaseConfig, Password, ProxyConfig, ProxyProtocol, ServerConfig, TlsMode};
use crate::auth::Secret;

/// The database that is the admin console.
pub const CONSOLE: &str = "pgherd";
/// The console's other name: the one that PgBouncer's users and their tools know.
pub const CONSOLE_ALIAS: &str = "pgbouncer";

/// How many of a kind there must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Least {
    None,
    One,
}

impl Least {
    /// One, unless there are others elsewhere.
    pub(super) fn one_unless(others: bool) -> Least {
        if others { Least::None } else { Least::One }
    }
}

/// Names are given once and are not empty.
pub(super) fn names(root: &Section<'_>, kind: &str, sections: &[Section<'_>], least: Least) {
    if least == Least::One && sections.is_empty() && !root.has(kind) {
        root.fault(format!("there is no [[{kind}]]; at least one is needed"));
    }
    let mut seen = HashSet::new();
    for section in sections {
        let Some(DeValue::String(name)) = section.value("name") else { continue };
        if name.is_empty() {
            section.fault_at("name", "must not be empty");
        } else if !seen.insert(name) {
            section.fault_at("name", format!("there are two {kind}s named `{name}`"));
        }
    }
}

/// `[proxy]`: TLS is whole or absent.
pub(super) fn proxy(section: &Section<'_>, config: &ProxyConfig) {
    pair(section, &config.tls_certificate, &config.tls_key);
    if config.tls_certificate.is_none() && config.tls_required {
        section.fault_at("tls_required", "needs tls_certificate and tls_key");
    }
    if config.tls_certificate.is_none() && config.tls_client_ca.is_some() {
        section.fault_at("tls_client_ca", "needs tls_certificate and tls_key");
    }
    if config.tls_client_ca.is_none() && config.tls_client_required {
        section.fault_at("tls_client_required", "needs tls_client_ca");
    }
    files(
        section,
        [
            ("tls_certificate", &config.tls_certificate),
            ("tls_key", &config.tls_key),
            ("tls_client_ca", &config.tls_client_ca),
        ],
    );
    if config.proxy_protocol != ProxyProtocol::Off && config.proxy_protocol_from.is_empty() {
        section.fault_at("proxy_protocol", "needs proxy_protocol_from: whose word counts");
    }
    if config.listen.is_empty() {
        section.fault_at("listen", "at least one address is needed");
    }
    let mut seen = HashSet::new();
    for address in config.listen.iter().filter(|address| address.port() != 0 && !seen.insert(**address)) {
        section.fault_at("listen", format!("{address} stands there twice"));
    }
    if config.listen.contains(&config.http_listen) && config.http_listen.port() != 0 {
        section.fault_at("http_listen", "must not be the same as listen");
    }
}

/// A certificate and its key come together.
fn pair(section: &Section<'_>, certificate: &Option<PathBuf>, key: &Option<PathBuf>) {
    match (certificate, key) {
        (Some(_), None) => section.fault_at("tls_certificate", "needs tls_key as well"),
        (None, Some(_)) => section.fault_at("tls_key", "needs tls_certificate as well"),
        (Some(_), Some(_)) | (None, None) => {}
    }
}

/// The files that are named are there.
fn files<'a>(section: &Section<'_>, named: impl IntoIterator<Item = (&'a str, &'a Option<PathBuf>)>) {
    for (key, path) in named {
        if let Some(path) = path.as_ref().filter(|path| !path.is_file()) {
            section.fault_at(key, format!("there is no file {}", path.display()));
        }
    }
}

/// A password that looks like a secret of PostgreSQL's is one.
pub(super) fn secret(section: &Section<'_>, password: &Password) {
    if let Err(fault) = Secret::parse(password.reveal()) {
        section.fault_at("password", fault.to_string());
    }
}

/// `[[database]]`: names that PostgreSQL would take.
pub(super) fn database(section: &Section<'_>, config: &DatabaseConfig) {
    if config.name == CONSOLE || config.name == CONSOLE_ALIAS {
        section.fault_at("name", format!("`{}` is the admin console's own name", config.name));
    }
    if config.tenant_column.is_empty() {
        section.fault_at("tenant_column", "must not be empty");
    }
    let is_custom = |name: &str| {
        name.split_once('.').is_some_and(|(class, rest)| is_identifier(class) && is_identifier(rest))
    };
    if !is_custom(&config.tenant_setting) {
        section.fault_at("tenant_setting", "must be a custom setting such as \"app.tenant\"");
    }
}

/// `[[server]]`: it has nodes, each once.
pub(super) fn server(section: &Section<'_>, config: &ServerConfig) {
    if config.nodes.is_empty()
        && matches!(section.value("nodes"), Some(DeValue::Array(nodes)) if nodes.is_empty())
    {
        section.fault_at("nodes", "at least one node is needed");
    }
    let mut seen = HashSet::new();
    for node in config.nodes.iter().filter(|node| !seen.insert(*node)) {
        section.fault_at("nodes", format!("{node} stands there twice"));
    }
    match config.tls {
        TlsMode::VerifyCa | TlsMode::VerifyFull if config.tls_ca.is_none() => {
            section.fault_at("tls", "\"verify-ca\" and \"verify-full\" need tls_ca");
        }
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => {}
    }
    pair(section, &config.tls_certificate, &config.tls_key);
    files(
        section,
        [
            ("tls_ca", &config.tls_ca),
            ("tls_certificate", &config.tls_certificate),
            ("tls_key", &config.tls_key),
        ],
    );
}

/// What no single table can know.
pub(super) fn together(root: &Section<'_>, config: &Config) {
    let mut seen = HashSet::new();
    for server in &config.servers {
        let own: HashSet<_> = server.nodes.iter().collect();
        for node in own.into_iter().filter(|node| !seen.insert(*node)) {
            root.fault_at("server", format!("{node} belongs to two servers"));
        }
    }
    if let Some(hba) = &config.auth.hba {
        if hba.asks_for_certificates() && config.proxy.tls_client_ca.is_none() {
            root.fault_at("auth", "hba_file asks clients for certificates: that needs [proxy] tls_client_ca");
        }
        for (line, map) in hba.maps().filter(|(_, map)| !config.auth.ident.has(map)) {
            root.fault_at("auth", format!("hba_file, line {line}: ident_file has no map \"{map}\""));
        }
    }
    let admin = config.users.iter().position(|user| user.name == config.admin.user);
    if let Some(index) = admin.filter(|index| config.users[*index].password != config.admin.password) {
        let what = format!("user[{index}] is the [admin] user, with another password");
        root.fault_at("admin", what);
    }
    for name in &config.admin.stats_users {
        if config.user(name).is_none() {
            root.fault_at("admin", format!("stats_users: there is no [[user]] named `{name}`"));
        }
    }
    let mut seen = HashSet::from([config.proxy.peer_id]);
    for peer in config.peers.iter().filter(|peer| !seen.insert(peer.id)) {
        root.fault_at(
            "peer",
            format!("the number {} is taken, perhaps by this proxy's own peer_id", peer.id),
        );
    }
    if !config.peers.is_empty() && config.proxy.peer_id == 0 {
        root.fault_at("peer", "needs [proxy] peer_id, this proxy's own number");
    }
    let servers = config.servers.len();
    for database in &config.databases {
        if database.sequence_stride > 1 && usize::from(database.sequence_stride) < servers {
            let what =
                format!("sequence_stride of `{}` is smaller than the number of servers", database.name);
            root.fault_at("database", what);
        }
    }
    for rule in config.databases.iter().flat_map(|database| &database.regions) {
        let stands = config.servers.iter().any(|server| server.region == rule.region);
        if !rule.region.is_empty() && !stands {
            root.fault_at("database", format!("no server stands in region `{}`", rule.region));
        }
    }
}

fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || matches!(character, '_' | '$'))
}
