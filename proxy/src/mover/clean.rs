//! The steps `clean` and `undo`: the rows of one side and all that was made for the move go.

use router::ids::{Lsn, MoveId};
use router::moves::ShardMove;
use tokio_postgres::Client;

use super::bookkeeping::number;
use super::fault::Fault;
use super::names::Names;
use super::site::{Site, Use};
use super::swap::position;
use super::tables::{self, Table};
use super::tenants::{batches, hidden};

/// Whose rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The source's, after the swap.
    Source,
    /// The target's, which nobody has seen.
    Target,
}

/// After the swap: once nobody reads the source's rows, they go, and all else.
pub(super) async fn clean(site: &Site, shard_move: &mut ShardMove) -> Result<(), Fault> {
    let (directory, mark) = site.mark()?;
    site.live.until_drained(directory.version(), site.from, &mark).await;
    site.live.until_drained(directory.version(), site.to, &mark).await;
    shard_move.source_floor = remove(site, Side::Source).await?;
    Ok(())
}

/// Before the swap: the target's rows go, and all else.
pub(super) async fn undo(site: &Site, shard_move: &mut ShardMove) -> Result<(), Fault> {
    shard_move.target_floor = remove(site, Side::Target).await?;
    Ok(())
}

/// Where the log of the side is afterwards: what its replicas must have replayed once nothing is hidden.
async fn remove(site: &Site, side: Side) -> Result<Lsn, Fault> {
    site.evict(site.from).await?;
    site.evict(site.to).await?;
    let source = site.source(Use::Rows).await?;
    let target = site.target(Use::Rows).await?;
    super::bookkeeping::ensure(&source).await?;
    super::bookkeeping::ensure(&target).await?;
    drop_source_things(site, &source).await?;
    drop_target_things(site, &target).await?;
    let emptied = match side {
        Side::Source => &source,
        Side::Target => &target,
    };
    delete_rows(site, emptied, side).await?;
    forget(&source, site.id).await?;
    forget(&target, site.id).await?;
    position(emptied).await
}

/// Drops slot, publication and fence. Harmless to repeat.
pub(super) async fn drop_source_things(site: &Site, source: &Client) -> Result<(), Fault> {
    drop_slot(source, &site.names.slot).await?;
    source.batch_execute(&drop_sql(&site.names)).await?;
    Ok(())
}

fn drop_sql(names: &Names) -> String {
    format!(
        "SET client_min_messages = warning;
         DROP PUBLICATION IF EXISTS {}; DROP TABLE IF EXISTS pgherd.{}, pgherd.{}",
        names.publication, names.fence, names.closed_fence
    )
}

async fn drop_slot(client: &Client, slot: &str) -> Result<(), Fault> {
    let sql = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1";
    client.query(sql, &[&slot]).await?;
    Ok(())
}

/// Drops the origin. Harmless to repeat.
pub(super) async fn drop_target_things(site: &Site, target: &Client) -> Result<(), Fault> {
    drop_origin(target, &site.names.origin).await
}

async fn drop_origin(client: &Client, origin: &str) -> Result<(), Fault> {
    let sql = "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = $1";
    client.query(sql, &[&origin]).await?;
    Ok(())
}

/// Deletes the rows of the tenants that are hidden for the move, in small batches, without firing
/// triggers; then the hidden list is emptied on the target, where the copy begins anew.
pub(super) async fn delete_rows(site: &Site, client: &Client, side: Side) -> Result<(), Fault> {
    let tables = tables::read(client, &site.database.tenant_column).await?;
    let Some(key_type) = tables.iter().find_map(|table| table.key_type) else { return Ok(()) };
    let keys = hidden(client, site.id, key_type).await?;
    for table in &tables {
        for part in parts(client, table).await? {
            for list in batches(&keys) {
                delete_batches(client, &part, &table.tenant(), &list, site.settings.clean_batch).await?;
            }
        }
    }
    if side == Side::Target {
        client.execute("DELETE FROM pgherd.hidden WHERE move = $1", &[&number(site.id)]).await?;
    }
    Ok(())
}

/// The relations that hold the table's rows: itself, or its partitions.
async fn parts(client: &Client, table: &Table) -> Result<Vec<String>, Fault> {
    if !table.partitioned {
        return Ok(vec![table.itself()]);
    }
    let sql = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_partition_tree($1::text::regclass) p
        JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.isleaf";
    let rows = client.query(sql, &[&table.quoted()]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn delete_batches(
    client: &Client,
    part: &str,
    tenant: &str,
    list: &str,
    size: u32,
) -> Result<(), Fault> {
    let sql = format!(
        "DELETE FROM {part} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {part} WHERE {tenant} IN ({list}) LIMIT {size}))"
    );
    while client.execute(&sql, &[]).await? > 0 {}
    Ok(())
}

/// The move has left nothing on this server.
async fn forget(client: &Client, id: MoveId) -> Result<(), Fault> {
    let number = number(id);
    client.execute("DELETE FROM pgherd.hidden WHERE move = $1", &[&number]).await?;
    client.execute("DELETE FROM pgherd.guard WHERE move = $1", &[&number]).await?;
    client.execute("DELETE FROM pgherd.cleanup WHERE move = $1", &[&number]).await?;
    Ok(())
}

/// Drops what moves that are over have left on a server; what it was.
pub(super) async fn collect(
    client: &Client,
    database: &str,
    is_running: impl Fn(MoveId) -> bool,
) -> Result<Vec<String>, Fault> {
    let exists = client.query_one("SELECT to_regclass('pgherd.cleanup') IS NOT NULL", &[]).await?;
    if !exists.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let rows = client.query("SELECT DISTINCT move FROM pgherd.cleanup ORDER BY 1", &[]).await?;
    let mut dropped = Vec::new();
    for row in rows {
        let id = MoveId(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default());
        if is_running(id) {
            continue;
        }
        let names = Names::of(database, id);
        drop_slot(client, &names.slot).await?;
        drop_origin(client, &names.origin).await?;
        client.batch_execute(&drop_sql(&names)).await?;
        let deleted = client
            .query("DELETE FROM pgherd.cleanup WHERE move = $1 RETURNING kind, name", &[&number(id)])
            .await?;
        dropped
            .extend(deleted.iter().map(|row| format!("{} {}", row.get::<_, &str>(0), row.get::<_, &str>(1))));
    }
    Ok(dropped)
}
