//! Why COPY data cannot be split.

use crate::ids::KeyType;

/// Why a row cannot be sent to its tenant. `line` counts from 1 over what the client sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct CopyFault {
    /// What is wrong.
    pub what: Wrong,
    /// In which line (or row of the binary format), for the error's CONTEXT.
    pub line: u64,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The tenant key is null, or left to a default.
    #[error("null value as tenant key in COPY data")]
    NullKey,
    /// The tenant key is not a value of its type.
    #[error("invalid input syntax for type {}: \"{text}\"", type_name(*.key_type))]
    BadKey {
        /// The column's type.
        key_type: KeyType,
        /// What stands there.
        text: String,
    },
    /// The tenant key is not text in UTF-8.
    #[error("invalid byte sequence for encoding \"UTF8\" in the tenant key")]
    Encoding,
    /// Lines end in different ways, or a line end is not quoted; the words are PostgreSQL's.
    #[error("{0}")]
    LineEnd(&'static str),
    /// A row is longer than the limit, in bytes.
    #[error("a row of COPY data is longer than {0} bytes")]
    TooLong(usize),
    /// `\.` alone in a CSV line of a table with one column: servers differ in what it means.
    #[error("a CSV line \\. into a table with one column is ambiguous")]
    AmbiguousEnd,
}

impl CopyFault {
    /// PostgreSQL's code for this error.
    pub fn sqlstate(&self) -> &'static str {
        match self.what {
            Wrong::NullKey => "23502",
            Wrong::BadKey { .. } => "22P02",
            Wrong::Encoding => "22021",
            Wrong::LineEnd(_) => "22P04",
            Wrong::TooLong(_) => "54000",
            Wrong::AmbiguousEnd => "0A000",
        }
    }
}

fn type_name(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Integer => "integer",
        KeyType::Uuid => "uuid",
        KeyType::Text => "text",
    }
}
