//! Runs cases through pgherd and on the oracle, and judges them.

use std::time::Duration;

use anyhow::Result;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::corpus::{Case, Report, Stage, Verdict, compare};
use crate::session::Session;
use crate::{APP_USER, Oracle};

/// How long a statement may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way a case is sent.
#[derive(Debug, Clone, Copy)]
enum Way {
    Simple,
    Extended,
}

/// Judges the cases of one corpus.
pub struct Judge<'stage> {
    stage: &'stage Stage,
    front: u16,
    oracle: &'stage Oracle,
    database: &'stage str,
}

impl<'stage> Judge<'stage> {
    /// A judge over a loaded stage; `front` is the port that is judged.
    #[must_use]
    pub fn new(stage: &'stage Stage, front: u16, oracle: &'stage Oracle, database: &'stage str) -> Self {
        Judge { stage, front, oracle, database }
    }

    /// Runs each case in both protocols, each time in fresh sessions and over fresh rows.
    pub async fn judge(&self, cases: &[Case]) -> Result<Report> {
        let (a, b) = self.stage.distant_tenants().await?;
        let mut report = Report::default();
        for case in cases {
            let case = case.about(&a, &b);
            let mut verdicts = Vec::new();
            if case.parameters.is_empty() {
                verdicts.push(("simple", self.verdict(&case, Way::Simple).await?));
            }
            if !case.simple_only {
                verdicts.push(("extended", self.verdict(&case, Way::Extended).await?));
            }
            report.add(&case, &verdicts);
        }
        Ok(report)
    }

    async fn verdict(&self, case: &Case, way: Way) -> Result<Verdict> {
        let oracles = ask(self.oracle.session_with(self.database, &settings(case)).await?, case, way).await?;
        let ours = match timeout(PATIENCE, self.ours(case, way)).await {
            Ok(Ok(ours)) => ours,
            Ok(Err(error)) => {
                return self.set_back(case, Verdict::Wrong(format!("the session broke: {error:#}"))).await;
            }
            Err(_) => {
                return self.set_back(case, Verdict::Wrong(format!("no answer within {PATIENCE:?}"))).await;
            }
        };
        let verdict = match compare(case.expectation, ours, oracles) {
            Verdict::Equal => match self.stage.difference(case.volatile).await? {
                None => Verdict::Equal,
                Some(difference) => Verdict::Wrong(difference),
            },
            Verdict::Refused(why) => self.refusal(why).await?,
            wrong @ Verdict::Wrong(_) => wrong,
        };
        self.set_back(case, verdict).await
    }

    async fn ours(&self, case: &Case, way: Way) -> Result<Vec<Answer>> {
        ask(Session::open(self.front, APP_USER, self.database, &settings(case)).await?, case, way).await
    }

    /// What was refused must have changed nothing, unless statements before it were committed.
    async fn refusal(&self, why: String) -> Result<Verdict> {
        Ok(match self.stage.doubled_tenant().await? {
            None => Verdict::Refused(why),
            Some(difference) => Verdict::Wrong(format!("refused, and yet {difference}")),
        })
    }

    async fn set_back(&self, case: &Case, verdict: Verdict) -> Result<Verdict> {
        if let Some(cleanup) = &case.cleanup {
            self.stage.clean(cleanup).await?;
        }
        self.stage.restore().await?;
        Ok(verdict)
    }
}

/// What a case's session says at its start.
fn settings(case: &Case) -> Vec<(&str, &str)> {
    case.tenant.as_deref().map(|tenant| ("app.tenant", tenant)).into_iter().collect()
}

async fn ask(mut session: Session, case: &Case, way: Way) -> Result<Vec<Answer>> {
    match way {
        Way::Simple => session.simple(&case.sql).await,
        Way::Extended => Ok(vec![session.extended(&case.sql, &case.parameters).await?]),
    }
}
