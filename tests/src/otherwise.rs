//! Other ways in which PostgreSQL itself may run a statement: with another plan, or over the same rows stored in another order. A
//! statement whose answer differs then leaves open what its answer is.

use anyhow::Result;

use crate::session::Session;

/// The plans that PostgreSQL is asked for, besides its own choice.
pub(crate) const OTHER_PLANS: [&str; 4] = [
    "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_indexonlyscan = off",
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off",
    "SET LOCAL enable_hashagg = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_nestloop = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
];

/// What makes PostgreSQL run a query otherwise, in the transaction in which it is said.
pub(crate) async fn otherwise(oracle: &mut Session, sql: &str) -> Result<Vec<String>> {
    let mut ways = OTHER_PLANS.map(str::to_owned).to_vec();
    for salt in ["", "a", "b", "c", "d"] {
        ways.push(shuffled(oracle, sql, salt).await?);
    }
    Ok(ways)
}

/// Hides the tables that a statement names by copies whose rows stand in another order.
async fn shuffled(oracle: &mut Session, sql: &str, salt: &str) -> Result<String> {
    let words = sql.split(|character: char| !(character.is_alphanumeric() || character == '_'));
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    let question = format!(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relpersistence = 'p' AND \
         pg_table_is_visible(oid) AND relname = ANY ('{{{}}}')",
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(",")
    );
    let tables = oracle.ask(&question).await?;
    let copy = |row: &Vec<Option<String>>| {
        let table = row.first()?.clone()?;
        Some(format!(
            "CREATE TEMP TABLE {table} AS SELECT * FROM {table} t ORDER BY md5('{salt}' || t::text)"
        ))
    };
    Ok(tables.rows.iter().filter_map(copy).collect::<Vec<_>>().join("; "))
}
