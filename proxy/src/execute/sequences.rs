//! After a change of the schema on several servers: the sequences that it made or changed count apart, in
//! the same transaction, so that no server gives a number that another gives.

use std::collections::HashMap;

use router::ids::{ServerId, quote_literal};
use router::sequences::{Counter, Unspreadable, are_apart, renumbered, spread, step};
use router::sql::Statement;

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::{Hindrance, must};
use crate::execute::planned::Decision;
use crate::execute::trouble::Trouble;
use crate::sequences::{counter, definition, question};

/// The sequences that the transaction has made or changed, and may define.
const CHANGED: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) \
     FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE pg_catalog.age(s.xmin) <= 0 AND c.relpersistence <> 't' AND n.nspname <> 'pgherd' \
       AND pg_catalog.pg_has_role(c.relowner, 'USAGE') ORDER BY 1";

/// How all sequences are defined.
const DEFINITIONS: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), s.seqstart, s.seqincrement \
     FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relpersistence <> 't'";

/// What each sequence counted by over all servers.
pub(super) type Steps = HashMap<String, i64>;

/// The steps of all sequences, where the statement is about to hide them: a START of the user's own is
/// the same on every server.
///
/// # Errors
/// A server does not answer.
pub(super) async fn steps_before(
    executor: &mut Executor,
    statement: &Statement,
    decision: &Decision,
) -> Result<Steps, Hindrance> {
    let options = statement.sequence_options();
    if !options.start || options.increment || decision.plan.legs.len() < 2 {
        return Ok(Steps::new());
    }
    let mut found: HashMap<String, Vec<Counter>> = HashMap::new();
    for leg in &decision.plan.legs {
        executor.branch(leg, decision).await?;
        let outcome = executor.connection(leg.server).simple(DEFINITIONS).await?;
        for row in outcome.ok()?.rows {
            let number = |index: usize| row.get(index).cloned().flatten();
            let whole = [number(1), number(2), number(1), number(1), None, number(1), None];
            let whole = whole.map(|value| value.or_else(|| Some("f".to_owned())));
            if let (Some(Some(name)), Some(counter)) = (row.first(), counter(&whole)) {
                found.entry(name.clone()).or_default().push(counter);
            }
        }
    }
    Ok(found.into_iter().filter_map(|(name, counters)| Some((name, step(&counters)?))).collect())
}

/// Brings apart what the statement made or changed.
///
/// # Errors
/// 0A000 where a sequence cannot count on several servers; a server's own.
pub(super) async fn bring_apart(
    executor: &mut Executor,
    statement: &Statement,
    decision: &Decision,
    steps: &Steps,
) -> Result<(), Trouble> {
    let stride = executor.database.config.sequence_stride;
    let servers: Vec<ServerId> = decision.plan.legs.iter().map(|leg| leg.server).collect();
    let [home, _, ..] = servers.as_slice() else { return Ok(()) };
    if stride < 2 || !statement.defines_schema() {
        return Ok(());
    }
    let changed = executor.connection(*home).simple(CHANGED).await?.ok()?;
    for name in changed.rows.into_iter().filter_map(|row| row.into_iter().next().flatten()) {
        let mut counters = Vec::new();
        for server in &servers {
            let outcome = executor.connection(*server).simple(&question(&name)).await?.ok()?;
            counters.extend(outcome.rows.first().and_then(|row| counter(row)));
        }
        if counters.len() != servers.len() {
            return Err(cannot(&name, Unspreadable::Unequal).into());
        }
        let options = statement.sequence_options();
        if are_apart(&counters) && !options.increment {
            continue;
        }
        let own = if options.increment { counters.first().map(|counter| counter.increment) } else { None };
        let Some(step) = own.or_else(|| steps.get(&name).copied()).or_else(|| step(&counters)) else {
            continue;
        };
        let mut placed = spread(&counters, step, stride).map_err(|why| cannot(&name, why))?;
        if statement.filling().is_some() {
            number_anew(executor, &servers, &name, &counters, &mut placed).await?;
        }
        for (server, counter) in servers.iter().zip(&placed) {
            must(executor.connection(*server), &definition(&name, counter)).await?;
        }
    }
    Ok(())
}

/// Gives the rows that got numbers with a column that was just added, on each server those of its class.
async fn number_anew(
    executor: &mut Executor,
    servers: &[ServerId],
    name: &str,
    counters: &[Counter],
    placed: &mut [Counter],
) -> Result<(), Trouble> {
    let tenant_column = quote_literal(&executor.catalog().tenant_column);
    let owner = format!(
        "SELECT d.refobjid::pg_catalog.regclass, pg_catalog.quote_ident(a.attname), \
         pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_depend d \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
         JOIN pg_catalog.pg_attribute t ON t.attrelid = d.refobjid AND t.attname = {tenant_column} \
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = d.classid \
         AND d.objid = {}::pg_catalog.regclass AND d.deptype IN ('a', 'i')",
        quote_literal(name)
    );
    if counters.iter().all(|counter| !counter.at.called) {
        return Ok(());
    }
    for ((server, counter), placed) in servers.iter().zip(counters).zip(placed) {
        let connection = executor.connection(*server);
        let owner = connection.simple(&owner).await?.ok()?.rows.into_iter().next().unwrap_or_default();
        let [Some(table), Some(column), Some(of_type)] = owner.as_slice() else { return Ok(()) };
        placed.at = renumbered(counter, placed);
        let Counter { start, increment, .. } = placed;
        let anew = format!(
            "ALTER TABLE {table} ALTER COLUMN {column} TYPE {of_type} \
             USING ({start} + ({column} - {}) / {} * {increment})",
            counter.start, counter.increment
        );
        must(connection, &anew).await?;
    }
    Ok(())
}

fn cannot(name: &str, why: Unspreadable) -> ClientError {
    let hint = match why {
        Unspreadable::Cycles => "Leave CYCLE out.",
        Unspreadable::TooNarrow => "Widen its MINVALUE and MAXVALUE, or lower sequence_stride.",
        Unspreadable::Unequal => "Make it the same on every server; \"herdctl sequences\" shows them.",
    };
    ClientError::unsupported(format!("sequence {name} cannot count on several servers: {why}"), hint)
}
