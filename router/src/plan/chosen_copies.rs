//! UPDATE and DELETE of a table of which every server has a copy, by rows of sharded tables: the rows that may be meant
//! are locked in every copy, what is meant is chosen once, and each row is written by its key in every copy.

use std::sync::Arc;

use super::chosen::{arguments_of, check_returned};
use super::insert::Argument;
use super::place::Placing;
use super::request::Request;
use super::{Refusal, Tenants, Verdict, Way};
use crate::ids::ServerId;
use crate::sql::{self, ChosenCopies, Question, Statement};

/// Such a write.
#[derive(Debug, Clone)]
pub struct CopiesWrite {
    statement: Arc<Statement>,
    chosen: ChosenCopies,
}

/// Plans such a write; `None` for what writes otherwise.
pub(super) fn over_several(request: &Request<'_>) -> Result<Option<Verdict>, Refusal> {
    let statement = request.statement;
    let [relation] = request.touched().writes.as_slice() else { return Ok(None) };
    let own = statement.parameter_count();
    let now = request.session.now.now();
    let chosen = sql::chosen_copies(statement.raw(), relation, own, now, request.catalog)?;
    if relation.may_act_otherwise() {
        return Err(super::refusals::triggers_reason(relation));
    }
    let mut placing = Placing::default();
    placing.all(request.directory);
    let all = (0..request.directory.servers().len()).filter_map(|index| u16::try_from(index).ok());
    let write = CopiesWrite { statement: Arc::new(statement.share()), chosen };
    let way =
        (Way::CopiesChosen(Arc::new(write)), "rows are locked, chosen once, then written in every copy");
    Ok(Some(placing.apart(request, all.map(ServerId), Tenants::All, way)))
}

impl CopiesWrite {
    /// The statement, as it was read.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Locks the rows that may be meant in one copy, and gives their keys.
    pub fn lock(&self) -> &Question {
        &self.chosen.lock
    }

    /// Gives the keys of the rows that are meant, then their new values.
    pub fn choose(&self) -> &Question {
        &self.chosen.choose
    }

    /// Refuses what RETURNING would give of another type; `types` are those of the columns of `choose`.
    ///
    /// # Errors
    /// 0A000.
    pub fn check_returned(&self, types: &[u32]) -> Result<(), Refusal> {
        check_returned(&self.chosen.returned, types)
    }

    /// How many columns the key has.
    pub fn keys(&self) -> usize {
        self.chosen.keys
    }

    /// The first word of its tag.
    pub fn word(&self) -> &'static str {
        self.statement.word_of_change().unwrap_or_default()
    }

    /// The statement for one row.
    pub fn write(&self) -> &str {
        &self.chosen.write.text
    }

    /// What the parameters of that are, of a row of `choose`, whose columns have these types.
    pub fn arguments(&self, row: usize, types: &[u32]) -> Vec<Argument> {
        let of_row = |argument| match argument {
            Argument::Computed { column, type_oid, .. } => Argument::Computed { row, column, type_oid },
            own @ Argument::Own(_) => own,
        };
        let arguments = arguments_of(&self.chosen.write, self.statement.parameter_count(), types);
        arguments.into_iter().map(of_row).collect()
    }
}
