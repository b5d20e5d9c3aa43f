//! Steps put to pgherd and then to the oracle, each held against the other's answer.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use tokio::time::timeout;

use super::reasons::{Memory, Reason};
use super::script::Step;
use crate::answer::{Answer, Fault};
use crate::otherwise::otherwise;
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
    /// Other ones, for reasons that are right: the statements.
    pub excused: BTreeMap<Reason, Vec<String>>,
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
    memory: Memory,
}

impl Run {
    /// Sessions of the same role.
    #[must_use]
    pub fn new(ours: Session, oracle: Session, tenant_column: &str) -> Run {
        Run {
            ours,
            oracle,
            tenant_column: tenant_column.to_owned(),
            skipping: false,
            open: false,
            memory: Memory::default(),
        }
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
            // PostgreSQL refuses some things in the same way.
            if !self.open && self.refuses_too(step, fault).await? {
                count.failed += 1;
                return Ok(());
            }
            let why = fault.message.split('"').next().unwrap_or_default().to_owned();
            self.memory.note(sql, false, true);
            count.refused.entry(why).or_insert_with(|| (0, sql.clone())).0 += 1;
            if self.open {
                ask(&mut self.ours, &Step::Ask("ROLLBACK".to_owned())).await?;
                ask(&mut self.oracle, &Step::Ask("ROLLBACK".to_owned())).await?;
                self.skipping = true;
            }
            return Ok(());
        }
        let expected = ask(&mut self.oracle, step).await?;
        self.memory.note(sql, expected.fault.is_some(), false);
        match difference(sql, &answer, &expected) {
            Some(how) => match self.reason(sql, &answer, &expected).await? {
                Some(reason) => count.excused.entry(reason).or_default().push(sql.clone()),
                None => count
                    .different
                    .push(format!("{sql}\n  {how}\n  pgherd:\n{answer}  PostgreSQL:\n{expected}")),
            },
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

    /// True where PostgreSQL has the same error; what it does besides is undone.
    async fn refuses_too(&mut self, step: &Step, fault: &Fault) -> Result<bool> {
        self.oracle.simple("BEGIN").await?;
        let answer = ask(&mut self.oracle, step).await?;
        self.oracle.simple("ROLLBACK").await?;
        Ok(answer.fault.is_some_and(|own| {
            (own.sqlstate, own.message) == (fault.sqlstate.clone(), fault.message.clone())
        }))
    }

    /// Why the answers differ and may.
    async fn reason(&mut self, sql: &str, ours: &Answer, oracle: &Answer) -> Result<Option<Reason>> {
        if let Some(reason) = self.memory.reason(sql, ours, oracle) {
            return Ok(Some(reason));
        }
        Ok(self.is_open(sql, oracle).await?.then_some(Reason::Open))
    }

    /// True where PostgreSQL answers a query otherwise with another plan.
    async fn is_open(&mut self, sql: &str, oracle: &Answer) -> Result<bool> {
        let word = bare(sql).split_whitespace().next().unwrap_or_default().to_lowercase();
        let reads = ["select", "table", "values", "with"].contains(&word.as_str());
        let lower = sql.to_lowercase();
        let writes = ["insert", "update", "delete", "merge", "into"].iter().any(|deed| lower.contains(deed));
        if oracle.fault.is_some() || !reads || writes {
            return Ok(false);
        }
        let (begin, end) = match self.open {
            true => ("SAVEPOINT another_plan", "ROLLBACK TO another_plan"),
            false => ("BEGIN", "ROLLBACK"),
        };
        for way in otherwise(&mut self.oracle, sql).await? {
            for text in [begin, &way] {
                self.oracle.simple(text).await?;
            }
            let answer = self.oracle.ask(sql).await?;
            self.oracle.simple(end).await?;
            if difference(sql, &answer, oracle).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
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
    if bare(sql).to_lowercase().starts_with("explain") {
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
    (is_ordered(sql) && ours.rows != oracle.rows).then_some("another order")
}

/// The statement without the comments before it.
fn bare(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    while let Some(comment) = rest.strip_prefix("/*") {
        rest = comment.split_once("*/").map_or("", |(_, rest)| rest).trim_start();
    }
    rest
}

/// True where the rows as a whole have an order: that of a window, an aggregate or a subquery is none.
fn is_ordered(sql: &str) -> bool {
    let (mut depth, mut quoted) = (0_usize, false);
    let mut outer = String::new();
    for character in sql.to_lowercase().chars() {
        match character {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            character if character.is_whitespace() => outer.push(' '),
            character if depth == 0 => outer.push(character),
            _ => {}
        }
    }
    outer.split_whitespace().collect::<Vec<_>>().join(" ").contains("order by")
}
