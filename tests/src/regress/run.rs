//! Steps put to pgherd and then to the oracle, each held against the other's answer.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use tokio::time::timeout;

use super::script::Step;
use crate::answer::Answer;
use crate::session::Session;

/// How long a statement may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);
/// Types from here on are the users' own; their OIDs are each server's affair.
const FIRST_USER_OID: u32 = 16384;

/// How many answers were what.
#[derive(Debug, Clone, Default)]
pub struct Count {
    /// The same.
    pub equal: usize,
    /// The same error.
    pub failed: usize,
    /// Refused by pgherd, with each reason's first statement and number.
    pub refused: BTreeMap<String, (usize, String)>,
    /// Other ones.
    pub different: Vec<String>,
}

impl Count {
    /// How many were refused.
    #[must_use]
    pub fn refusals(&self) -> usize {
        self.refused.values().map(|(count, _)| count).sum()
    }
}

/// Two sessions that are asked the same.
pub struct Run {
    ours: Session,
    oracle: Session,
    /// The tenant column: tables that have it are sharded, so it takes no NULL.
    tenant_column: String,
    /// A transaction in which something was refused: it is left out to its end.
    skipping: bool,
    /// True inside a transaction block.
    open: bool,
}

impl Run {
    /// Sessions of the same role.
    #[must_use]
    pub fn new(ours: Session, oracle: Session, tenant_column: &str) -> Run {
        Run { ours, oracle, tenant_column: tenant_column.to_owned(), skipping: false, open: false }
    }

    /// One step.
    pub async fn step(&mut self, step: &Step, count: &mut Count) -> Result<()> {
        let sql = match step {
            Step::Ask(sql) | Step::CopyIn(sql, _) => sql,
        };
        let word = sql.split_whitespace().next().unwrap_or_default().to_uppercase();
        let ends = matches!(word.as_str(), "COMMIT" | "END" | "ABORT")
            || (word == "ROLLBACK" && !sql.to_uppercase().contains(" TO "));
        if self.skipping {
            if ends {
                self.skipping = false;
                self.open = false;
            }
            return Ok(());
        }
        let Ok(answer) = timeout(PATIENCE, ask(&mut self.ours, step)).await else {
            count.different.push(format!("{sql}\n  no answer within {PATIENCE:?}"));
            return Err(anyhow::anyhow!("a session hangs"));
        };
        let answer = answer?;
        if let Some(fault) = answer.fault.as_ref().filter(|fault| fault.is_refusal()) {
            let why = fault.message.split('"').next().unwrap_or_default().to_owned();
            count.refused.entry(why).or_insert_with(|| (0, sql.clone())).0 += 1;
            if self.open {
                ask(&mut self.ours, &Step::Ask("ROLLBACK".to_owned())).await?;
                ask(&mut self.oracle, &Step::Ask("ROLLBACK".to_owned())).await?;
                self.skipping = true;
            }
            return Ok(());
        }
        let expected = ask(&mut self.oracle, step).await?;
        match difference(sql, &answer, &expected) {
            Some(how) => {
                count.different.push(format!("{sql}\n  {how}\n  pgherd:\n{answer}  PostgreSQL:\n{expected}"))
            }
            None if expected.fault.is_some() => count.failed += 1,
            None => count.equal += 1,
        }
        match word.as_str() {
            "BEGIN" | "START" => self.open = true,
            _ if ends => self.open = false,
            "CREATE" => self.make_tenants(sql).await?,
            _ => {}
        }
        Ok(())
    }

    /// A new table with the tenant column gets it NOT NULL, as every sharded table has it.
    async fn make_tenants(&mut self, sql: &str) -> Result<()> {
        let lower = sql.to_lowercase();
        let words: Vec<&str> = lower
            .split(|byte: char| !(byte.is_alphanumeric() || "_.\"".contains(byte)))
            .filter(|word| !word.is_empty())
            .collect();
        let is_table = words.get(1) == Some(&"table");
        if !is_table || !words.contains(&self.tenant_column.as_str()) {
            return Ok(());
        }
        let Some(name) = words.get(2) else { return Ok(()) };
        let alter = Step::Ask(format!("ALTER TABLE {name} ALTER COLUMN {} SET NOT NULL", self.tenant_column));
        ask(&mut self.ours, &alter).await?;
        ask(&mut self.oracle, &alter).await?;
        Ok(())
    }
}

async fn ask(session: &mut Session, step: &Step) -> Result<Answer> {
    match step {
        Step::Ask(sql) => session.ask(sql).await,
        Step::CopyIn(sql, data) => session.copy_in(sql, data).await,
    }
}

/// How two answers differ; plans may. Rows are compared in their order where the statement gives one.
fn difference(sql: &str, ours: &Answer, oracle: &Answer) -> Option<&'static str> {
    if ours.sqlstate() != oracle.sqlstate() {
        return Some("another error");
    }
    if ours.fault.is_some() {
        return None;
    }
    if sql.to_lowercase().starts_with("explain") {
        return None;
    }
    if ours.tag != oracle.tag {
        return Some("another command tag");
    }
    let columns = |answer: &Answer| -> Vec<(String, u32)> {
        let column = |column: &crate::Column| (column.name.clone(), column.type_oid.min(FIRST_USER_OID));
        answer.columns.iter().map(column).collect()
    };
    if columns(ours) != columns(oracle) {
        return Some("other columns");
    }
    let (sorted, expected) = (ours.clone().sorted(), oracle.clone().sorted());
    if sorted.rows != expected.rows || sorted.copied != expected.copied {
        return Some("other rows");
    }
    let is_ordered = sql.to_lowercase().contains("order by");
    (is_ordered && ours.rows != oracle.rows).then_some("another order")
}
