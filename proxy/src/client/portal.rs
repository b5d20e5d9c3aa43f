//! What Bind made: a statement with its parameters, and where it stands.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use router::ids::ServerId;
use router::plan::Parameter;
use router::sql::{ConfigCall, Statement};

use crate::execute::prepared::Prepared;

/// A portal.
#[derive(Debug)]
pub(super) struct Portal {
    /// What it was made of.
    pub prepared: Arc<Prepared>,
    /// What that says; `None` for an empty text.
    pub statement: Option<Arc<Statement>>,
    /// The parameters' formats, as Bind has them.
    pub parameter_formats: Vec<i16>,
    /// The parameters' values.
    pub parameters: Vec<Option<Bytes>>,
    /// The result columns' formats, as Bind has them.
    pub formats: Vec<i16>,
    /// The settings that it makes by a function.
    pub config: Vec<ConfigCall>,
    /// Where it stands.
    pub stand: Stand,
}

/// Where a portal stands.
#[derive(Debug)]
pub(super) enum Stand {
    /// It is a portal of this server's: messages about it go there.
    OnServer(ServerId),
    /// The session answers it itself when it is executed.
    Ours,
    /// It concerns several servers and has not been executed.
    Waiting,
    /// It was executed in whole; these frames are still to be fetched, then its end is told.
    Fetched(VecDeque<Bytes>, Option<Bytes>),
    /// It was a command without rows, and is done.
    Done,
}

impl Portal {
    /// The parameters as the planner wants them.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        let format = |index: usize| match self.parameter_formats.as_slice() {
            [] => 0,
            [all] => *all,
            each => each.get(index).copied().unwrap_or(0),
        };
        self.parameters
            .iter()
            .enumerate()
            .map(|(index, value)| Parameter {
                type_oid: self.prepared.type_oid(index),
                binary: format(index) == 1,
                value: value.as_deref(),
            })
            .collect()
    }
}
