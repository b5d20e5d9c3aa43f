//! Whether a unit leaves open what its answer is: PostgreSQL itself answers otherwise with another plan, or over rows that stand
//! in another order. What it writes is undone.

use anyhow::Result;

use super::answers::{Outcome, Reply, Way};
use super::units::Unit;
use crate::otherwise::{OTHER_PLANS, otherwise};
use crate::session::Session;

/// Begins, ends and goes back; the unit runs inside of a transaction of its own here.
const BLOCK: [&str; 5] = ["BEGIN", "START", "COMMIT", "END", "ROLLBACK"];

/// True where the session's PostgreSQL gives more than one answer to the unit.
pub(super) async fn leaves_open(oracle: &mut Session, unit: &Unit, ways: &[Way]) -> Result<bool> {
    if fails_further_on(oracle, unit).await? {
        return Ok(true);
    }
    let expected = undone(oracle, unit, ways, "").await?;
    let others = match unit.writes {
        // Copies of tables have neither their keys nor their checks.
        true => OTHER_PLANS.map(str::to_owned).to_vec(),
        false => otherwise(oracle, &unit.text()).await?,
    };
    for other in others {
        let replies = undone(oracle, unit, ways, &other).await?;
        let differ =
            unit.statements.iter().zip(replies.iter().zip(&expected)).any(|(statement, (one, two))| {
                matches!(one.compare(two, &statement.order), Outcome::Different(_))
            });
        if differ {
            return Ok(true);
        }
    }
    Ok(false)
}

/// True where a cursor's query fails at a row that is perhaps never fetched: nobody promises how far rows are computed ahead.
async fn fails_further_on(oracle: &mut Session, unit: &Unit) -> Result<bool> {
    let declared = unit.statements.iter().find_map(|statement| statement.sql.strip_prefix("DECLARE "));
    match declared.and_then(|declared| declared.split_once(" FOR ")) {
        Some((_, query)) => Ok(oracle.ask(query).await?.fault.is_some()),
        None => Ok(false),
    }
}

async fn undone(oracle: &mut Session, unit: &Unit, ways: &[Way], first: &str) -> Result<Vec<Reply>> {
    oracle.simple("BEGIN").await?;
    oracle.simple(first).await?;
    let mut replies = Vec::new();
    for (statement, way) in unit.statements.iter().zip(ways) {
        let goes_back = statement.sql.starts_with("ROLLBACK TO");
        let is_block = !goes_back && BLOCK.iter().any(|word| statement.sql.starts_with(word));
        replies.push(match is_block {
            true => Reply::default(),
            false => Reply::ask(oracle, statement, *way).await?,
        });
    }
    oracle.simple("ROLLBACK").await?;
    oracle.simple("DEALLOCATE ALL").await?;
    Ok(replies)
}
