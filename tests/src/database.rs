//! Plain connections to PostgreSQL or to pgherd, and the roles that every server of a fleet knows.

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls};

/// The application's role; no superuser, and it comes with a password.
pub const APP_USER: &str = "app";

/// The password of [`APP_USER`].
pub const APP_PASSWORD: &str = "app secret";

/// Connects to a `postgres://` URL; the connection lives as long as the client.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.with_context(|| format!("cannot connect to {url}"))?;
    tokio::spawn(connection);
    Ok(client)
}

/// The URL of a database; the password is given for the application's role only, the others are trusted.
pub(crate) fn url(port: u16, user: &str, database: &str) -> String {
    let password =
        if user == APP_USER { format!(":{}", APP_PASSWORD.replace(' ', "%20")) } else { String::new() };
    format!("postgres://{user}{password}@127.0.0.1:{port}/{database}")
}

/// Makes the application's role and its databases, on a primary.
pub(crate) async fn furnish(port: u16, databases: &[String]) -> Result<()> {
    let client = connect(&url(port, "postgres", "postgres")).await?;
    client.batch_execute(&format!("CREATE ROLE {APP_USER} LOGIN PASSWORD '{APP_PASSWORD}'")).await?;
    for database in databases {
        client.batch_execute(&format!("CREATE DATABASE {database} OWNER {APP_USER}")).await?;
    }
    Ok(())
}
