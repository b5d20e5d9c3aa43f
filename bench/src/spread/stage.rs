//! Two servers behind pgherd, and one PostgreSQL with the same rows.

use anyhow::{Context, Result, ensure};
use tests::{Daemon, Fleet, Oracle};
use tokio_postgres::Client;

use super::clock::Clock;

/// Rows with keys of several kinds.
const READINGS: &str = "
    CREATE TABLE readings (tenant_id bigint NOT NULL, id bigint NOT NULL, sensor int NOT NULL, name text COLLATE \"C\" NOT NULL,
                           amount numeric(12, 2) NOT NULL, at timestamptz NOT NULL, note text NOT NULL,
                           PRIMARY KEY (tenant_id, id));
    CREATE INDEX ON readings (id)";

/// The same for the writes of the bench.
const COUNTERS: &str = "CREATE TABLE counters (tenant_id bigint PRIMARY KEY, n bigint NOT NULL)";

/// Tenants of all tables.
const TENANTS: u64 = 200;

/// Servers and the one PostgreSQL, all running.
#[derive(Debug)]
pub struct Stage {
    pub(super) fleet: Fleet,
    pub(super) daemon: Daemon,
    pub(super) oracle: Oracle,
    pub(super) rows: u64,
}

impl Stage {
    /// Starts them.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn start(rows: u64) -> Result<Stage> {
        let fleet = Fleet::builder().servers(2).start().await?;
        let daemon = fleet.daemon().start().await?;
        let oracle = fleet.oracle().await?;
        Ok(Stage { fleet, daemon, oracle, rows })
    }

    /// Makes the tables, the same rows on both sides.
    ///
    /// # Errors
    /// PostgreSQL refused something.
    pub async fn fill(&self) -> Result<()> {
        let plain = self.oracle.connect("app").await?;
        plain.batch_execute(&format!("SET ROLE app; {READINGS}; {COUNTERS}")).await?;
        let rows = format!(
            "INSERT INTO readings SELECT n % {TENANTS}, n, n % 100000, md5(n::text), n % 1000000 / 100.0, \
             '2026-01-01'::timestamptz + n * '1 s'::interval, 'reading number ' || n \
             FROM generate_series(1, {}) n",
            self.rows
        );
        let counters = format!("INSERT INTO counters SELECT n, 0 FROM generate_series(0, {}) n", TENANTS - 1);
        plain.batch_execute(&format!("{rows}; {counters}")).await?;
        let mut ours = self.daemon.session("app").await?;
        for sql in format!("{READINGS}; {COUNTERS}").split(';') {
            let fault = ours.ask(sql).await?.fault;
            ensure!(fault.is_none(), "{sql}: {fault:?}");
        }
        for table in ["readings", "counters"] {
            let copied = copy_of(&plain, table).await?;
            let answer = ours.copy_in(&format!("COPY {table} FROM STDIN"), &copied).await?;
            ensure!(answer.fault.is_none(), "{table}: {:?}", answer.fault);
        }
        self.settle().await
    }

    /// Statistics, and nothing left to write.
    pub(super) async fn settle(&self) -> Result<()> {
        let mut clients = vec![self.oracle.connect("app").await?];
        for server in self.fleet.servers() {
            clients.push(server.connect("app").await?);
        }
        for client in clients {
            client.batch_execute("VACUUM ANALYZE").await?;
            client.batch_execute("CHECKPOINT").await?;
        }
        Ok(())
    }

    /// The proxy's process.
    pub(super) fn process(&self) -> Result<u32> {
        self.daemon.process().context("pgherd does not run")
    }

    pub(super) fn clock(&self) -> Result<Clock> {
        Clock::start(self.process()?)
    }
}

async fn copy_of(client: &Client, table: &str) -> Result<Vec<u8>> {
    use futures_util::TryStreamExt;
    let stream = client.copy_out(&format!("COPY {table} TO STDOUT")).await?;
    let chunks: Vec<_> = stream.try_collect().await?;
    Ok(chunks.concat())
}
