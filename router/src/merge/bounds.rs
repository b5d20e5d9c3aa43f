//! What bounds a merge: OFFSET, LIMIT and memory.

use super::error::{Clause, MergeError};
use super::types::{Limit, MergePlan};

/// Resolved bounds of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many rows to skip.
    pub offset: u64,
    /// How many rows to give; `None`: all.
    pub limit: Option<u64>,
    /// How many bytes groups or distinct rows may take.
    pub max_bytes: usize,
}

impl Bounds {
    /// The bounds of a plan. `parameter(n)` gives `$n` (counted from 1): whether it is in binary
    /// format, and its bytes or `None` for NULL.
    ///
    /// # Errors
    /// [`MergeError::Negative`] as PostgreSQL says it; [`MergeError::Malformed`] where a parameter
    /// is no int8.
    pub fn resolve<'a>(
        plan: &MergePlan,
        parameter: impl Fn(u16) -> Option<(bool, Option<&'a [u8]>)>,
        max_bytes: usize,
    ) -> Result<Bounds, MergeError> {
        let rows = |limit: Option<Limit>, clause| match limit {
            None => Ok(None),
            Some(Limit::Rows(rows)) => Ok(Some(rows)),
            Some(Limit::Parameter(number)) => {
                let (binary, value) =
                    parameter(number).ok_or(MergeError::Malformed("a row count has no parameter"))?;
                let Some(value) = value else { return Ok(None) };
                let count = integer(binary, value).ok_or(MergeError::Malformed("a row count is no int8"))?;
                u64::try_from(count).map(Some).map_err(|_| MergeError::Negative(clause))
            }
        };
        let limit = rows(plan.limit, Clause::Limit)?;
        let offset = rows(plan.offset, Clause::Offset)?.unwrap_or(0);
        Ok(Bounds { offset, limit, max_bytes })
    }
}

fn integer(binary: bool, value: &[u8]) -> Option<i64> {
    if !binary {
        return std::str::from_utf8(value).ok()?.trim_ascii().parse().ok();
    }
    match value.len() {
        2 => Some(i64::from(i16::from_be_bytes(value.try_into().ok()?))),
        4 => Some(i64::from(i32::from_be_bytes(value.try_into().ok()?))),
        8 => Some(i64::from_be_bytes(value.try_into().ok()?)),
        _ => None,
    }
}
