//! An answer of the console: columns and rows. Whole numbers are of type `int8`, all else is `text`.

use bytes::{Bytes, BytesMut};

use crate::web::Section;
use crate::wire::write::{self, OwnColumn};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Words.
    Text,
    /// Whole numbers.
    Number,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    columns: Vec<(&'static str, Holds)>,
    rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// No rows yet, and all columns text.
    pub(super) fn new(columns: &[&'static str]) -> Table {
        let columns = columns.iter().map(|name| (*name, Holds::Text)).collect();
        Table { columns, rows: Vec::new() }
    }

    /// No rows yet.
    pub(super) fn of(columns: &[(&'static str, Holds)]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// One more row, in the order of the columns.
    pub(super) fn row(&mut self, values: impl IntoIterator<Item = Option<String>>) {
        self.rows.push(values.into_iter().collect());
    }

    /// As a part of the web page.
    pub(super) fn section(self, title: &str) -> Section {
        let columns = self.columns.into_iter().map(|(name, _)| name.to_owned()).collect();
        Section { title: title.to_owned(), columns, rows: self.rows }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// True where it has no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// True where it has columns, so that it is to be described.
    pub(super) fn has_columns(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Appends the RowDescription, for values in these formats.
    pub(super) fn describe(&self, formats: Formats<'_>, out: &mut BytesMut) {
        let column = |(place, (name, holds)): (usize, &(&'static str, Holds))| {
            let column = match holds {
                Holds::Text => OwnColumn::text(*name),
                Holds::Number => OwnColumn::int8(*name),
            };
            (column, formats.of(place))
        };
        let (columns, formats): (Vec<OwnColumn>, Vec<i16>) =
            self.columns.iter().enumerate().map(column).unzip();
        write::row_description_in(out, &columns, &formats);
    }

    /// Appends the rows.
    pub(super) fn rows(&self, formats: Formats<'_>, out: &mut BytesMut) {
        for row in &self.rows {
            let values: Vec<Option<Bytes>> = row
                .iter()
                .enumerate()
                .map(|(place, value)| value.as_deref().map(|value| self.encode(place, value, formats)))
                .collect();
            write::data_row(out, values.iter().map(Option::as_deref));
        }
    }

    fn encode(&self, place: usize, value: &str, formats: Formats<'_>) -> Bytes {
        let holds = self.columns.get(place).map_or(Holds::Text, |(_, holds)| *holds);
        match (holds, formats.of(place)) {
            (Holds::Number, 1) => {
                Bytes::copy_from_slice(&value.parse::<i64>().unwrap_or(i64::MAX).to_be_bytes())
            }
            (Holds::Number | Holds::Text, _) => Bytes::copy_from_slice(value.as_bytes()),
        }
    }
}

/// The formats that a client wants the columns in, as Bind has them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Formats<'a>(pub(super) &'a [i16]);

impl Formats<'_> {
    /// 0 is text, 1 is binary.
    fn of(self, column: usize) -> i16 {
        match self.0 {
            [] => 0,
            [all] => *all,
            each => each.get(column).copied().unwrap_or(0),
        }
    }
}

/// A value that is always there.
pub(super) fn some(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}
