//! After ALTER TABLE computed values for rows that were there, on each server by itself: the defaults that
//! were constants for them become what the statement says, and copies must have stayed equal.

use router::ids::quote_literal;
use router::sql::{Filling, Statement};

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::must;
use crate::execute::planned::Decision;
use crate::execute::trouble::Trouble;

/// Sets the defaults, and compares the rows of a table of which every server has a copy.
///
/// # Errors
/// 0A000 where the copies differ, and what a server says; the caller rolls back.
pub(super) async fn settle(
    executor: &mut Executor,
    statement: &Statement,
    decision: &Decision,
) -> Result<(), Trouble> {
    let legs = &decision.plan.legs;
    let Some(filling) = statement.filling().filter(|_| legs.len() > 1) else { return Ok(()) };
    let may_differ = may_differ(filling, &executor.catalog().tenant_column);
    let rows = format!(
        "SELECT pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(filled::text, 0)::numeric) \
         FROM {} filled",
        filling.table
    );
    let mut first = None;
    for leg in legs {
        let connection = executor.connection(leg.server);
        for default in filling.defaults() {
            must(connection, default).await?;
        }
        let looks = connection.simple(&may_differ).await?.ok()?.rows;
        if !matches!(looks.first().and_then(|row| row.first()), Some(Some(_))) {
            continue;
        }
        let copy = connection.simple(&rows).await?.ok()?.rows;
        if first.get_or_insert_with(|| copy.clone()) != &copy {
            return Err(unequal(&filling.table).into());
        }
    }
    Ok(())
}

/// A query that gives a row where every server has a copy of the table, and computed values for it.
fn may_differ(filling: &Filling, tenant_column: &str) -> String {
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
        format!("ARRAY[{}]::pg_catalog.name[]", names.join(", "))
    };
    format!(
        "SELECT 1 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
         WHERE a.attrelid = pg_catalog.to_regclass({table}) AND NOT a.attisdropped \
         AND (a.attname = ANY ({}) OR a.attname = ANY ({}) AND t.typtype = 'd' AND t.typdefault IS NOT NULL) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute k WHERE k.attrelid = a.attrelid \
         AND k.attname = {} AND NOT k.attisdropped) LIMIT 1",
        list(&filling.computed),
        list(&filling.added),
        quote_literal(tenant_column),
        table = quote_literal(&filling.table),
    )
}

fn unequal(table: &str) -> ClientError {
    ClientError::unsupported(
        format!(
            "each server computed other values for the rows of {table}, of which every server has a copy"
        ),
        "Add the column without a default, fill it with UPDATE, then set the default.",
    )
}
