//! The tables of schema `pgherd`, the few things that pgherd keeps on each server.
//!
//! | table | a row is |
//! | --- | --- |
//! | `hidden` | a tenant whose rows here are a move's copy: statements without a tenant skip them |
//! | `decision` | the outcome of a transaction over several servers whose decider is this one |
//! | `in_turn` | a change of the schema that runs on one server after the other, and is not done on all |
//!
//! Clients' own roles read the first and insert into the second inside their transactions, so these
//! are granted to all; the third is the proxy's own.

use std::time::Duration;

use router::ids::ServerId;

use crate::replicas::{Servers, Unreachable};

/// The advisory lock keeps two proxies that start at once from making the tables twice.
const MAKE: &str = "
BEGIN;
SELECT pg_catalog.pg_advisory_xact_lock(7310868735119204452);
CREATE SCHEMA IF NOT EXISTS pgherd;
GRANT USAGE ON SCHEMA pgherd TO PUBLIC;
CREATE TABLE IF NOT EXISTS pgherd.hidden (
    move bigint NOT NULL,
    tenant text COLLATE \"C\" NOT NULL,
    PRIMARY KEY (move, tenant)
);
GRANT SELECT ON pgherd.hidden TO PUBLIC;
CREATE TABLE IF NOT EXISTS pgherd.decision (
    gid text COLLATE \"C\" PRIMARY KEY,
    outcome text NOT NULL CHECK (outcome IN ('commit', 'abort')),
    at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON pgherd.decision TO PUBLIC;
CREATE TABLE IF NOT EXISTS pgherd.in_turn (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    statement text NOT NULL,
    object text,
    path text NOT NULL,
    role text NOT NULL,
    began timestamptz NOT NULL DEFAULT now(),
    done text[] NOT NULL DEFAULT '{}',
    error text
);
CREATE UNIQUE INDEX IF NOT EXISTS in_turn_work ON pgherd.in_turn (md5(statement), path, role);";

/// How many servers `pgherd.unique_id()` can tell apart.
const MOST_SERVERS: u16 = 256;

/// Ids that rise with time: 41 bits of milliseconds since 2024, 8 bits of the server's number, 14 bits that
/// count on. A copy of another server's schema brings that server's number, so it is made anew then.
const UNIQUE_ID: &str = "
CREATE SEQUENCE IF NOT EXISTS pgherd.unique_tick;
GRANT USAGE ON SEQUENCE pgherd.unique_tick TO PUBLIC;
CREATE OR REPLACE FUNCTION pgherd.unique_id() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (pg_catalog.floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::bigint - 1704067200000 << 22)
        | ({number}::bigint << 14)
        | (pg_catalog.nextval('pgherd.unique_tick'::pg_catalog.regclass) & 16383)
$$;
COMMIT";

/// A role without the right to create must not fail where all is there already.
const STANDS: &str = "SELECT pg_catalog.to_regclass('pgherd.hidden') IS NOT NULL \
     AND pg_catalog.to_regclass('pgherd.decision') IS NOT NULL \
     AND pg_catalog.to_regclass('pgherd.in_turn') IS NOT NULL \
     AND EXISTS (SELECT FROM pg_catalog.pg_proc WHERE oid = pg_catalog.to_regprocedure('pgherd.unique_id()') \
       AND prosrc LIKE '%({number}::bigint << 14)%')";

/// The tables could not be made on a server.
#[derive(Debug, thiserror::Error)]
pub enum BookkeepingFailed {
    /// The server can not be reached.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// There are more than can be told apart.
    #[error("server {0} has number {1}, and pgherd.unique_id() can tell 256 servers apart")]
    TooMany(String, u16),
    /// It refused.
    #[error("the bookkeeping tables could not be made on server {server}: {}", reason(.source))]
    Refused {
        /// The server's name.
        server: String,
        /// What it said.
        source: tokio_postgres::Error,
    },
}

/// Makes the tables of one database on one server where they are missing, and `pgherd.unique_id()` with the
/// server's number in the directory.
///
/// # Errors
/// [`BookkeepingFailed`].
pub async fn keep_books(
    servers: &Servers,
    (server, number): (&str, ServerId),
    database: &str,
    limit: Duration,
) -> Result<(), BookkeepingFailed> {
    if number.0 >= MOST_SERVERS {
        return Err(BookkeepingFailed::TooMany(server.to_owned(), number.0));
    }
    let numbered = |text: &str| text.replace("{number}", &number.0.to_string());
    let client = servers.connect(server, database, limit).await?;
    let refused = |source| BookkeepingFailed::Refused { server: server.to_owned(), source };
    let row = client.query_typed_one(&numbered(STANDS), &[]).await.map_err(refused)?;
    if row.try_get(0).map_err(refused)? {
        return Ok(());
    }
    client.batch_execute(&numbered(&format!("{MAKE}{UNIQUE_ID}"))).await.map_err(refused)
}

fn reason(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |answer| answer.message().to_owned())
}
