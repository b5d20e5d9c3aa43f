//! What Bind made: a statement with its parameters, and where it stands.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use router::ids::ServerId;
use router::plan::Parameter;
use router::sql::{ConfigCall, CopyKind, Kind, Statement};
use smallvec::SmallVec;

use crate::execute::prepared::Prepared;
use crate::wire::Formats;
use crate::wire::view::Bind;

/// A portal.
#[derive(Debug)]
pub(super) struct Portal {
    /// What it was made of.
    pub prepared: Arc<Prepared>,
    /// What that says; `None` for an empty text.
    pub statement: Option<Arc<Statement>>,
    /// What Bind said; `None` where the server that it stands on knows it.
    pub bound: Option<Box<Bound>>,
    /// The settings that it makes by a function.
    pub config: Vec<ConfigCall>,
    /// Where it stands.
    pub stand: Stand,
}

/// A Bind's parameters and formats, kept.
#[derive(Debug, Default)]
pub(super) struct Bound {
    /// The parameters' formats, as Bind has them.
    pub parameter_formats: Formats,
    /// The parameters' values.
    pub parameters: Vec<Option<Bytes>>,
    /// The result columns' formats, as Bind has them.
    pub formats: Formats,
}

impl From<&Bind<'_>> for Bound {
    fn from(bind: &Bind<'_>) -> Bound {
        Bound {
            parameter_formats: bind.formats.clone(),
            parameters: bind.parameters.iter().map(|value| value.map(Bytes::copy_from_slice)).collect(),
            formats: bind.result_formats.clone(),
        }
    }
}

/// Parameters as the planner wants them.
pub(super) type Parameters<'a> = SmallVec<[Parameter<'a>; 8]>;

/// A Bind's parameters as the planner wants them.
pub(super) fn parameters_of<'a>(prepared: &Prepared, bind: &Bind<'a>) -> Parameters<'a> {
    let parameter = |(index, value): (usize, &Option<&'a [u8]>)| Parameter {
        type_oid: prepared.type_oid(index),
        binary: bind.format(index) == 1,
        value: *value,
    };
    bind.parameters.iter().enumerate().map(parameter).collect()
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
    Fetched(Box<(VecDeque<Bytes>, Option<Bytes>)>),
    /// It was a command without rows, and is done.
    Done,
}

impl Portal {
    /// True where its rows are the client's next messages: COPY FROM STDIN.
    pub(super) fn reads_client(&self) -> bool {
        let kind = self.statement.as_ref().map(|statement| statement.kind());
        matches!(kind, Some(Kind::Copy(CopyKind::In { .. })))
    }

    /// The parameters as the planner wants them.
    pub(super) fn parameters(&self) -> Parameters<'_> {
        let Some(bound) = &self.bound else { return Parameters::new() };
        let format = |index: usize| match bound.parameter_formats.as_slice() {
            [] => 0,
            [all] => *all,
            each => each.get(index).copied().unwrap_or(0),
        };
        bound
            .parameters
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
