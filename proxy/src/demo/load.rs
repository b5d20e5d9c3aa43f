//! The demo's rows, through the proxy: COPY sends each row to its tenant's server.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::SinkExt;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_postgres::Client;

use super::schema::STATEMENTS;

/// How many tenants there are.
pub(super) const TENANTS: u64 = 200;
/// How many rows there are in all tables together, about.
pub(super) const ROWS: u64 = 100_000;
const USERS: u64 = 10;
const PROJECTS: u64 = 5;
const TASKS: u64 = 184;
const EVENTS: u64 = 300;
/// How much COPY data is sent at a time.
const CHUNK: usize = 32 * 1024;

/// Makes the tables and fills them; does nothing where they are there.
pub(super) async fn load(client: &Client) -> Result<()> {
    let there = client
        .simple_query(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = 'public' AND table_name = 'events'",
        )
        .await?;
    if there.iter().any(|message| matches!(message, tokio_postgres::SimpleQueryMessage::Row(_))) {
        return Ok(());
    }
    for statement in STATEMENTS {
        client.batch_execute(statement).await.with_context(|| statement.to_owned())?;
    }
    let bar = ProgressBar::new(ROWS);
    bar.set_style(ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len} rows")?);
    table(client, &bar, "tenants", 1, |tenant, _| {
        let plan = ["free", "team", "business"][(tenant % 3) as usize];
        format!("{tenant}\tTenant {tenant}\t{plan}\t2026-01-{:02}T09:00:00Z\n", tenant % 28 + 1)
    })
    .await?;
    table(client, &bar, "users", USERS, |tenant, user| {
        format!(
            "{tenant}\t{user}\tuser{user}@tenant{tenant}.example\t2026-02-{:02}\n",
            (tenant + user) % 28 + 1
        )
    })
    .await?;
    table(client, &bar, "projects", PROJECTS, |tenant, project| {
        format!("{tenant}\t{project}\tProject {project} of tenant {tenant}\n")
    })
    .await?;
    table(client, &bar, "tasks", TASKS, |tenant, task| {
        let (project, done) = (task % PROJECTS + 1, if task % 3 == 0 { "t" } else { "f" });
        format!("{tenant}\t{task}\t{project}\tTask {task}\t{done}\t{}.{:02}\n", task % 40, tenant % 100)
    })
    .await?;
    table(client, &bar, "events", EVENTS, |tenant, event| {
        let kind = ["login", "edit", "comment", "export"][(event % 4) as usize];
        let (hour, minute) = (event % 24, tenant % 60);
        format!(
            "{tenant}\t{event}\t{kind}\t2026-03-{:02}T{hour:02}:{minute:02}:00Z\t{{\"n\": {event}}}\n",
            event % 28 + 1
        )
    })
    .await?;
    bar.finish_and_clear();
    Ok(())
}

/// Fills one table with `each` rows a tenant.
async fn table(
    client: &Client,
    bar: &ProgressBar,
    name: &'static str,
    each: u64,
    line: impl Fn(u64, u64) -> String,
) -> Result<()> {
    bar.set_message(format!("loading {name}"));
    let sink = client.copy_in(&format!("COPY {name} FROM STDIN")).await?;
    let mut sink = std::pin::pin!(sink);
    let mut chunk = String::with_capacity(CHUNK + 256);
    for row in 1..=each {
        for tenant in 1..=TENANTS {
            chunk.write_str(&line(tenant, row))?;
            if chunk.len() >= CHUNK {
                sink.send(Bytes::from(std::mem::take(&mut chunk))).await?;
            }
        }
        bar.inc(TENANTS);
    }
    sink.send(Bytes::from(chunk)).await?;
    sink.finish().await?;
    Ok(())
}
