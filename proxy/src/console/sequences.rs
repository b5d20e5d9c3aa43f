//! Sequences in the console: how they stand on the servers, and bringing them apart.

use router::sequences::Counter;

use super::table::{Table, some};
use crate::error::ClientError;
use crate::fleet::{Database, Fleet};
use crate::sequences::{Outcome, SurveyFailed, Surveyed, bring_apart, survey};

/// All sequences: do their servers count apart, by which increment over all of them, and what each gives next.
///
/// # Errors
/// 08001 where a server cannot be asked.
pub(super) async fn show(fleet: &Fleet, database: &Database) -> Result<Table, ClientError> {
    let mut table = Table::new(&["sequence", "apart", "increment", "next"]);
    for sequence in survey(&fleet.servers, &database.name).await.map_err(unasked)? {
        let apart = if sequence.is_apart() { "yes" } else { "no" };
        let increment = sequence.step().map_or_else(String::new, |step| step.to_string());
        let next = nexts(fleet, &sequence);
        table.row([some(sequence.name), some(apart), some(increment), some(next)]);
    }
    Ok(table)
}

fn nexts(fleet: &Fleet, sequence: &Surveyed) -> String {
    let next = |counter: &Option<Counter>| {
        counter.as_ref().map_or_else(|| "missing".to_owned(), |counter| counter.next().to_string())
    };
    let each = fleet.servers.iter().zip(&sequence.counters);
    each.map(|(server, counter)| format!("{} {}", server.name(), next(counter)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What SEQUENCES SPREAD answers, without rows yet.
pub(super) fn outcomes() -> Table {
    Table::new(&["sequence", "outcome", "why"])
}

/// Brings apart all that are not.
///
/// # Errors
/// 55000 where each server is to count for itself; 08001 where a server cannot be asked.
pub(super) async fn spread(fleet: &Fleet, database: &Database) -> Result<Table, ClientError> {
    let stride = database.config.sequence_stride;
    if stride < 2 {
        let message = "sequence_stride is 1: each server counts for itself";
        return Err(ClientError::new("55000", message).hint("Raise it in the configuration, and restart."));
    }
    let mut table = outcomes();
    for sequence in survey(&fleet.servers, &database.name).await.map_err(unasked)? {
        let outcome = bring_apart(&fleet.servers, &database.name, &fleet.proxy_id, stride, &sequence).await;
        let (word, why) = match outcome {
            Outcome::Apart => ("apart now", String::new()),
            Outcome::Already => ("apart", String::new()),
            Outcome::Failed(why) => ("unchanged", why),
        };
        table.row([some(sequence.name), some(word), some(why)]);
    }
    Ok(table)
}

fn unasked(error: SurveyFailed) -> ClientError {
    ClientError::new("08001", error.to_string())
}
