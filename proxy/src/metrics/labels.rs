//! The labels and their words.

use prometheus_client::encoding::EncodeLabelSet;
use router::plan;

/// How a statement was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By one server.
    Single,
    /// By rows of several servers, merged here.
    Merge,
    /// By one server, over rows of several.
    Gather,
    /// By a write on several servers.
    Everywhere,
    /// By COPY FROM STDIN over several servers.
    CopyIn,
    /// By COPY TO STDOUT over several servers.
    CopyOut,
    /// By an INSERT of which each row goes to its server.
    Insert,
    /// By pgherd itself.
    Local,
}

impl Way {
    /// All ways, in the order of their declaration.
    pub(super) const ALL: [Way; 8] = [
        Way::Single,
        Way::Merge,
        Way::Gather,
        Way::Everywhere,
        Way::CopyIn,
        Way::CopyOut,
        Way::Insert,
        Way::Local,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Way::Single => "single",
            Way::Merge => "merge",
            Way::Gather => "gather",
            Way::Everywhere => "everywhere",
            Way::CopyIn => "copy_in",
            Way::CopyOut => "copy_out",
            Way::Insert => "insert",
            Way::Local => "local",
        }
    }
}

impl From<&plan::Way> for Way {
    fn from(way: &plan::Way) -> Way {
        match way {
            plan::Way::Single => Way::Single,
            plan::Way::Merge(_) => Way::Merge,
            plan::Way::Gather(_) => Way::Gather,
            plan::Way::Everywhere(_)
            | plan::Way::Copies(_)
            | plan::Way::Chosen(_)
            | plan::Way::CopiesChosen(_)
            | plan::Way::InTurn
            | plan::Way::Locked(_)
            | plan::Way::Staged(_)
            | plan::Way::Stored(_)
            | plan::Way::Matched(_) => Way::Everywhere,
            plan::Way::CopyIn(_) => Way::CopyIn,
            plan::Way::CopyOut(_) => Way::CopyOut,
            plan::Way::Insert(_) => Way::Insert,
        }
    }
}

pub(super) fn role_word(role: plan::Role) -> &'static str {
    match role {
        plan::Role::Primary => "primary",
        plan::Role::Replica => "replica",
    }
}

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The client is in.
    Accepted,
    /// It was told why not.
    Refused,
    /// It went away, spoke another protocol or took too long.
    Abandoned,
}

impl LoginOutcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            LoginOutcome::Accepted => "accepted",
            LoginOutcome::Refused => "refused",
            LoginOutcome::Abandoned => "abandoned",
        }
    }
}

/// How a move ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveOutcome {
    /// The placements are the target's.
    Done,
    /// They stayed.
    Aborted,
}

impl MoveOutcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            MoveOutcome::Done => "done",
            MoveOutcome::Aborted => "aborted",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct DatabaseLabel {
    pub(super) database: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct StatementLabels {
    pub(super) database: String,
    pub(super) way: &'static str,
    pub(super) role: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct WayLabels {
    pub(super) database: String,
    pub(super) way: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ErrorLabels {
    pub(super) database: String,
    pub(super) sqlstate_class: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ServerLabel {
    pub(super) server: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct NodeLabels {
    pub(super) server: String,
    pub(super) node: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    pub(super) outcome: &'static str,
}
