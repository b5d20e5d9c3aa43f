//! Statements whose CTEs write rows of several servers, and whose parts are not each server's own business: the
//! CTEs that write run one after the other, then the rest over the rows that they returned.

use std::sync::Arc;

use super::insert::Computed;
use super::place::Placing;
use super::request::Request;
use super::{Parameter, Refusal, Tenants, Verdict, Way};
use crate::ids::ServerId;
use crate::sql::staged::{Step, StepRows, part_text, steps};
use crate::sql::{Kind, Statement};

/// A statement that runs part after part.
#[derive(Debug, Clone)]
pub struct Staged {
    statement: Arc<Statement>,
    steps: Vec<Step>,
    now: String,
}

/// Plans such a statement.
pub(super) fn over_several(
    request: &Request<'_>,
    servers: impl IntoIterator<Item = ServerId>,
    placing: Placing,
    tenants: Tenants,
) -> Result<Verdict, Refusal> {
    let statement = request.statement;
    if !matches!(statement.kind(), Kind::Write | Kind::Query) {
        return Err(Refusal::unsupported(
            "this kind of statement around a CTE that writes",
            "Run it by itself.",
        ));
    }
    let staged = Staged {
        steps: steps(statement.raw(), request.catalog, statement.path())?,
        statement: Arc::new(statement.share()),
        now: request.session.now.now().to_owned(),
    };
    let way = Way::Staged(Arc::new(staged));
    Ok(placing.apart(
        request,
        servers,
        tenants,
        (way, "CTEs that write run first, the rest over what they return"),
    ))
}

impl Staged {
    /// The statement, as it was read.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// How many CTEs write.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// The text and the parameters of the next part, when `done` have answered: a CTE that writes, or the rest.
    ///
    /// # Errors
    /// What was returned cannot be handed on.
    pub fn next<'a>(
        &self,
        own: &[Parameter<'a>],
        done: &'a [Computed],
    ) -> Result<(Arc<str>, Vec<Parameter<'a>>), Refusal> {
        let mut first = usize::from(self.statement.parameter_count()) + 1;
        let mut before = Vec::new();
        for (step, computed) in self.steps.iter().zip(done) {
            let columns = step.columns(&computed.names, &computed.types)?;
            before.push(StepRows {
                first: u32::try_from(first).unwrap_or(u32::MAX),
                rows: computed.rows.len(),
                columns,
            });
            // A step without rows has the numbers of one, which is NULL.
            first += computed.types.len() * computed.rows.len().max(1);
        }
        let part = part_text(self.statement.raw(), &self.steps, &before, &self.now)?;
        let parameter = |number: &u32| {
            let step = before.iter().zip(done).rfind(|(step, _)| step.first <= *number);
            match step {
                Some((step, computed)) => cell(step, computed, *number),
                None => {
                    let own =
                        usize::try_from(*number).ok().and_then(|number| own.get(number.checked_sub(1)?));
                    own.copied().unwrap_or(Parameter { type_oid: 0, binary: false, value: None })
                }
            }
        };
        Ok((part.text, part.numbers.iter().map(parameter).collect()))
    }
}

/// The value that a parameter of this number is.
fn cell<'a>(step: &StepRows, computed: &'a Computed, number: u32) -> Parameter<'a> {
    let place = usize::try_from(number - step.first).unwrap_or(usize::MAX);
    let width = computed.types.len().max(1);
    let (row, column) = (place / width, place % width);
    let value = computed.rows.get(row).and_then(|row| row.get(column)).and_then(|value| value.as_deref());
    let type_oid = step.columns.types.get(column).copied().unwrap_or(0);
    Parameter { type_oid, binary: type_oid != 0 && computed.is_binary(column), value }
}
