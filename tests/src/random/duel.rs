//! Puts random units to pgherd and to the oracle, and compares the answers and what the tables hold afterwards.

use std::time::Duration;

use anyhow::Result;
use tokio::time::timeout;

use super::answers::{Outcome, Reply, Way};
use super::grammar::Grammar;
use super::open::leaves_open;
use super::tactics::tactics;
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
    written: Vec<Unit>,
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
            let mut outcome = self.settle(&unit, seed, number).await?;
            let mut told = String::new();
            let differs = matches!(outcome, Outcome::Different(_));
            if let Outcome::Different(how) = outcome {
                told = self.told(&unit, seed, number).await;
                self.replay().await?;
                outcome = self.judged(how, &unit, seed, number).await?;
            }
            tally.add(outcome, &unit.text(), || told);
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

    /// As [`Duel::fight`] from a number until `over`, while rows move between servers: they are not put back meanwhile, and
    /// what a move forbids, a snapshot over rows that moved or TRUNCATE, counts as refused.
    pub async fn fight_until(&mut self, seed: u64, from: u64, over: impl Fn() -> bool) -> Result<Tally> {
        let mut tally = Tally::default();
        self.moving = true;
        let mut number = from;
        while !over() {
            let unit = Grammar::new(self.keys, seed, number).unit(number.is_multiple_of(3));
            let mut outcome = self.settle(&unit, seed, number).await?;
            if let Outcome::Different(how) = outcome {
                outcome = self.judged(how, &unit, seed, number).await?;
            }
            let differs = matches!(outcome, Outcome::Different(_));
            tally.add(outcome, &unit.text(), || format!("SEED={seed} unit {number}: {}", unit.text()));
            if differs {
                break;
            }
            number += 1;
        }
        Ok(tally)
    }

    /// Which unit it was, what ran before it, and how pgherd would run it.
    async fn told(&self, unit: &Unit, seed: u64, number: u64) -> String {
        let plan = self.plan(unit).await;
        let (database, text, before) = (self.database, unit.text(), self.before());
        format!("{database} SEED={seed} unit {number}: {text}\n  before it: {before}\n  plan: {plan}")
    }

    fn before(&self) -> String {
        self.written.iter().map(Unit::text).collect::<Vec<_>>().join(";\n    ")
    }

    /// Puts the oracle's rows back to where they were before the last unit.
    async fn replay(&mut self) -> Result<()> {
        self.stage.restore().await?;
        let mut oracle = self.oracle.session(self.database).await?;
        for statement in self.written.iter().flat_map(|unit| &unit.statements) {
            let way = if statement.is_batch { Way::Simple } else { Way::Text };
            Reply::ask(&mut oracle, statement, way).await?;
        }
        Ok(())
    }

    /// Whether another answer may be: of a write over rows that move nobody can ask again.
    async fn judged(&self, how: String, unit: &Unit, seed: u64, number: u64) -> Result<Outcome> {
        if self.moving && unit.writes {
            return Ok(Outcome::Different(how));
        }
        let (settings, ways) = tactics(unit, seed, number);
        let mut oracle = self.oracle.session(self.database).await?;
        for setting in settings {
            oracle.simple(setting).await?;
        }
        Ok(match leaves_open(&mut oracle, unit, &ways).await? {
            true => Outcome::Open(how),
            false => Outcome::Different(how),
        })
    }

    /// Compares the contents of all tables, then puts the rows back.
    async fn compare_rows(&mut self, tally: &mut Tally, seed: u64, number: u64) -> Result<()> {
        if let Some(difference) = self.stage.difference(false).await? {
            let culprit = self.culprit().await?;
            let told = format!("{} SEED={seed} after unit {number}: {culprit}", self.database);
            tally.add(Outcome::Different(difference), "", || told);
        }
        self.written.clear();
        self.stage.restore().await
    }

    /// The unit after which the rows differ, and those before it, when all that was written is written again.
    async fn culprit(&mut self) -> Result<String> {
        self.stage.restore().await?;
        let mut ours = Session::open(self.front, APP_USER, self.database, &[]).await?;
        let mut oracle = self.oracle.session(self.database).await?;
        for (at, unit) in self.written.iter().enumerate() {
            for statement in &unit.statements {
                let way = if statement.is_batch { Way::Simple } else { Way::Text };
                Reply::ask(&mut ours, statement, way).await?;
                Reply::ask(&mut oracle, statement, way).await?;
            }
            if self.stage.difference(false).await?.is_some() {
                self.written.truncate(at + 1);
                let unit = self.written.pop().map(|unit| unit.text()).unwrap_or_default();
                return Ok(format!("{unit}\n  before it: {}", self.before()));
            }
        }
        Ok(format!("not again, after {}", self.before()))
    }

    /// One unit: pgherd first; what it refuses is not put to the oracle, so that both go on with the same rows.
    async fn settle(&mut self, unit: &Unit, seed: u64, number: u64) -> Result<Outcome> {
        let (settings, ways) = tactics(unit, seed, number);
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
                // What several statements have made of a session ends with it.
                if unit.statements.len() == 1 && !statement.is_batch {
                    self.sessions = Some(as_before((ours, oracle), &settings).await?);
                }
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
                Outcome::Open(how) | Outcome::Different(how) => {
                    return Ok(Outcome::Different(format!(
                        "{settings:?} {way:?}: {} -- {:?}\n  {how}",
                        statement.sql, statement.parameters
                    )));
                }
            }
        }
        if unit.writes {
            self.written.push(unit.clone());
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
            let statement = Statement { parameters, ..Statement::plain(&sql, Order::Free) };
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
