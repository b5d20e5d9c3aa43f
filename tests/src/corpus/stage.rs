//! The stage of a corpus: the same schema and rows in a fleet and in its oracle.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use tokio_postgres::Client;

use crate::answer::Answer;
use crate::session::Session;
use crate::{APP_USER, Fleet, Oracle};

/// A table of the corpus.
#[derive(Debug, Clone)]
struct Table {
    name: String,
    /// Where its own rows are read: without those of tables that inherit from it.
    rows: String,
    is_sharded: bool,
    /// Its columns but the generated ones, as COPY takes them.
    columns: String,
}

impl Table {
    /// COPY of its rows; a partitioned table gives them to a query only.
    fn copy_out(&self) -> String {
        format!("COPY (SELECT {} FROM {}) TO STDOUT", self.columns, self.rows)
    }

    fn copy_in(&self) -> String {
        format!("COPY {} ({}) FROM STDIN", self.name, self.columns)
    }
}

/// What the tables of one PostgreSQL hold: per table, its rows as text, sorted.
pub type Contents = BTreeMap<String, Vec<String>>;

/// A fleet and an oracle with the same rows.
pub struct Stage {
    tables: Vec<Table>,
    servers: Vec<Client>,
    oracle: Client,
    /// The rows at the start, in COPY's text format: of each server, then of the oracle.
    pristine: Vec<BTreeMap<String, Bytes>>,
    before: (Vec<Contents>, Contents),
}

impl Stage {
    /// Loads a corpus into a database of the fleet, through the `front` (pgherd's port), and of the oracle.
    pub async fn load(
        fleet: &Fleet,
        front: u16,
        oracle: &Oracle,
        database: &str,
        corpus: &Path,
    ) -> Result<Stage> {
        let mut ours = Session::open(front, APP_USER, database, &[]).await?;
        let mut oracles = oracle.session(database).await?;
        for file in ["schema.sql", "reference.sql"] {
            for statement in statements(&corpus.join(file))? {
                expect_success(&statement, &oracles.ask(&statement).await?)?;
                expect_success(&statement, &ours.ask(&statement).await?)?;
            }
        }
        for statement in statements(&corpus.join("data.sql"))? {
            expect_success(&statement, &oracles.ask(&statement).await?)?;
        }
        let tables = tables(&mut oracles).await?;
        for table in tables.iter().filter(|table| table.is_sharded) {
            let rows = oracles.ask(&table.copy_out()).await?.copied;
            let copy = table.copy_in();
            expect_success(&copy, &ours.copy_in(&copy, rows.as_bytes()).await?)?;
        }
        if corpus.join("oracle.sql").exists() {
            for statement in statements(&corpus.join("oracle.sql"))? {
                expect_success(&statement, &oracles.ask(&statement).await?)?;
            }
        }
        let mut servers = Vec::new();
        for server in fleet.servers() {
            servers.push(server.connect(database).await?);
        }
        let oracle = oracle.connect(database).await?;
        let before = (Vec::new(), Contents::new());
        let mut stage = Stage { tables, servers, oracle, pristine: Vec::new(), before };
        stage.pristine = stage.copies().await?;
        stage.before = stage.contents().await?;
        match stage.difference(false).await? {
            None => Ok(stage),
            Some(difference) => bail!("the rows were not loaded as they are: {difference}"),
        }
    }

    /// Two tenants of the corpus as they are written in SQL, on different servers if there is more than one.
    pub async fn distant_tenants(&self) -> Result<(String, String)> {
        let question = "SELECT CASE WHEN pg_typeof(tenant_id) = 'bigint'::regtype THEN tenant_id::text
            ELSE quote_literal(tenant_id) END FROM tenants ORDER BY tenant_id LIMIT 2";
        let mut of_servers = Vec::new();
        for server in &self.servers {
            let rows = server.query(question, &[]).await?;
            of_servers.push(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>());
        }
        match of_servers.as_slice() {
            [only] => Ok((only[0].clone(), only[1].clone())),
            [first, second, ..] if !first.is_empty() && !second.is_empty() => {
                Ok((first[0].clone(), second[0].clone()))
            }
            _ => bail!("the tenants of the corpus are not spread over the servers"),
        }
    }

