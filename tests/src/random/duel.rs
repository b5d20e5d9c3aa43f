//! Puts random units to pgherd and to the oracle, and compares the answers and what the tables hold afterwards.

use std::time::Duration;

use anyhow::{Context, Result};
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::timeout;

use super::answers::{Outcome, Reply, Way};
use super::grammar::Grammar;
use super::tally::Tally;
use super::units::{Order, Statement, Unit};
use super::world::KeyType;
use crate::corpus::Stage;
use crate::session::Session;
use crate::{APP_USER, Oracle};

/// How long a statement may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);
/// After so many units the rows are compared and put back.
const ROUND: u64 = 40;

/// Two sessions over the same rows.
pub struct Duel<'stage> {
    stage: &'stage Stage,
    front: u16,
    oracle: &'stage Oracle,
    database: &'stage str,
    keys: KeyType,
    sessions: Option<(Session, Session)>,
    moving: bool,
    /// What was written since the rows were put back.
    written: Vec<String>,
}

impl<'stage> Duel<'stage> {
    /// A duel over a loaded stage; `front` is pgherd's port.
    #[must_use]
    pub fn new(
        stage: &'stage Stage,
        front: u16,
        oracle: &'stage Oracle,
        database: &'stage str,
        keys: KeyType,
    ) -> Self {
        Duel { stage, front, oracle, database, keys, sessions: None, moving: false, written: Vec::new() }
    }

    /// Puts the units of these numbers to both sides.
    pub async fn fight(&mut self, seed: u64, numbers: std::ops::Range<u64>) -> Result<Tally> {
        let mut tally = Tally::default();
        for number in numbers {
            let unit = Grammar::new(self.keys, seed, number).unit(true);
            let outcome = self.settle(&unit, seed, number).await?;
            let differs = matches!(outcome, Outcome::Different(_));
            let plan = if differs { self.plan(&unit).await } else { String::new() };
            let written = std::mem::take(&mut self.written);
            tally.add(outcome, &unit.text(), || {
                format!(
                    "{} SEED={seed} unit {number}: {}\n  before it: {}\n  plan: {plan}",
                    self.database,
                    unit.text(),
                    written.join(";\n    ")
                )
            });
            self.written = written;
            if differs {
                self.written.clear();
                self.stage.restore().await?;
            } else if number % ROUND == ROUND - 1 {
                self.compare_rows(&mut tally, seed, number).await?;
            }
        }
        self.compare_rows(&mut tally, seed, u64::MAX).await?;
        Ok(tally)
    }

    /// As [`Duel::fight`] until `over`, while rows move between servers: they are not put back meanwhile, and
    /// what a move forbids, a snapshot over rows that moved or TRUNCATE, counts as refused.
    pub async fn fight_until(&mut self, seed: u64, over: impl Fn() -> bool) -> Result<Tally> {
        let mut tally = Tally::default();
        self.moving = true;
        let mut number = 0;
        while !over() {
            let unit = Grammar::new(self.keys, seed, number).unit(number % 3 == 0);
            let outcome = self.settle(&unit, seed, number).await?;
            let differs = matches!(outcome, Outcome::Different(_));
            tally.add(outcome, &unit.text(), || format!("SEED={seed} unit {number}: {}", unit.text()));
            if differs {
                break;
            }
            number += 1;
        }
        Ok(tally)
    }

    /// Compares the contents of all tables, then puts the rows back.
    async fn compare_rows(&mut self, tally: &mut Tally, seed: u64, number: u64) -> Result<()> {
        let written = std::mem::take(&mut self.written);
        if let Some(difference) = self.stage.difference(false).await? {
            let told =
                || format!("{} SEED={seed} after unit {number}: {}", self.database, written.join(";\n    "));
            tally.add(Outcome::Different(difference), "", told);
        }
        self.stage.restore().await
    }

