//! What forbids a move, found before it begins, each with what to do about it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use router::directory::{Directory, MoveMark, Scope};
use tokio_postgres::Client;

use super::fault::{Fault, said};
use super::tables::{self, Table};
use super::tenants::{ScopeFilter, batches};
use crate::config::DatabaseConfig;

/// Something that forbids a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong, and where.
    pub what: String,
    /// What to do about it: a statement or setting.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (fix: {})", self.what, self.fix)
    }
}

fn finding(what: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { what: what.into(), fix: fix.into() }
}

/// All that forbids the move on its two servers.
pub(super) async fn servers(
    source: &Client,
    target: &Client,
    database: &DatabaseConfig,
    directory: &Arc<Directory>,
    mark: &MoveMark,
) -> Result<Vec<Finding>, Fault> {
    let (from, to) = (directory.server_name(mark.from), directory.server_name(mark.to));
    let mut findings = settings(source, from).await?;
    findings.extend(rights(source, from).await?);
    findings.extend(rights(target, to).await?);
    let on_source = tables::read(source, &database.tenant_column).await?;
    let on_target = tables::read(target, &database.tenant_column).await?;
    if on_source.is_empty() {
        let what = format!("server {from} has no table with column \"{}\"", database.tenant_column);
        findings.push(finding(what, "set tenant_column of the database in the configuration"));
    }
    findings.extend(on_source.iter().flat_map(|table| table_findings(table, mark)));
    findings.extend(differences(&on_source, &on_target, to));
    if findings.is_empty() {
        let filter = ScopeFilter { directory: Arc::clone(directory), mark: mark.clone() };
        findings.extend(leftovers(target, &on_target, &filter, to).await?);
    }
    Ok(findings)
}

async fn settings(client: &Client, server: &str) -> Result<Vec<Finding>, Fault> {
    let sql = "SELECT current_setting('wal_level'),
        current_setting('max_replication_slots')::bigint - (SELECT count(*) FROM pg_replication_slots),
        current_setting('max_wal_senders')::bigint - (SELECT count(*) FROM pg_stat_replication)";
    let row = client.query_one(sql, &[]).await?;
    let mut findings = Vec::new();
    if row.get::<_, &str>(0) != "logical" {
        let what = format!("server {server} has wal_level = {}", row.get::<_, &str>(0));
        findings.push(finding(what, "ALTER SYSTEM SET wal_level = logical; then restart the server"));
    }
    for (column, setting) in [(1, "max_replication_slots"), (2, "max_wal_senders")] {
        if row.get::<_, i64>(column) < 2 {
            let what = format!("server {server} has fewer than 2 left of {setting}");
            findings.push(finding(what, format!("raise {setting}, then restart the server")));
        }
    }
    Ok(findings)
}

async fn rights(client: &Client, server: &str) -> Result<Vec<Finding>, Fault> {
    let sql = "SELECT quote_ident(current_user), quote_ident(current_database()), rolsuper, rolreplication,
        has_database_privilege(current_database(), 'CREATE'),
        has_function_privilege('pg_replication_origin_create(text)', 'EXECUTE')
        FROM pg_roles WHERE rolname = current_user";
    let row = client.query_one(sql, &[]).await?;
    let (role, database): (&str, &str) = (row.get(0), row.get(1));
    let mut findings = Vec::new();
    if row.get::<_, bool>(2) {
        return Ok(findings);
    }
    if !row.get::<_, bool>(3) {
        let what = format!("role {role} may not replicate on server {server}");
        findings.push(finding(what, format!("ALTER ROLE {role} REPLICATION")));
    }
    if !row.get::<_, bool>(4) {
        let what = format!("role {role} may not create publications on server {server}");
        findings.push(finding(what, format!("GRANT CREATE ON DATABASE {database} TO {role}")));
    }
    if !row.get::<_, bool>(5) {
        let what = format!("role {role} may not use replication origins on server {server}");
        let functions = [
            "create(text)",
            "drop(text)",
            "advance(text, pg_lsn)",
            "progress(text, boolean)",
            "oid(text)",
            "session_setup(text)",
            "session_reset()",
            "xact_setup(pg_lsn, timestamptz)",
        ];
        let list = functions.map(|function| format!("pg_replication_origin_{function}")).join(", ");
        findings.push(finding(what, format!("GRANT EXECUTE ON FUNCTION {list} TO {role}")));
    }
    if let Err(error) =
        client.batch_execute("BEGIN; SET LOCAL session_replication_role = replica; ROLLBACK").await
    {
        client.batch_execute("ROLLBACK").await?;
        let what =
            format!("role {role} may not write without firing triggers on server {server}: {}", said(&error));
        let fix = format!(
            "GRANT SET ON PARAMETER session_replication_role TO {role} (PostgreSQL 15+; before: a superuser)"
        );
        findings.push(finding(what, fix));
    }
    Ok(findings)
}

