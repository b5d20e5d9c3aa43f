//! The step `copy`: slot, publication and origin anew; the rows of the slot's snapshot.
//!
//! What an earlier try has left on the target is deleted first: the tenants hidden there for this
//! move name all of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::{SinkExt, StreamExt, pin_mut};
use router::ids::{Lsn, TenantKey};
use tokio_postgres::Client;

use super::bookkeeping::note;
use super::clean;
use super::fault::Fault;
use super::report::Progress;
use super::site::{Site, Use};
use super::tables::{self, Table};
use super::tenants::{ScopeFilter, batches, hide};

/// Copies the scope's rows as of one point of the log, from which the stream then goes on.
pub(super) async fn copy(site: &Site, progress: &Arc<Progress>) -> Result<(), Fault> {
    progress.rows.store(0, Ordering::Relaxed);
    progress.bytes.store(0, Ordering::Relaxed);
    site.evict(site.from).await?;
    site.evict(site.to).await?;
    let source = site.source(Use::Ordinary).await?;
    let target = site.target(Use::Rows).await?;
    clean::drop_source_things(site, &source).await?;
    clean::delete_rows(site, &target, clean::Side::Target).await?;
    clean::drop_target_things(site, &target).await?;
    let tables = tables::read(&source, &site.database.tenant_column).await?;
    publish(site, &source, &tables).await?;
    note(&source, site.id, "slot", &site.names.slot).await?;
    note(&target, site.id, "origin", &site.names.origin).await?;

    // The snapshot lives as long as this session does nothing else.
    let mut slot = site.replication(Lsn(0)).await?;
    let create = format!("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput EXPORT_SNAPSHOT", site.names.slot);
    let (start, snapshot) = slot_answer(&slot.simple_query(&create).await?)?;
    let mut readers = Vec::new();
    for _ in 0..site.settings.parallel.max(1) {
        readers.push(reader(site, &snapshot).await?);
    }
    let (directory, mark) = site.mark()?;
    let filter = ScopeFilter { directory, mark };
    let keys = filter.find(&readers[0], &tables).await?;
    hide(&target, site.id, keys.iter()).await?;
    copy_tables(site, progress, readers, &tables, &keys).await?;
    drop(slot);

    let sql = "SELECT pg_replication_origin_create($1)";
    target.query(sql, &[&site.names.origin]).await?;
    let advance = format!("SELECT pg_replication_origin_advance($1, '{start}'::pg_lsn)");
    target.query(&advance, &[&site.names.origin]).await?;
    Ok(())
}

/// The consistent point and the snapshot's name in the answer to CREATE_REPLICATION_SLOT.
pub(super) fn slot_answer(rows: &[pgwire_replication::QueryRow]) -> Result<(Lsn, String), Fault> {
    let field = |index: usize| {
        let bytes = rows.first().and_then(|row| row.get(index)).and_then(Option::as_ref);
        bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
    };
    let start = field(1).and_then(|text| text.parse().ok());
    let snapshot = field(2).filter(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'));
    start.zip(snapshot).ok_or_else(|| Fault::Passing("the new slot has no snapshot".into()))
}

/// A connection to the source whose transaction sees an exported snapshot.
pub(super) async fn reader(site: &Site, snapshot: &str) -> Result<Client, Fault> {
    let client = site.source(Use::Ordinary).await?;
    let begin =
        format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}'");
    client.batch_execute(&begin).await?;
    Ok(client)
}

async fn publish(site: &Site, source: &Client, tables: &[Table]) -> Result<(), Fault> {
    note(source, site.id, "publication", &site.names.publication).await?;
    let list: Vec<String> = tables.iter().map(Table::itself).collect();
    let sql = format!(
        "CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root = true)",
        site.names.publication,
        list.join(", ")
    );
    source.batch_execute(&sql).await?;
    Ok(())
}

/// Copies table after table, each reader the next one that is left.
async fn copy_tables(
    site: &Site,
    progress: &Arc<Progress>,
    readers: Vec<Client>,
    tables: &[Table],
    keys: &BTreeSet<TenantKey>,
) -> Result<(), Fault> {
    let work: Vec<(&Table, String)> =
        tables.iter().flat_map(|table| batches(keys).into_iter().map(move |list| (table, list))).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let (work, next) = (&work, &next);
    let copying = readers.into_iter().map(|reader| async move {
        let writer = site.target(Use::Rows).await?;
        while let Some((table, list)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            copy_rows(&reader, &writer, table, list, progress).await?;
        }
        Ok::<(), Fault>(())
    });
    futures_util::future::try_join_all(copying).await.map(drop)
}

async fn copy_rows(
    reader: &Client,
    writer: &Client,
    table: &Table,
    list: &str,
    progress: &Progress,
) -> Result<(), Fault> {
    let (columns, itself, tenant) = (table.column_list(), table.itself(), table.tenant());
    let format = if table.is_binary() { "binary" } else { "text" };
    let out = format!(
        "COPY (SELECT {columns} FROM {itself} WHERE {tenant} IN ({list})) TO STDOUT (FORMAT {format})"
    );
    let into = format!("COPY {} ({columns}) FROM STDIN (FORMAT {format})", table.quoted());
    let rows = reader.copy_out(&out).await?;
    let sink = writer.copy_in::<_, bytes::Bytes>(&into).await?;
    pin_mut!(rows, sink);
    while let Some(row) = rows.next().await {
        let row = row?;
        progress.bytes.fetch_add(row.len() as u64, Ordering::Relaxed);
        progress.rows.fetch_add(1, Ordering::Relaxed);
        sink.feed(row).await?;
    }
    let copied = sink.finish().await?;
    tracing::debug!(table = %table.name, rows = copied, "copied");
    Ok(())
}
