//! The example application with tokio-postgres: tasks of many tenants. Usage: `example-tokio-postgres URL`.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).context("usage: example-tokio-postgres URL")?;
    let (mut db, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    db.batch_execute("CREATE TABLE IF NOT EXISTS tokio_tasks (tenant_id bigint, task_id bigint, title text, done boolean DEFAULT false, PRIMARY KEY (tenant_id, task_id))").await?;

    // One tenant's statement goes to that tenant's server, however the key is sent.
    for tenant in 1..=10_i64 {
        let title = format!("welcome, tenant {tenant}");
        db.execute("INSERT INTO tokio_tasks VALUES ($1, 1, $2)", &[&tenant, &title]).await?;
    }

    // A transaction of a tenant, and its own writes read back at once.
    let transaction = db.transaction().await?;
    transaction.execute("INSERT INTO tokio_tasks VALUES ($1, 2, 'buy milk')", &[&7_i64]).await?;
    transaction
        .execute("UPDATE tokio_tasks SET done = true WHERE tenant_id = $1 AND task_id = 1", &[&7_i64])
        .await?;
    transaction.commit().await?;
    let own = "SELECT task_id, title, done FROM tokio_tasks WHERE tenant_id = $1 ORDER BY task_id";
    let rows = db.query(own, &[&7_i64]).await?;
    let rows: Vec<(i64, String, bool)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    ensure!(
        rows == [(1, "welcome, tenant 7".to_owned(), true), (2, "buy milk".to_owned(), false)],
        "{rows:?}"
    );

    // A prepared statement runs on any server.
    let title = db.prepare("SELECT title FROM tokio_tasks WHERE tenant_id = $1 AND task_id = 1").await?;
    for tenant in 1..=10_i64 {
        let found: String = db.query_one(&title, &[&tenant]).await?.get(0);
        ensure!(found == format!("welcome, tenant {tenant}"), "{found}");
    }

    // Several statements in flight at once.
    let (one, two) = tokio::try_join!(db.query_one(&title, &[&1_i64]), db.query_one(&title, &[&2_i64]))?;
    ensure!(one.get::<_, &str>(0) != two.get::<_, &str>(0), "two tenants, two titles");

    // COPY: each row finds its server, and all of it is there or none.
    let sink = db.copy_in("COPY tokio_tasks (tenant_id, task_id, title) FROM STDIN").await?;
    let mut sink = std::pin::pin!(sink);
    for tenant in 1..=100 {
        sink.send(Bytes::from(format!("{tenant}\t100\tcopied\n"))).await?;
    }
    ensure!(sink.finish().await? == 100, "100 rows copied");

    // A question over all tenants.
    let row = db.query_one("SELECT count(*), count(*) FILTER (WHERE done) FROM tokio_tasks", &[]).await?;
    ensure!((row.get::<_, i64>(0), row.get::<_, i64>(1)) == (111, 1), "{row:?}");

    // An error is PostgreSQL's own.
    let twice = db.execute("INSERT INTO tokio_tasks VALUES (7, 1, 'twice')", &[]).await;
    ensure!(
        twice.is_err_and(|error| error.code() == Some(&SqlState::UNIQUE_VIOLATION)),
        "a key stands twice"
    );

    db.batch_execute("DROP TABLE tokio_tasks").await?;
    println!("tokio-postgres: ok");
    Ok(())
}
