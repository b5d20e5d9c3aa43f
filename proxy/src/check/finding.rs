//! One thing that a fleet lacks.

use std::fmt;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something works less well.
    Warning,
    /// Something does not work, or is refused.
    Error,
}

/// One thing that a fleet lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// The server; empty where it concerns several.
    pub server: String,
    /// What is the matter.
    pub what: String,
    /// What to do: a statement, or a setting.
    pub fix: String,
}

impl fmt::Display for Weight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Weight::Warning => "warning",
            Weight::Error => "error",
        })
    }
}
