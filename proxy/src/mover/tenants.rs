//! Whose rows a move concerns: tenants of its scope, found on a server or told from a row.

use std::collections::BTreeSet;
use std::sync::Arc;

use router::directory::{Directory, MoveMark, Scope};
use router::ids::{KeyType, MoveId, TenantKey};
use tokio_postgres::{Client, GenericClient};

use super::bookkeeping::number;
use super::fault::Fault;
use super::tables::Table;

/// Tenants that stand in one statement.
const BATCH: usize = 5_000;

/// Tells whether a tenant is in a move's scope, by the hash that routes statements.
#[derive(Clone, Debug)]
pub(super) struct ScopeFilter {
    pub directory: Arc<Directory>,
    pub mark: MoveMark,
}

impl ScopeFilter {
    /// True where the tenant, in PostgreSQL's text form, is in the scope.
    pub(super) fn holds(&self, key_type: KeyType, text: &str) -> bool {
        key_type.parse(text).is_some_and(|key| self.directory.in_scope(&self.mark, &key))
    }

    /// The tenants of the scope that have rows in the tables, as the client's transaction sees
    /// them. Where the scope is made of tenants, all of them, with rows or not.
    pub(super) async fn find(
        &self,
        client: &impl GenericClient,
        tables: &[Table],
    ) -> Result<BTreeSet<TenantKey>, Fault> {
        let mut found = BTreeSet::new();
        if let Scope::Tenants { key_type, keys } = &self.mark.scope {
            found.extend(keys.iter().filter_map(|text| key_type.parse(text)));
            return Ok(found);
        }
        for table in tables {
            let Some(key_type) = table.key_type else { continue };
            let sql = format!("SELECT DISTINCT {}::text FROM {}", table.tenant(), table.itself());
            for row in client.query(&sql, &[]).await? {
                let key = row.get::<_, Option<&str>>(0).and_then(|text| key_type.parse(text));
                found.extend(key.filter(|key| self.directory.in_scope(&self.mark, key)));
            }
        }
        Ok(found)
    }
}

/// The tenants in lists short enough for one statement, as `IN` lists.
pub(super) fn batches(keys: &BTreeSet<TenantKey>) -> Vec<String> {
    let keys: Vec<&TenantKey> = keys.iter().collect();
    let list = |keys: &[&TenantKey]| {
        let literals: Vec<String> = keys.iter().map(|key| key.literal()).collect();
        literals.join(", ")
    };
    keys.chunks(BATCH).map(list).collect()
}

/// The tenants that are hidden for a move on a server.
pub(super) async fn hidden(
    client: &impl GenericClient,
    id: MoveId,
    key_type: KeyType,
) -> Result<BTreeSet<TenantKey>, tokio_postgres::Error> {
    let sql = "SELECT tenant FROM pgherd.hidden WHERE move = $1";
    let rows = client.query(sql, &[&number(id)]).await?;
    Ok(rows.iter().filter_map(|row| key_type.parse(row.get(0))).collect())
}

/// Hides tenants for a move on a server.
pub(super) async fn hide<'a>(
    client: &Client,
    id: MoveId,
    keys: impl Iterator<Item = &'a TenantKey>,
) -> Result<(), tokio_postgres::Error> {
    let texts: Vec<String> = keys.map(TenantKey::to_string).collect();
    if texts.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO pgherd.hidden (move, tenant) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING";
    client.execute(sql, &[&number(id), &texts]).await.map(drop)
}

/// The key type that the tables share; tables without one are found by the check.
pub(super) fn key_type(tables: &[Table]) -> Result<KeyType, Fault> {
    let found = tables.iter().find_map(|table| table.key_type);
    found.ok_or_else(|| Fault::Refused("there is no sharded table".into()))
}