    /// How the fleet's contents differ from the oracle's, if they do; `volatile` compares no values with the oracle.
    pub async fn difference(&self, volatile: bool) -> Result<Option<String>> {
        let (servers, oracle) = self.contents().await?;
        for table in &self.tables {
            let copies: Vec<&Vec<String>> = servers.iter().map(|server| &server[&table.name]).collect();
            let expected = &oracle[&table.name];
            if let Some(difference) = difference(table, &copies, expected, volatile) {
                return Ok(Some(difference));
            }
        }
        self.doubled_tenant().await
    }

    /// Puts all the rows back where the load had put them.
    pub async fn restore(&self) -> Result<()> {
        let (servers, oracle) = self.contents().await?;
        if (&servers, &oracle) == (&self.before.0, &self.before.1) {
            return Ok(());
        }
        for (client, rows) in self.servers.iter().chain([&self.oracle]).zip(&self.pristine) {
            self.put_back(client, rows).await?;
        }
        Ok(())
    }

    async fn put_back(&self, client: &Client, rows: &BTreeMap<String, Bytes>) -> Result<()> {
        let names: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        let truncate =
            format!("SET session_replication_role = replica; TRUNCATE {} RESTART IDENTITY", names.join(", "));
        client.batch_execute(&truncate).await?;
        for table in &self.tables {
            let sink = client.copy_in(&table.copy_in()).await?;
            let mut sink = std::pin::pin!(sink);
            sink.send(rows[&table.name].clone()).await?;
            sink.close().await?;
        }
        Ok(())
    }

    /// Puts all the rows back through pgherd, wherever it has their tenants now.
    pub async fn refill(&self, front: u16, database: &str) -> Result<()> {
        let mut ours = Session::open(front, APP_USER, database, &[]).await?;
        let names: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        let truncate = format!("TRUNCATE {}", names.join(", "));
        expect_success(&truncate, &ours.ask(&truncate).await?)?;
        let rows = self.pristine.last().context("the oracle's rows come last")?;
        for table in &self.tables {
            let copy = table.copy_in();
            expect_success(&copy, &ours.copy_in(&copy, &rows[&table.name]).await?)?;
        }
        self.put_back(&self.oracle, rows).await?;
        match self.difference(false).await? {
            None => Ok(()),
            Some(difference) => bail!("the rows were not put back as they were: {difference}"),
        }
    }

    /// Runs the clean-up of a case on every server and on the oracle.
    pub async fn clean(&self, sql: &str) -> Result<()> {
        for client in self.servers.iter().chain([&self.oracle]) {
            client.batch_execute(sql).await.with_context(|| format!("clean-up: {sql}"))?;
        }
        Ok(())
    }

    async fn copies(&self) -> Result<Vec<BTreeMap<String, Bytes>>> {
        let mut all = Vec::new();
        for client in self.servers.iter().chain([&self.oracle]) {
            let mut copies = BTreeMap::new();
            for table in &self.tables {
                let rows = client.copy_out(&table.copy_out()).await?;
                let rows: Vec<Bytes> = rows.try_collect().await?;
                copies.insert(table.name.clone(), Bytes::from(rows.concat()));
            }
            all.push(copies);
        }
        Ok(all)
    }

    async fn contents(&self) -> Result<(Vec<Contents>, Contents)> {
        let mut servers = Vec::new();
        for client in &self.servers {
            servers.push(contents(client, &self.tables).await?);
        }
        Ok((servers, contents(&self.oracle, &self.tables).await?))
    }

