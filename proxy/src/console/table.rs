//! An answer of the console: columns and rows of text.

use bytes::BytesMut;

use crate::web::Section;
use crate::wire::write::{self, OwnColumn};

/// An answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// No rows yet.
    pub(super) fn new(columns: &[&'static str]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// One more row, in the order of the columns.
    pub(super) fn row(&mut self, values: impl IntoIterator<Item = Option<String>>) {
        self.rows.push(values.into_iter().collect());
    }

    /// As a part of the web page.
    pub(super) fn section(self, title: &str) -> Section {
        let columns = self.columns.into_iter().map(str::to_owned).collect();
        Section { title: title.to_owned(), columns, rows: self.rows }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// True where it has columns, so that it is to be described.
    pub(super) fn has_columns(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Appends the RowDescription.
    pub(super) fn describe(&self, out: &mut BytesMut) {
        let columns: Vec<OwnColumn> = self.columns.iter().map(|name| OwnColumn::text(*name)).collect();
        write::row_description(out, &columns);
    }

    /// Appends the rows.
    pub(super) fn rows(&self, out: &mut BytesMut) {
        for row in &self.rows {
            write::data_row(out, row.iter().map(|value| value.as_deref().map(str::as_bytes)));
        }
    }
}

/// A value that is always there.
pub(super) fn some(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}
