//! One setting, as the text of the statement that makes it.

use std::collections::BTreeMap;

use router::ids::{quote_identifier, quote_literal};

/// Settings by their names.
pub(super) type Map = BTreeMap<String, Setting>;

/// One setting: its value as far as it is a plain constant, and the statement that makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value as SHOW would begin to read it; `None` where only the server knows (a list, DEFAULT).
    pub value: Option<String>,
    /// `SET name TO ...`, without LOCAL.
    pub statement: String,
}

impl Setting {
    /// True for `SET name TO DEFAULT`: the value that the session began with.
    pub fn is_default(&self) -> bool {
        self.value.is_none() && self.statement.ends_with(" TO DEFAULT")
    }

    /// The same for the transaction only.
    pub fn local_of(name: &str, value: &str) -> Setting {
        Setting { value: Some(value.to_owned()), statement: set_statement("SET LOCAL", name, value) }
    }

    /// A setting of one string value, as in a start-up message.
    pub fn of(name: &str, value: &str) -> Setting {
        Setting { value: Some(value.to_owned()), statement: set_statement("SET", name, value) }
    }
}

/// `SET name TO 'value'` with each part of a dotted name quoted; `search_path` and its like take
/// their value as a list, which only `set_config` reads from one string.
pub(super) fn set_statement(command: &str, name: &str, value: &str) -> String {
    const LISTS: [&str; 5] = [
        "search_path",
        "temp_tablespaces",
        "session_preload_libraries",
        "local_preload_libraries",
        "datestyle",
    ];
    if LISTS.contains(&name.to_ascii_lowercase().as_str()) {
        let local = command.ends_with("LOCAL");
        return format!(
            "SELECT pg_catalog.set_config({}, {}, {local})",
            quote_literal(name),
            quote_literal(value)
        );
    }
    let name: Vec<String> = name.split('.').map(quote_identifier).collect();
    format!("{command} {} TO {}", name.join("."), quote_literal(value))
}