    /// One unit: pgherd first; what it refuses is not put to the oracle, so that both go on with the same rows.
    async fn settle(&mut self, unit: &Unit, seed: u64, number: u64) -> Result<Outcome> {
        let mut dice = StdRng::seed_from_u64(seed ^ number);
        let settings = settings(&mut dice);
        let ways: Vec<Way> = unit.statements.iter().map(|statement| way(&mut dice, statement)).collect();
        let (mut ours, mut oracle) = match self.sessions.take() {
            Some(sessions) => sessions,
            None => (
                Session::open(self.front, APP_USER, self.database, &[]).await?,
                self.oracle.session(self.database).await?,
            ),
        };
        for setting in &settings {
            ours.simple(setting).await?;
            oracle.simple(setting).await?;
        }
        let mut replies = Vec::new();
        for (statement, way) in unit.statements.iter().zip(&ways) {
            let reply = match timeout(PATIENCE, Reply::ask(&mut ours, statement, *way)).await {
                Ok(Ok(reply)) => reply,
                Ok(Err(error)) => {
                    return Ok(Outcome::Different(format!("{way:?}: the session broke: {error:#}")));
                }
                Err(_) => return Ok(Outcome::Different(format!("{way:?}: no answer within {PATIENCE:?}"))),
            };
            let has_moved =
                |fault: &&crate::answer::Fault| self.moving && ["40001", "55006"].contains(&&*fault.sqlstate);
            let moved = reply.fault.as_ref().filter(has_moved).map(ToString::to_string);
            if let Some(why) = reply.refusal().or(moved) {
                if unit.statements.len() > 1 {
                    ours.simple("ROLLBACK").await.context("a refused transaction cannot be rolled back")?;
                }
                self.sessions = Some(as_before((ours, oracle), &settings).await?);
                return Ok(Outcome::Refused(why));
            }
            replies.push(reply);
        }
        let mut outcome = Outcome::Equal;
        for ((statement, way), reply) in unit.statements.iter().zip(&ways).zip(&replies) {
            let expected = Reply::ask(&mut oracle, statement, *way).await?;

            match reply.compare(&expected, &statement.order) {
                Outcome::Equal => {}
                Outcome::Failed if outcome == Outcome::Equal => outcome = Outcome::Failed,
                Outcome::Failed => {}
                Outcome::Refused(why) => outcome = Outcome::Refused(why),
                Outcome::Different(how) => {
                    return Ok(Outcome::Different(format!(
                        "{settings:?} {way:?}: {} -- {:?}\n  {how}",
                        statement.sql, statement.parameters
                    )));
                }
            }
        }
        if unit.writes {
            self.written.push(unit.text());
        }
        self.sessions = Some(as_before((ours, oracle), &settings).await?);
        Ok(outcome)
    }

    /// How pgherd would run the statement, in its own words.
    async fn plan(&self, unit: &Unit) -> String {
        let explained = async {
            let mut session = Session::open(self.front, APP_USER, self.database, &[]).await?;
            let sql = format!("EXPLAIN (COSTS OFF) {}", unit.statements[0].sql);
            let parameters = unit.statements[0].parameters.clone();
            let statement = Statement { sql, parameters, data: None, order: Order::Free };
            Reply::ask(&mut session, &statement, Way::Text).await
        };
        match timeout(PATIENCE, explained).await {
            Ok(Ok(reply)) => {
                let line = |row: &Vec<Option<Vec<u8>>>| {
                    String::from_utf8_lossy(row[0].as_deref().unwrap_or_default()).into_owned()
                };
                let lines: Vec<String> = reply.rows.iter().take(6).map(line).collect();
                lines.join("\n    ")
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        }
    }
}

/// What has one answer and no portal that is read in parts.
const CONTROL: [&str; 10] = [
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "DECLARE",
    "FETCH",
    "CLOSE",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
];

/// What changes how values are written or read; answers are the same all the same.
const SETTINGS: [&str; 14] = [
    "SET extra_float_digits TO 0",
    "SET extra_float_digits TO -7",
    "SET DateStyle TO 'SQL, DMY'",
    "SET DateStyle TO 'German'",
    "SET DateStyle TO 'Postgres, MDY'",
    "SET IntervalStyle TO sql_standard",
    "SET IntervalStyle TO iso_8601",
    "SET IntervalStyle TO postgres_verbose",
    "SET bytea_output TO escape",
    "SET TimeZone TO 'Asia/Kolkata'",
    "SET TimeZone TO 'America/New_York'",
    "SET array_nulls TO off",
    "SET transform_null_equals TO on",
    "SET search_path TO pg_temp, public, pg_catalog",
];

/// For most units none, for others some.
fn settings(dice: &mut StdRng) -> Vec<&'static str> {
    let count = if dice.random_bool(0.2) { dice.random_range(1..4) } else { 0 };
    (0..count).map(|_| SETTINGS[dice.random_range(0..SETTINGS.len())]).collect()
}

/// Both sessions without these settings.
async fn as_before(
    (mut ours, mut oracle): (Session, Session),
    settings: &[&str],
) -> Result<(Session, Session)> {
    if !settings.is_empty() {
        ours.simple("RESET ALL").await?;
        oracle.simple("RESET ALL").await?;
    }
    Ok((ours, oracle))
}

/// How a statement is sent. Transaction control is not asked for rows in parts: its portal runs once.
fn way(dice: &mut StdRng, statement: &Statement) -> Way {
    let is_control = CONTROL.iter().any(|word| statement.sql.starts_with(word));
    if is_control {
        return if dice.random_bool(0.5) { Way::Simple } else { Way::Text };
    }
    match dice.random_range(0..10) {
        0..=3 if statement.parameters.is_empty() => Way::Simple,
        0..=5 => Way::Text,
        6..=8 => Way::Binary,
        _ => Way::Portal(dice.random_range(1..8)),
    }
}
