//! The schema `pgherd` that each server's database has.
//!
//! | table | holds |
//! | --- | --- |
//! | `hidden` | tenants whose rows stand twice, by move; readable by everyone |
//! | `decision` | outcomes of transactions over several servers |
//! | `cleanup` | what moves made here, noted before it is made |
//! | `guard` | one row a move, touched to carry the stream's position |
//! | `fence_N` | the token of move N |

use router::ids::MoveId;
use tokio_postgres::Client;

const SCHEMA: &str = "
SELECT pg_advisory_xact_lock(7594037101);
CREATE SCHEMA IF NOT EXISTS pgherd;
CREATE TABLE IF NOT EXISTS pgherd.hidden (move bigint, tenant text, PRIMARY KEY (move, tenant));
CREATE TABLE IF NOT EXISTS pgherd.decision (
    gid text PRIMARY KEY, outcome text NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS pgherd.cleanup (
    move bigint, kind text, name text, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (move, kind, name));
CREATE TABLE IF NOT EXISTS pgherd.guard (move bigint PRIMARY KEY, touched timestamptz NOT NULL);
GRANT USAGE ON SCHEMA pgherd TO PUBLIC;
GRANT SELECT ON pgherd.hidden TO PUBLIC;
GRANT SELECT, INSERT ON pgherd.decision TO PUBLIC;
";

/// Makes the schema where it is missing. Harmless to repeat, and beside others that do the same.
///
/// # Errors
/// What the server says, such as a missing right to create schemas.
pub async fn ensure(client: &Client) -> Result<(), tokio_postgres::Error> {
    let complete =
        "SELECT to_regclass('pgherd.hidden') IS NOT NULL AND to_regclass('pgherd.decision') IS NOT NULL
        AND to_regclass('pgherd.cleanup') IS NOT NULL AND to_regclass('pgherd.guard') IS NOT NULL";
    if client.query_one(complete, &[]).await?.get::<_, bool>(0) {
        return Ok(());
    }
    client.batch_execute(&format!("BEGIN; SET LOCAL client_min_messages = warning; {SCHEMA} COMMIT")).await
}

/// Notes a thing that is about to be made.
pub(super) async fn note(
    client: &Client,
    id: MoveId,
    kind: &str,
    name: &str,
) -> Result<(), tokio_postgres::Error> {
    let sql = "INSERT INTO pgherd.cleanup (move, kind, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    client.execute(sql, &[&number(id), &kind, &name]).await.map(drop)
}

/// A move's number as SQL's `bigint`.
pub(super) fn number(id: MoveId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}
