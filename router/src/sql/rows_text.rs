//! Rows that the proxy has, as a query over parameters: `VALUES ($5, $6), ($7, $8)`.

use std::fmt::Write;

use pg_raw_parse::{Owned, StmtList};

use super::rewrite::trees;
use crate::catalog::is_of_user;
use crate::ids::quote_identifier;
use crate::plan::Refusal;

/// PostgreSQL takes no more parameters in one statement.
pub(crate) const MOST_PARAMETERS: usize = 65_535;

/// How many parameters a statement for some of many rows has, where nothing asks for more.
pub(crate) const USUAL_PARAMETERS: usize = 6_000;

/// How many rows of this width a statement of so many parameters takes.
pub(crate) fn rows_at_once(width: usize, parameters: usize) -> usize {
    (parameters / width.max(1)).max(1)
}

/// The columns of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    /// Their names.
    pub(crate) names: Vec<String>,
    /// The types of their parameters, as OIDs; 0 where the text says it.
    pub(crate) types: Vec<u32>,
    /// What stands behind each parameter, as SQL.
    casts: Vec<String>,
}

impl Columns {
    /// None so far, which will have these names.
    pub(crate) fn named(names: &[String]) -> Columns {
        Columns { names: names.to_vec(), ..Columns::default() }
    }

    /// One more column: its type, how SQL names that where this is known, and its collation where it is not the
    /// type's own.
    pub(crate) fn push(&mut self, type_oid: u32, type_name: Option<&str>, collation: Option<&str>) {
        let of_user = is_of_user(type_oid);
        let mut cast = String::new();
        if let (Some(name), true) = (type_name, of_user) {
            let _ = write!(cast, "::{name}");
        }
        if let Some(collation) = collation {
            let _ = write!(cast, " COLLATE {collation}");
        }
        self.types.push(match (of_user, type_name) {
            (true, Some(_)) => 0,
            (_, _) => type_oid,
        });
        self.casts.push(cast);
    }

    /// Refuses types that cannot be named on every server, and names that stand for two columns.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.types.iter().any(|type_oid| is_of_user(*type_oid)) {
            return Err(Refusal::unsupported(
                "a computed value of a type that a user made, where rows of several servers are concerned",
                "Cast it to text, and back where it is used.",
            ));
        }
        Ok(())
    }
}

/// The query that gives so many rows; `first` is the number of the first parameter.
pub(crate) fn rows_query(columns: &Columns, rows: usize, first: u32) -> Result<Owned<StmtList>, Refusal> {
    trees(&rows_text(columns, rows, first)?)
}

/// The text of [`rows_query`].
pub(crate) fn rows_text(columns: &Columns, rows: usize, first: u32) -> Result<String, Refusal> {
    let width = columns.types.len();
    if rows.saturating_mul(width) > MOST_PARAMETERS {
        return Err(Refusal {
            sqlstate: "53400",
            message: format!("{rows} rows of {width} columns are too many to be handed on in one statement"),
            hint: "Write fewer rows at a time.".into(),
        });
    }
    let mut number = first;
    let mut row = || {
        let cells: Vec<String> = columns
            .casts
            .iter()
            .enumerate()
            .map(|(at, cast)| format!("${}{cast}", number as usize + at))
            .collect();
        number += u32::try_from(width).unwrap_or(u32::MAX);
        cells.join(", ")
    };
    Ok(match (rows, width) {
        (_, 0) => "SELECT WHERE false".to_owned(),
        (0, _) => format!("SELECT {} WHERE false", row()),
        (rows, _) => {
            let rows: Vec<String> = (0..rows).map(|_| format!("({})", row())).collect();
            format!("VALUES {}", rows.join(", "))
        }
    })
}

/// The query as an item of FROM, under a name.
pub(crate) fn rows_item(
    columns: &Columns,
    rows: usize,
    first: u32,
    name: &str,
) -> Result<Owned<StmtList>, Refusal> {
    let names: Vec<String> = columns.names.iter().map(|name| quote_identifier(name)).collect();
    let text = rows_text(columns, rows, first)?;
    trees(&format!("SELECT FROM ({text}) AS {} ({})", quote_identifier(name), names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_as_values_or_as_none() {
        let mut columns = Columns::default();
        columns.push(20, Some("bigint"), None);
        columns.push(25, Some("text"), Some("\"C\""));
        columns.push(16_400, Some("mood"), None);
        assert_eq!(columns.types, [20, 25, 0]);
        assert_eq!(
            rows_text(&columns, 2, 4).expect("few"),
            "VALUES ($4, $5 COLLATE \"C\", $6::mood), ($7, $8 COLLATE \"C\", $9::mood)"
        );
        assert_eq!(
            rows_text(&columns, 0, 4).expect("none"),
            "SELECT $4, $5 COLLATE \"C\", $6::mood WHERE false"
        );
        assert_eq!(rows_text(&columns, 40_000, 1).expect_err("many").sqlstate, "53400");
        columns.push(16_401, None, None);
        assert!(columns.check().is_err());
    }
}
