//! One probe: what a node says of itself, in one round trip.

use router::ids::Lsn;
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, Error, Statement};

/// What a node said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observation {
    /// The identifier that all nodes of one server share.
    pub(super) system: i64,
    /// What it is.
    pub(super) role: Observed,
}

/// What a node is by its own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Observed {
    /// Not in recovery.
    Primary {
        /// Where the next log record will be inserted.
        insert: Lsn,
        /// The timeline that it writes.
        timeline: u32,
    },
    /// In recovery.
    Replica {
        /// What it has replayed.
        replayed: Lsn,
        /// The timeline that it receives; `None` where it does not stream, or where the admin role
        /// may not see it.
        timeline: Option<u32>,
    },
}

/// `OFFSET 0` keeps the answer of `pg_is_in_recovery` one and the same in the whole row, though a
/// promotion may fall into it. The first eight digits of a log file's name are its timeline.
const QUESTION: &str = "\
SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()),
       CASE WHEN r.recovery THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END,
       CASE WHEN r.recovery
            THEN (SELECT received_tli::pg_catalog.int8 FROM pg_catalog.pg_stat_wal_receiver)
            ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(
                  pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::pg_catalog.bit(32)::pg_catalog.int8
       END,
       r.recovery
FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovery OFFSET 0) AS r";

/// Prepares the probe on a new connection.
pub(super) async fn prepare(client: &Client) -> Result<Statement, Error> {
    client.prepare(QUESTION).await
}

/// Asks once. `None` where the node has nothing to say yet, as a replica before its first record.
pub(super) async fn ask(client: &Client, statement: &Statement) -> Result<Option<Observation>, Error> {
    let row = client.query_one(statement, &[]).await?;
    let system: i64 = row.try_get(0)?;
    let Some(lsn) = row.try_get::<_, Option<PgLsn>>(1)?.map(|lsn| Lsn(u64::from(lsn))) else {
        return Ok(None);
    };
    let timeline: Option<i64> = row.try_get(2)?;
    let timeline = timeline.and_then(|timeline| u32::try_from(timeline).ok());
    let role = match (row.try_get(3)?, timeline) {
        (true, timeline) => Observed::Replica { replayed: lsn, timeline },
        (false, Some(timeline)) => Observed::Primary { insert: end_of_last_record(lsn), timeline },
        (false, None) => return Ok(None),
    };
    Ok(Some(Observation { system, role }))
}

/// `pg_current_wal_insert_lsn` skips the header (24 bytes) of a page that nothing was written to
/// yet; replicas report the end of the last record, which is then the page's start. Without this an
/// idle primary at a page's start would look ahead of all its replicas.
fn end_of_last_record(insert: Lsn) -> Lsn {
    const PAGE: u64 = 8192;
    const HEADER: u64 = 24;
    if insert.0 % PAGE == HEADER { Lsn(insert.0 - HEADER) } else { insert }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_behind_a_page_header_is_the_end_of_the_page_before() {
        assert_eq!(end_of_last_record(Lsn(8192 * 7 + 24)), Lsn(8192 * 7));
        assert_eq!(end_of_last_record(Lsn(8192 * 7 + 32)), Lsn(8192 * 7 + 32));
    }
}
