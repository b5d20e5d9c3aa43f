//! Tree to text, checked by reading the text again.

use std::sync::Arc;

use pg_raw_parse::nodes::{RangeVar, RawStmt};
use pg_raw_parse::{Owned, ParseResult, StmtList};

use super::filter::unprintable;
use crate::ids::quote_identifier;
use crate::plan::Refusal;

/// The text of a statement's tree. The text is parsed and printed again: one that does not come out
/// the same is refused.
pub(crate) fn print(statement: &RawStmt) -> Result<Arc<str>, Refusal> {
    let text = pg_raw_parse::deparse(statement).map_err(|_| unprintable())?;
    let again = pg_raw_parse::parse(text.as_str()).map_err(|_| unprintable())?;
    let same = match again.first() {
        Some(only) if again.len() == 1 => {
            pg_raw_parse::deparse(only).is_ok_and(|printed| printed.as_str() == text.as_str())
        }
        Some(_) | None => false,
    };
    if same { Ok(text.as_str().into()) } else { Err(unprintable()) }
}

/// A relation as a statement names it, quoted; `None` where it has no name.
pub(crate) fn quoted_relation(range: &RangeVar) -> Option<String> {
    let name = quote_identifier(range.relname()?);
    Some(match range.schemaname() {
        Some(schema) => format!("{}.{name}", quote_identifier(schema)),
        None => name,
    })
}

/// The trees of a text that was printed here.
pub(crate) fn trees(text: &str) -> Result<Owned<StmtList>, Refusal> {
    pg_raw_parse::parse(text).map(ParseResult::into_inner).map_err(|_| unprintable())
}
