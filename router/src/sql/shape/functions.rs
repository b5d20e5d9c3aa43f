//! Which functions give on several servers what they give on one.

use crate::catalog::{Catalog, Volatility};
use crate::plan::Refusal;

/// Stable functions that depend on their arguments, the session's settings and the user only, which are
/// the same on all servers; with those that the leg's text replaces by constants.
const SAME_EVERYWHERE: &[&str] = &[
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "current_database",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_user",
    "date",
    "date_part",
    "date_trunc",
    "daterange",
    "extract",
    "format",
    "format_type",
    "generate_series",
    "isfinite",
    "json_build_array",
    "json_build_object",
    "json_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object",
    "jsonb_path_exists_tz",
    "jsonb_path_match_tz",
    "jsonb_path_query_tz",
    "make_timestamptz",
    "now",
    "overlaps",
    "phraseto_tsquery",
    "plainto_tsquery",
    "quote_ident",
    "quote_literal",
    "quote_nullable",
    "regexp_replace",
    "row_to_json",
    "session_user",
    "statement_timestamp",
    "string_to_array",
    "substring",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "transaction_timestamp",
    "ts_headline",
    "tstzrange",
    "unnest",
    "user",
    "websearch_to_tsquery",
];

/// Volatile functions that may differ from row to row anyway, and change nothing.
const DIFFERENT_EACH_ROW: &[&str] = &[
    "clock_timestamp",
    "gen_random_uuid",
    "random",
    "random_normal",
    "timeofday",
    "unique_id",
    "uuidv4",
    "uuidv7",
];

/// Immutable or stable by PostgreSQL's word, but they run SQL that is handed to them.
const RUNS_SQL: &[&str] = &[
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
    "ts_stat",
    "ts_rewrite",
];

/// True for a stable function that gives the same on all servers, but for the clock's.
pub(crate) fn is_same_everywhere(name: &str) -> bool {
    const CLOCK: [&str; 3] = ["now", "statement_timestamp", "transaction_timestamp"];
    SAME_EVERYWHERE.contains(&name) && !CLOCK.contains(&name)
}

/// What a call of a function does to its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// One value from its arguments, the same on each server.
    Plain,
    /// Another value at each call.
    Volatile,
    /// Rows.
    Set,
    /// One value from many rows.
    Aggregate,
    /// A value from the rows around.
    Window,
}

/// What calling a function of this name does; refused where it is not certain that it is harmless.
pub(super) fn classify(catalog: &Catalog, name: Option<&str>) -> Result<Call, Refusal> {
    let unknown = || refuse("a function outside pg_catalog");
    let name = name.ok_or_else(unknown)?;
    let facts = catalog.functions.get(name).ok_or_else(|| refuse(&format!("function {name}()")))?;
    if !facts.builtin || RUNS_SQL.contains(&name) {
        return Err(refuse(&format!("function {name}()")));
    }
    let harmless = match facts.volatility {
        Volatility::Immutable => true,
        Volatility::Stable => SAME_EVERYWHERE.contains(&name),
        Volatility::Volatile => DIFFERENT_EACH_ROW.contains(&name),
    };
    if !harmless {
        return Err(refuse(&format!("function {name}()")));
    }
    Ok(match facts {
        facts if facts.window => Call::Window,
        facts if facts.aggregate => Call::Aggregate,
        facts if facts.returns_set => Call::Set,
        facts if facts.volatility == Volatility::Volatile => Call::Volatile,
        _ => Call::Plain,
    })
}

fn refuse(what: &str) -> Refusal {
    Refusal::unsupported(
        format!("{what} may give something else on each server and cannot be used over all tenants"),
        "restrict the statement to one tenant",
    )
}
