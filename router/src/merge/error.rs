//! Why rows cannot be merged.

/// Why a merge cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// The merge does not compare or add this type exactly as PostgreSQL does.
    #[error("cannot {act} values of the type with OID {type_oid} across servers")]
    Unsupported {
        /// What was to be done: `compare`, `sum`, `average`, `count`, `combine`.
        act: &'static str,
        /// The type.
        type_oid: u32,
    },
    /// The plan and the servers' row descriptions do not fit.
    #[error("the servers' answers do not have the columns of the plan: {0}")]
    Plan(&'static str),
    /// Groups or distinct rows take more memory than the statement may use, in bytes.
    #[error("merging the servers' rows takes more than {0} bytes")]
    TooLarge(usize),
    /// A result does not fit its type; the words are PostgreSQL's.
    #[error("{0}")]
    OutOfRange(&'static str),
    /// A server sent bytes that are no value of their type.
    #[error("a server sent a malformed row: {0}")]
    Malformed(&'static str),
    /// LIMIT or OFFSET is below zero.
    #[error("{0} must not be negative")]
    Negative(Clause),
}

/// The clause of a row count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    /// `LIMIT`.
    Limit,
    /// `OFFSET`.
    Offset,
}

impl std::fmt::Display for Clause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Clause::Limit => "LIMIT",
            Clause::Offset => "OFFSET",
        })
    }
}

impl MergeError {
    /// PostgreSQL's code for this error.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            MergeError::Unsupported { .. } => "0A000",
            MergeError::Plan(_) => "XX000",
            MergeError::TooLarge(_) => "53400",
            MergeError::OutOfRange(_) => "22003",
            MergeError::Malformed(_) => "08P01",
            MergeError::Negative(Clause::Limit) => "2201W",
            MergeError::Negative(Clause::Offset) => "2201X",
        }
    }
}
