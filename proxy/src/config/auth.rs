//! `[auth]`: the settings, and the files of PostgreSQL's and PgBouncer's that it names.

use std::path::{Path, PathBuf};

use super::check;
use super::read::password;
use super::section::Section;
use super::settings::{AuthConfig, Password, UserConfig};
use crate::auth::hba::{Hba, IdentMaps, LineFault};
use crate::auth::{Secret, userlist};

/// True where clients may be others than the `[[user]]`s.
pub(super) fn others(section: &Section<'_>) -> bool {
    section.has("file") || section.has("user")
}

/// The settings, and the users of `file`.
pub(super) fn auth(mut section: Section<'_>) -> (AuthConfig, Vec<UserConfig>) {
    let default = AuthConfig::default();
    let hba = section.or("hba_file", None::<PathBuf>);
    let ident = section.or("ident_file", None::<PathBuf>);
    let users = section.or("file", None::<PathBuf>);
    let config = AuthConfig {
        hba: hba.and_then(|path| read(&section, "hba_file", &path, Hba::parse)),
        ident: ident
            .and_then(|path| read(&section, "ident_file", &path, IdentMaps::parse))
            .unwrap_or_default(),
        user: section.or("user", default.user),
        password: password(&mut section),
        query: section.or("query", default.query),
        database: section.or("database", default.database),
        cache: section.or("cache", default.cache),
    };
    if !config.user.is_empty() && config.query.is_empty() {
        section.fault_at("query", "must not be empty");
    }
    check::secret(&section, &config.password);
    let listed = users.and_then(|path| read(&section, "file", &path, userlist)).unwrap_or_default();
    let users = listed.into_iter().map(|(name, secret)| {
        if Secret::parse(&secret).is_err() {
            section.fault_at("file", format!("the secret of \"{name}\" cannot be read"));
        }
        UserConfig { name, password: Password::new(secret.as_str()), ..UserConfig::default() }
    });
    let users = users.collect();
    section.finish();
    (config, users)
}

/// What a file holds.
fn read<T>(
    section: &Section<'_>,
    key: &str,
    path: &Path,
    parse: fn(&str) -> Result<T, LineFault>,
) -> Option<T> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            section.fault_at(key, format!("{} cannot be read: {error}", path.display()));
            return None;
        }
    };
    parse(&text).map_err(|fault| section.fault_at(key, format!("{}: {fault}", path.display()))).ok()
}
