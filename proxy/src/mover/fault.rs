//! Why a step of a move did not succeed, and what that means for the move.

use router::moves::Outcome;
use tokio_postgres::error::SqlState;

use crate::replicas::Unreachable;

/// Why a step did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It may succeed when run again.
    #[error("{0}")]
    Passing(String),
    /// The freeze took too long.
    #[error("{0}")]
    Late(String),
    /// The slot, the origin's place or the copy cannot be used any more: copy again.
    #[error("{0}")]
    Lost(String),
    /// It cannot succeed.
    #[error("{0}")]
    Refused(String),
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Outcome {
        match fault {
            Fault::Passing(why) => Outcome::Failed(why),
            Fault::Late(why) => Outcome::Late(why),
            Fault::Lost(why) => Outcome::Lost(why),
            Fault::Refused(why) => Outcome::Refused(why),
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Fault {
        Fault::Passing(said(&error))
    }
}

impl From<Unreachable> for Fault {
    fn from(error: Unreachable) -> Fault {
        Fault::Passing(error.to_string())
    }
}

impl From<pgwire_replication::PgWireError> for Fault {
    fn from(error: pgwire_replication::PgWireError) -> Fault {
        Fault::Passing(format!("replication: {error}"))
    }
}

/// What a server said, with its SQLSTATE.
pub(super) fn said(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(answer), _) => {
            let detail = answer.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
            format!("{} ({}){detail}", answer.message(), answer.code().code())
        }
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// True where the error says that both sides differ or that the tables do, not that a server is in
/// trouble: running the same again would end the same.
pub(super) fn is_about_rows(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| matches!(code.code().get(..2), Some("22" | "23" | "42" | "44")))
}

/// True where a lock was not to be had in time.
pub(super) fn is_lock_timeout(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}
