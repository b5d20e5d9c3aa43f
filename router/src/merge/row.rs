//! A DataRow's body seen as fields, without a copy.

use bytes::Bytes;

use super::error::MergeError;

/// One field of a row: its length word starts at `start`, the next field at `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    start: usize,
    end: usize,
    null: bool,
}

/// A row with the places of its fields.
#[derive(Debug, Clone)]
pub(super) struct Row {
    body: Bytes,
    fields: Vec<Field>,
}

impl Row {
    /// Finds the fields of a body that must have this many.
    pub(super) fn read(body: Bytes, columns: usize) -> Result<Row, MergeError> {
        let count = body.first_chunk::<2>().map(|bytes| usize::from(u16::from_be_bytes(*bytes)));
        if count != Some(columns) {
            return Err(MergeError::Malformed("it has another number of fields"));
        }
        let mut fields = Vec::with_capacity(columns);
        let mut start = 2;
        for _ in 0..columns {
            let length = body.get(start..).and_then(|rest| rest.first_chunk::<4>());
            let length = length.map(|bytes| i32::from_be_bytes(*bytes));
            let length = length.ok_or(MergeError::Malformed("it ends within a field"))?;
            let end = start + 4 + usize::try_from(length).unwrap_or(0);
            fields.push(Field { start, end, null: length < 0 });
            start = end;
        }
        if start != body.len() {
            return Err(MergeError::Malformed("its length is not that of its fields"));
        }
        Ok(Row { body, fields })
    }

    /// The same row in memory of its own.
    pub(super) fn detached(&self, columns: usize) -> Result<Row, MergeError> {
        Row::read(Bytes::copy_from_slice(&self.body), columns)
    }

    /// About how much memory it takes.
    pub(super) fn size(&self) -> usize {
        self.body.len() + size_of_val(self.fields.as_slice())
    }

    /// The content of a field; `None` for NULL.
    pub(super) fn field(&self, column: usize) -> Option<Bytes> {
        let field = self.fields.get(column).filter(|field| !field.null)?;
        Some(self.body.slice(field.start + 4..field.end))
    }

    /// A field with its length word, as it goes into another row.
    pub(super) fn raw_field(&self, column: usize) -> &[u8] {
        const NULL: &[u8] = &(-1i32).to_be_bytes();
        self.fields.get(column).map_or(NULL, |field| &self.body[field.start..field.end])
    }

    /// The first `visible` fields with their length words.
    pub(super) fn visible(&self, visible: usize) -> Bytes {
        let end = match visible.checked_sub(1) {
            None => 2,
            Some(last) => self.fields.get(last).map_or(self.body.len(), |field| field.end),
        };
        self.body.slice(2..end)
    }
}
