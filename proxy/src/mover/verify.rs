//! The step `verify`: both sides hold the same rows at one point of the log, under load.
//!
//! A temporary slot's snapshot shows the source at a point L. The stream is held before L, applied
//! up to L and no further; the target's snapshot is taken there and the stream goes on. The two
//! snapshots are then compared at leisure: by tenant a count and a sum of row hashes, and where
//! they differ down to the row.

use std::collections::{BTreeMap, BTreeSet};

use router::ids::{Lsn, TenantKey, quote_identifier};
use tokio_postgres::Client;

use super::copy::{reader, slot_answer};
use super::fault::Fault;
use super::site::{Site, Use};
use super::stream::{Limit, Stream};
use super::tables::{self, Table};
use super::tenants::{ScopeFilter, batches, hidden, key_type};

/// Compares both sides.
pub(super) async fn verify(site: &Site, stream: &Stream) -> Result<(), Fault> {
    let frees = Frees(stream);
    let (source, target) = snapshots(site, stream).await?;
    drop(frees);
    let tables = tables::read(&source, &site.database.tenant_column).await?;
    all_published(site, &source, &tables).await?;
    let (directory, mark) = site.mark()?;
    let mut keys = ScopeFilter { directory, mark }.find(&source, &tables).await?;
    keys.extend(hidden(&target, site.id, key_type(&tables)?).await?);
    for table in &tables {
        for list in batches(&keys) {
            compare(&source, &target, table, &list).await?;
        }
    }
    Ok(())
}

/// Lets the stream go on, however this ends.
struct Frees<'a>(&'a Stream);

impl Drop for Frees<'_> {
    fn drop(&mut self) {
        self.0.limit(Limit::Free);
    }
}

/// Transactions on both sides that see exactly what was committed on the source before one point.
async fn snapshots(site: &Site, stream: &Stream) -> Result<(Client, Client), Fault> {
    stream.limit(Limit::Hold);
    stream.held_at(Limit::Hold).await?;
    let mut slot = site.replication(Lsn(0)).await?;
    let create = format!(
        "CREATE_REPLICATION_SLOT {}_check TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT",
        site.names.slot
    );
    let (point, snapshot) = slot_answer(&slot.simple_query(&create).await?)?;
    let source = reader(site, &snapshot).await?;
    let target = site.target(Use::Ordinary).await?;
    let marker = site.source(Use::Ordinary).await?;
    marker.query("SELECT pg_logical_emit_message(true, 'pgherd', 'check')", &[]).await?;
    stream.limit(Limit::Before(point));
    stream.held_at(Limit::Before(point)).await?;
    target.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1").await?;
    Ok((source, target))
}

/// A table that is newer than the publication was never followed.
pub(super) async fn all_published(site: &Site, source: &Client, tables: &[Table]) -> Result<(), Fault> {
    let sql = "SELECT schemaname::text, tablename::text FROM pg_publication_tables WHERE pubname = $1";
    let rows = source.query(sql, &[&site.names.publication]).await?;
    let published: BTreeSet<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let missing = |table: &&Table| !published.contains(&(table.schema.clone(), table.name.clone()));
    match tables.iter().find(missing) {
        None => Ok(()),
        Some(table) => Err(Fault::Lost(format!("table {} is new since the copy", table.quoted()))),
    }
}

/// Count and hash of one tenant's rows.
type Sums = BTreeMap<String, (i64, String)>;

async fn compare(source: &Client, target: &Client, table: &Table, list: &str) -> Result<(), Fault> {
    let sql = format!(
        "SELECT {tenant}::text, count(*), sum({hash}::numeric)::text FROM {itself} r WHERE {tenant} IN ({list}) GROUP BY 1",
        tenant = table.tenant(),
        hash = hash(table),
        itself = table.itself(),
    );
    let (one, other) = tokio::try_join!(sums(source, &sql), sums(target, &sql))?;
    let tenants: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    match tenants.into_iter().find(|tenant| one.get(*tenant) != other.get(*tenant)) {
        None => Ok(()),
        Some(tenant) => Err(Fault::Lost(difference(source, target, table, tenant).await?)),
    }
}

async fn sums(client: &Client, sql: &str) -> Result<Sums, tokio_postgres::Error> {
    let rows = client.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect())
}

/// A row's hash, over the columns in the order of the source's table on both sides.
fn hash(table: &Table) -> String {
    let columns: Vec<String> =
        table.columns.iter().map(|column| format!("r.{}", quote_identifier(&column.name))).collect();
    format!("hashtextextended(ROW({})::text COLLATE \"C\", 0)", columns.join(", "))
}

/// Names a row that differs.
async fn difference(source: &Client, target: &Client, table: &Table, tenant: &str) -> Result<String, Fault> {
    let columns: Vec<String> =
        table.identity_columns.iter().map(|column| format!("r.{}", quote_identifier(column))).collect();
    let key = if columns.is_empty() { hash(table) } else { format!("ROW({})", columns.join(", ")) };
    let literal = table.key_type.and_then(|key_type| key_type.parse(tenant)).map(|key| key.literal());
    let sql = format!(
        "SELECT {key}::text, count(*), sum({}::numeric)::text FROM {} r WHERE {} = {} GROUP BY 1",
        hash(table),
        table.itself(),
        table.tenant(),
        literal.unwrap_or_else(|| TenantKey::Text(tenant.into()).literal()),
    );
    let (one, other) = tokio::try_join!(sums(source, &sql), sums(target, &sql))?;
    let rows: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let row = rows.into_iter().find(|row| one.get(*row) != other.get(*row));
    let row = row.map_or("a row", String::as_str);
    Ok(format!("both servers differ in table {} at row {row} of tenant {tenant}", table.quoted()))
}
