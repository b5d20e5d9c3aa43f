//! The steps `drain` and `swap`: the target has all, and the floors are known.

use router::ids::Lsn;
use router::moves::ShardMove;
use tokio_postgres::Client;

use super::fault::Fault;
use super::fence::Cutover;
use super::site::Site;
use super::stream::Stream;
use super::tables;
use super::tenants::{hidden, hide, key_type};

/// Waits for the cut at the target, hides the source's rows, raises the target's sequences.
pub(super) async fn drain(site: &Site, stream: &Stream, cutover: &mut Cutover) -> Result<(), Fault> {
    if !stream.reach(cutover.cut, cutover.left(site)).await? {
        return Err(Fault::Late("the target did not reach the cut in time".into()));
    }
    let tables = tables::read(&cutover.target, &site.database.tenant_column).await?;
    let all = hidden(&cutover.target, site.id, key_type(&tables)?).await?;
    hide(&cutover.source, site.id, all.difference(&cutover.hidden)).await?;
    cutover.hidden = all;
    raise_sequences(cutover).await
}

/// Notes what replicas must have replayed to serve what the swap makes true.
pub(super) async fn swap(shard_move: &mut ShardMove, cutover: &Cutover) -> Result<(), Fault> {
    let (source, target) = tokio::try_join!(position(&cutover.source), position(&cutover.target))?;
    shard_move.source_floor = source;
    shard_move.target_floor = target;
    Ok(())
}

/// Where a server's log is.
pub(super) async fn position(client: &Client) -> Result<Lsn, Fault> {
    let row = client.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).await?;
    row.get::<_, &str>(0).parse().map_err(|_| Fault::Passing("a server's log position is odd".into()))
}

/// The next value of each of the target's sequences is beyond what the source's has given out.
async fn raise_sequences(cutover: &Cutover) -> Result<(), Fault> {
    let sql = "SELECT schemaname::text, sequencename::text, last_value, increment_by FROM pg_sequences
        WHERE last_value IS NOT NULL AND schemaname <> 'pgherd'";
    let rows = cutover.source.query(sql, &[]).await?;
    let column = |index: usize| rows.iter().map(|row| row.get(index)).collect::<Vec<String>>();
    let values: Vec<i64> = rows.iter().map(|row| row.get(2)).collect();
    let raise = "SELECT count(setval(format('%I.%I', s.schemaname, s.sequencename)::regclass, v.value))
        FROM unnest($1::text[], $2::text[], $3::bigint[]) v (schema, name, value)
        JOIN pg_sequences s ON s.schemaname = v.schema AND s.sequencename = v.name
        WHERE s.last_value IS NULL OR CASE WHEN s.increment_by > 0
            THEN s.last_value < v.value ELSE s.last_value > v.value END";
    cutover.target.query(raise, &[&column(0), &column(1), &values]).await?;
    Ok(())
}
