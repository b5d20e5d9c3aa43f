//! Which server holds rows already, and of which tenants: asked once, at the first start.

use router::catalog::Catalog;
use router::directory::Directory;
use router::ids::{ServerId, quote_identifier};
use tokio_postgres::Client;

use crate::catalog::{Drift, ReadError, build, read};

/// A tenant whose rows are not where the directory would look for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The tenant's key as text.
    pub tenant: String,
    /// The table.
    pub table: String,
    /// The server that holds the rows.
    pub found_on: String,
    /// The server where the directory looks.
    pub expected_on: String,
}

/// What one server holds.
#[derive(Debug)]
pub(super) struct Holdings {
    catalog: Catalog,
    /// It has rows in tables with the tenant column.
    pub(super) tenants: bool,
    /// It has rows in tables without it.
    pub(super) others: bool,
}

/// Looks into every table of a server.
pub(super) async fn survey(client: &Client, tenant_column: &str) -> Result<Holdings, ReadError> {
    let facts = read(client).await?;
    let catalog = build(&facts, tenant_column, 1, &Drift::default());
    let (mut tenants, mut others) = (false, false);
    for (schema, name) in facts.tables() {
        let table = format!("{}.{}", quote_identifier(schema), quote_identifier(name));
        let question = format!("SELECT EXISTS (SELECT FROM {table})");
        let has_rows: bool = client.query_typed_one(&question, &[]).await?.try_get(0)?;
        let relation = catalog.relations.get(&(schema.to_owned(), name.to_owned()));
        match relation.and_then(|relation| relation.column(tenant_column)) {
            Some(_) => tenants |= has_rows,
            None => others |= has_rows,
        }
    }
    Ok(Holdings { catalog, tenants, others })
}

/// The tenants of a server that the directory places elsewhere.
pub(super) async fn strays(
    client: &Client,
    holdings: &Holdings,
    server: ServerId,
    directory: &Directory,
) -> Result<Vec<Stray>, ReadError> {
    let mut strays = Vec::new();
    for relation in holdings.catalog.sharded_tables() {
        let Some((column, key_type)) = relation.tenant_column() else { continue };
        let column = quote_identifier(&column.name);
        let question = format!("SELECT DISTINCT {column}::text FROM {}", relation.quoted_name());
        for row in client.query_typed(&question, &[]).await? {
            let tenant: String = row.try_get(0)?;
            let expected = key_type.parse(&tenant).map(|key| directory.locate(&key).server);
            if expected != Some(server) {
                strays.push(Stray {
                    table: relation.quoted_name(),
                    found_on: directory.server_name(server).to_owned(),
                    expected_on: expected.map_or("no server", |id| directory.server_name(id)).to_owned(),
                    tenant,
                });
            }
        }
    }
    Ok(strays)
}
