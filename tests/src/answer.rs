//! What a client sees of one statement, in a form that can be compared.

use std::fmt;

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The OID of its type.
    pub type_oid: u32,
}

/// An error as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// SQLSTATE.
    pub sqlstate: String,
    /// The message.
    pub message: String,
    /// DETAIL, empty when there is none.
    pub detail: String,
    /// HINT, empty when there is none.
    pub hint: String,
    /// The position in the statement, empty when there is none.
    pub position: String,
}

impl Fault {
    /// Whether this is how pgherd refuses what it cannot answer exactly: 0A000, with a hint.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.sqlstate == "0A000" && !self.hint.is_empty()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.sqlstate, self.message)?;
        if !self.detail.is_empty() {
            write!(formatter, " | {}", self.detail)?;
        }
        if !self.hint.is_empty() {
            write!(formatter, " | {}", self.hint)?;
        }
        Ok(())
    }
}

/// The answer to one statement, values in text format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The columns, when the statement returns rows.
    pub columns: Vec<Column>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// The command tag, as in `INSERT 0 1`.
    pub tag: String,
    /// The error that ended it.
    pub fault: Option<Fault>,
    /// The data of COPY TO STDOUT.
    pub copied: String,
}

impl Answer {
    /// The only value of the only row.
    #[must_use]
    pub fn value(&self) -> &str {
        let value = self.rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
        value.unwrap_or_else(|| panic!("no value in {self:?}"))
    }

    /// The SQLSTATE of the error, or an empty text.
    #[must_use]
    pub fn sqlstate(&self) -> &str {
        self.fault.as_ref().map(|fault| fault.sqlstate.as_str()).unwrap_or_default()
    }

    /// Itself with the rows sorted, for answers whose order nobody promised.
    #[must_use]
    pub fn sorted(mut self) -> Answer {
        self.rows.sort();
        let mut lines: Vec<&str> = self.copied.lines().collect();
        lines.sort_unstable();
        self.copied = lines.join("\n");
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fault) = &self.fault {
            writeln!(formatter, "    {fault}")?;
        }
        let names: Vec<String> =
            self.columns.iter().map(|column| format!("{}:{}", column.name, column.type_oid)).collect();
        writeln!(formatter, "    [{}] {} rows, tag {:?}", names.join(", "), self.rows.len(), self.tag)?;
        for row in self.rows.iter().take(12) {
            let values: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
            writeln!(formatter, "    ({})", values.join(", "))?;
        }
        Ok(())
    }
}
