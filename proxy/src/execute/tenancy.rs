//! A table that gets the tenant column, or loses it, while it has rows: they must be where the column says,
//! else a statement would find them twice, or not at all. It is looked at before the change is committed.

use router::ids::{KeyType, quote_identifier, quote_literal};
use router::sql::Statement;

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::planned::Decision;
use crate::execute::trouble::Trouble;

/// Looks whether the rows are where they belong after a schema change that just ran on all legs.
///
/// # Errors
/// 0A000 where they are not; the caller rolls back.
pub(super) async fn check(
    executor: &mut Executor,
    statement: &Statement,
    decision: &Decision,
) -> Result<(), Trouble> {
    let catalog = executor.catalog();
    let Some(change) = statement.tenancy_change().filter(|_| decision.plan.legs.len() > 1) else {
        return Ok(());
    };
    let column = &catalog.tenant_column;
    let known = format!(
        "SELECT a.atttypid::int8 FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
         AND a.attname = {} AND a.attnum > 0 AND NOT a.attisdropped WHERE c.oid = pg_catalog.to_regclass({})",
        quote_literal(column),
        quote_literal(&change.table)
    );
    let keys = format!("SELECT DISTINCT {}::text FROM {}", quote_identifier(column), change.table);
    let any = format!("SELECT 1 FROM {} LIMIT 1", change.table);
    for leg in &decision.plan.legs {
        let connection = executor.connection(leg.server);
        let found = connection.simple(&known).await?.ok()?.rows;
        let Some(of_type) = found.first().and_then(|row| row.first()) else { return Ok(()) };
        let Some(of_type) = of_type else {
            let has_rows = change.takes_away && !connection.simple(&any).await?.ok()?.rows.is_empty();
            if has_rows {
                return Err(misplaced(&change.table).into());
            }
            continue;
        };
        // A column of another type says nothing: the table is not used over several servers.
        let Some(key_type) = of_type.parse().ok().and_then(KeyType::of_type_oid) else { return Ok(()) };
        for row in connection.simple(&keys).await?.ok()?.rows {
            let Some(Some(text)) = row.first() else { continue };
            let here =
                key_type.parse(text).is_some_and(|key| decision.directory.locate(&key).server == leg.server);
            if !here {
                return Err(misplaced(&change.table).into());
            }
        }
    }
    Ok(())
}

fn misplaced(table: &str) -> ClientError {
    ClientError::unsupported(
        format!(
            "this changes whose rows those of {table} are, and they would be on other servers than they are"
        ),
        "Create a new table as it shall be, fill it with INSERT ... SELECT, and rename both.",
    )
}