fn table_findings(table: &Table, mark: &MoveMark) -> Vec<Finding> {
    let name = table.quoted();
    let mut findings = Vec::new();
    let wanted = match &mark.scope {
        Scope::Tenants { key_type, .. } => Some(*key_type),
        Scope::Shards(_) => table.key_type,
    };
    if table.key_type.is_none() || table.key_type != wanted {
        let what = format!("the tenant column of table {name} is not of the tenant keys' type");
        findings.push(finding(what, "give all tenant columns one integer type, uuid or text"));
    }
    if !table.logged {
        let what = format!("table {name} is unlogged: its changes cannot be followed");
        findings.push(finding(what, format!("ALTER TABLE {name} SET LOGGED")));
    }
    if !table.is_identified() {
        let what = format!("table {name} has no replica identity with column {}", table.tenant());
        findings.push(finding(
            what,
            format!("ALTER TABLE {name} REPLICA IDENTITY FULL, or give it a primary key with the column"),
        ));
    }
    findings
}

fn differences(source: &[Table], target: &[Table], to: &str) -> Vec<Finding> {
    let find = |wanted: &Table| {
        target.iter().find(|table| table.schema == wanted.schema && table.name == wanted.name)
    };
    let types = |table: &Table| -> BTreeMap<String, String> {
        table.columns.iter().map(|column| (column.name.clone(), column.type_name.clone())).collect()
    };
    let mut findings = Vec::new();
    for table in source {
        let name = table.quoted();
        let fix = format!("make table {name} the same on all servers");
        match find(table) {
            None => findings.push(finding(format!("server {to} has no table {name}"), fix)),
            Some(other) if types(other) != types(table) => {
                findings.push(finding(format!("table {name} has other columns on server {to}"), fix));
            }
            Some(_) => {}
        }
    }
    findings
}

/// Rows of the scope that stand on the target already, hidden from nobody.
async fn leftovers(
    target: &Client,
    tables: &[Table],
    filter: &ScopeFilter,
    to: &str,
) -> Result<Vec<Finding>, Fault> {
    let has_hidden: bool =
        target.query_one("SELECT to_regclass('pgherd.hidden') IS NOT NULL", &[]).await?.get(0);
    let hidden = match tables.iter().find_map(|table| table.key_type) {
        Some(key_type) if has_hidden => super::tenants::hidden(target, filter.mark.id, key_type).await?,
        Some(_) | None => Default::default(),
    };
    let keys = filter.find(target, tables).await?.into_iter().filter(|key| !hidden.contains(key)).collect();
    let mut findings = Vec::new();
    for table in tables {
        for list in batches(&keys) {
            let (tenant, itself) = (table.tenant(), table.itself());
            let sql = format!("SELECT {tenant}::text FROM {itself} WHERE {tenant} IN ({list}) LIMIT 1");
            if let Some(row) = target.query_opt(&sql, &[]).await? {
                let key: String = row.get(0);
                let what =
                    format!("server {to} holds rows of tenant \"{key}\" in table {} already", table.quoted());
                findings.push(finding(what, "delete them there, or run `herdctl move gc`"));
            }
        }
    }
    Ok(findings)
}
