//! Answers as tables for people and as JSON for programs.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value};

use crate::asking::Answer;

/// Columns whose values are numbers in JSON.
const NUMBERS: [&str; 14] = [
    "id",
    "rows",
    "bytes",
    "lag_bytes",
    "pause_ms",
    "shards",
    "tenants",
    "shard",
    "first",
    "last",
    "port",
    "attempts",
    "changes",
    "late",
];

/// What the names of other columns of numbers begin with.
const COUNTS: [&str; 5] = ["total_", "avg_", "cl_", "sv_", "maxwait"];

fn is_number(column: &str) -> bool {
    NUMBERS.contains(&column) || COUNTS.iter().any(|count| column.starts_with(count))
}

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A person.
    Table,
    /// A program.
    Json,
}

/// Prints an answer.
pub(crate) fn print(answer: &Answer, style: Style) {
    match style {
        Style::Json => println!("{}", json(answer)),
        Style::Table if answer.columns.is_empty() => println!("ok"),
        Style::Table if answer.rows.is_empty() => println!("none"),
        Style::Table => println!("{}", table(answer)),
    }
}

/// Prints an answer under a title, which programs do not get.
pub(crate) fn titled(title: &str, answer: &Answer, style: Style) {
    if style == Style::Table {
        println!("{title}:");
    }
    print(answer, style);
}

fn table(answer: &Answer) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(&answer.columns);
    for row in &answer.rows {
        table.add_row(row.iter().map(|value| value.as_deref().unwrap_or("")));
    }
    table
}

/// A list with one object a row.
pub(crate) fn json(answer: &Answer) -> Value {
    let object = |row: &Vec<Option<String>>| {
        let fields =
            answer.columns.iter().zip(row).map(|(column, value)| (column.clone(), field(column, value)));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    Value::Array(answer.rows.iter().map(object).collect())
}

fn field(column: &str, value: &Option<String>) -> Value {
    match value {
        None => Value::Null,
        Some(text) if is_number(column) => match text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => text.parse::<f64>().map_or_else(|_| Value::from(text.as_str()), Value::from),
        },
        Some(text) => Value::from(text.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_numbers_where_programs_count() {
        let answer = Answer {
            columns: vec!["id".into(), "phase".into(), "pause_ms".into()],
            rows: vec![vec![Some("7".into()), Some("done".into()), None]],
        };
        assert_eq!(json(&answer).to_string(), r#"[{"id":7,"pause_ms":null,"phase":"done"}]"#);
    }
}
