//! The steps `drain` and `swap`: the target has all, and the floors are known.

use std::collections::HashMap;

use router::ids::{Lsn, quote_literal};
use router::moves::ShardMove;
use router::sequences::{Counter, are_apart};
use tokio_postgres::Client;

use super::fault::Fault;
use super::fence::Cutover;
use super::site::Site;
use super::stream::Stream;
use super::tables;
use super::tenants::{hidden, hide, key_type};
use crate::sequences::counters;

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

/// The next value of each of the target's sequences is beyond what the source's has given out, and of the
/// target's own class. Sequences that count apart give nothing twice as they are.
async fn raise_sequences(cutover: &Cutover) -> Result<(), Fault> {
    let given = counters(&cutover.source).await?;
    let targets: HashMap<String, Counter> = counters(&cutover.target).await?.into_iter().collect();
    let mut raises = Vec::new();
    for (name, source) in given.iter().filter(|(_, source)| source.at.called) {
        let Some(target) = targets.get(name).filter(|target| !are_apart(&[*source, **target])) else {
            continue;
        };
        let (past, is_before) = if target.increment > 0 { (1, "<") } else { (-1, ">") };
        let at = target.not_before(i128::from(source.at.value) + past);
        let (sequence, value) = (quote_literal(name), source.at.value);
        raises.push(format!(
            "SELECT setval({sequence}::regclass, {}, {}) FROM {name} \
             WHERE last_value {is_before} {value} OR last_value = {value} AND NOT is_called",
            at.value, at.called
        ));
    }
    Ok(cutover.target.batch_execute(&raises.join("; ")).await?)
}