    /// A tenant whose rows stand on more than one server.
    pub(crate) async fn doubled_tenant(&self) -> Result<Option<String>> {
        let sharded = self.tables.iter().filter(|table| table.is_sharded);
        let parts: Vec<String> =
            sharded.map(|table| format!("SELECT tenant_id::text FROM {}", table.name)).collect();
        let question = parts.join(" UNION ");
        let mut homes: BTreeMap<String, usize> = BTreeMap::new();
        for (number, server) in self.servers.iter().enumerate() {
            for row in server.query(&question, &[]).await? {
                let tenant = row.get::<_, Option<String>>(0).unwrap_or_default();
                if homes.insert(tenant.clone(), number).is_some() {
                    return Ok(Some(format!("tenant {tenant} has rows on two servers")));
                }
            }
        }
        Ok(None)
    }
}

fn difference(table: &Table, copies: &[&Vec<String>], expected: &[String], volatile: bool) -> Option<String> {
    let name = &table.name;
    if !table.is_sharded && copies.windows(2).any(|pair| pair[0] != pair[1]) {
        return Some(format!("the copies of the reference table {name} differ: {copies:?}"));
    }
    let mut ours = if table.is_sharded {
        copies.iter().copied().flatten().cloned().collect()
    } else {
        copies[0].clone()
    };
    ours.sort();
    if volatile {
        let same = ours.len() == expected.len();
        return (!same).then(|| format!("{name} has {} rows instead of {}", ours.len(), expected.len()));
    }
    if ours == expected {
        return None;
    }
    let surplus: Vec<&String> = ours.iter().filter(|row| !expected.contains(row)).take(5).collect();
    let missing: Vec<&String> = expected.iter().filter(|row| !ours.contains(row)).take(5).collect();
    let counts = format!("{} rows instead of {}", ours.len(), expected.len());
    Some(format!("{name} holds other rows afterwards ({counts}): too many {surplus:?}, missing {missing:?}"))
}

/// All rows of all tables, by one question.
async fn contents(client: &Client, tables: &[Table]) -> Result<Contents> {
    let rows_of =
        |(number, table): (usize, &Table)| format!("SELECT {number}, t::text FROM {} t", table.rows);
    let parts: Vec<String> = tables.iter().enumerate().map(rows_of).collect();
    let mut contents: Contents = tables.iter().map(|table| (table.name.clone(), Vec::new())).collect();
    for row in client.query(&parts.join(" UNION ALL "), &[]).await? {
        let table = usize::try_from(row.get::<_, i32>(0)).ok().and_then(|number| tables.get(number));
        let rows = table.and_then(|table| contents.get_mut(&table.name)).context("a row of no table")?;
        rows.push(row.get(1));
    }
    contents.values_mut().for_each(|rows| rows.sort());
    Ok(contents)
}

async fn tables(oracle: &mut Session) -> Result<Vec<Table>> {
    let question = "SELECT relname, exists (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id'),
        (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND attgenerated = '' AND NOT attisdropped),
        CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END || relname
        FROM pg_class c WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace ORDER BY c.oid";
    let answer = oracle.ask(question).await?;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let table = |row: &Vec<Option<String>>| Table {
        name: text(&row[0]),
        rows: text(&row[3]),
        is_sharded: text(&row[1]) == "t",
        columns: text(&row[2]),
    };
    Ok(answer.rows.iter().map(table).collect())
}

/// The statements of a file; each ends with a semicolon at the end of a line.
pub(crate) fn statements(file: &PathBuf) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = text.lines().filter(|line| !line.starts_with("--"));
    let text = lines.collect::<Vec<&str>>().join("\n") + "\n";
    let statements = text.split(";\n").map(|statement| statement.trim().to_owned());
    Ok(statements.filter(|statement| !statement.is_empty()).collect())
}

fn expect_success(sql: &str, answer: &Answer) -> Result<()> {
    match &answer.fault {
        None => Ok(()),
        Some(fault) => bail!("{sql}: {fault}"),
    }
}
