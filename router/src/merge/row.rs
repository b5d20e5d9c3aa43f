//! DataRow messages in a piece of bytes, and a row seen as fields, without a copy.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::error::MergeError;

/// Tag and length of a message.
const HEADER: usize = 5;

/// One field of a row: its length word starts at `start`, the next field at `end`.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
    null: bool,
}

/// Where the fields of a row are; kept from one row to the next.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<Place>);

/// A row with the places of its fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    body: &'a [u8],
    places: &'a [Place],
}

impl Places {
    /// Finds the fields of a row that must have this many.
    pub(super) fn find<'a>(&'a mut self, body: &'a [u8], columns: usize) -> Result<Row<'a>, MergeError> {
        let count = body.first_chunk::<2>().map(|bytes| usize::from(u16::from_be_bytes(*bytes)));
        if count != Some(columns) {
            return Err(MergeError::Malformed("it has another number of fields"));
        }
        self.0.clear();
        let mut start = 2;
        for _ in 0..columns {
            let length = body.get(start..).and_then(|rest| rest.first_chunk::<4>());
            let length = length.map(|bytes| i32::from_be_bytes(*bytes));
            let length = length.ok_or(MergeError::Malformed("it ends within a field"))?;
            let end = start + 4 + usize::try_from(length).unwrap_or(0);
            self.0.push(Place { start, end, null: length < 0 });
            start = end;
        }
        if start != body.len() {
            return Err(MergeError::Malformed("its length is not that of its fields"));
        }
        Ok(Row { body, places: &self.0 })
    }
}

impl<'a> Row<'a> {
    /// The whole row, as it came.
    pub(super) fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The content of a field; `None` for NULL.
    pub(super) fn field(&self, column: usize) -> Option<&'a [u8]> {
        let place = self.places.get(column).filter(|place| !place.null)?;
        self.body.get(place.start + 4..place.end)
    }

    /// A field with its length word, as it goes into another row.
    pub(super) fn raw_field(&self, column: usize) -> &'a [u8] {
        const NULL: &[u8] = &(-1i32).to_be_bytes();
        self.places.get(column).and_then(|place| self.body.get(place.start..place.end)).unwrap_or(NULL)
    }

    /// Where the first `visible` fields with their length words end; they begin behind the count.
    pub(super) fn end_of(&self, visible: usize) -> usize {
        match visible.checked_sub(1) {
            None => 2,
            Some(last) => self.places.get(last).map_or(self.body.len(), |place| place.end),
        }
    }
}

/// Whole DataRow messages of one leg that nobody has taken yet, in the pieces in which they came.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pieces: VecDeque<Bytes>,
    /// How much of the first piece is taken.
    taken: usize,
    /// The row that was taken last: where its body is in the first piece.
    current: (usize, usize),
}

impl Rows {
    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    /// The body of the next row, which is taken with this; it stays until the next one is.
    pub(super) fn take(&mut self) -> Result<Option<&[u8]>, MergeError> {
        self.drop_taken();
        let Some(piece) = self.pieces.front() else { return Ok(None) };
        let rest = piece.get(self.taken..).unwrap_or_default();
        let end = message(rest)?;
        self.current = (self.taken + HEADER, self.taken + end);
        self.taken += end;
        Ok(Some(self.current()))
    }

    /// Writes all that is left of the next piece as it came, rows that must have this many fields; how many
    /// they are.
    pub(super) fn take_piece(&mut self, columns: usize, out: &mut BytesMut) -> Result<u64, MergeError> {
        self.drop_taken();
        let Some(piece) = self.pieces.pop_front() else { return Ok(0) };
        let piece = piece.get(std::mem::take(&mut self.taken)..).unwrap_or_default();
        let (mut rest, mut rows) = (piece, 0);
        while !rest.is_empty() {
            let (row, after) = rest.split_at(message(rest)?);
            if row.get(HEADER..HEADER + 2) != Some(&(columns as u16).to_be_bytes()) {
                return Err(MergeError::Malformed("it has another number of fields"));
            }
            rows += 1;
            rest = after;
        }
        out.extend_from_slice(piece);
        Ok(rows)
    }

    /// Forgets pieces of which nothing is left.
    fn drop_taken(&mut self) {
        while self.pieces.front().is_some_and(|piece| self.taken >= piece.len()) {
            self.pieces.pop_front();
            self.taken = 0;
        }
    }

    /// The body of the row that was taken last.
    pub(super) fn current(&self) -> &[u8] {
        let (start, end) = self.current;
        self.pieces.front().and_then(|piece| piece.get(start..end)).unwrap_or_default()
    }
}

/// The length of the DataRow message at the front.
fn message(bytes: &[u8]) -> Result<usize, MergeError> {
    let malformed = MergeError::Malformed("it is no whole message");
    let Some([b'D', length @ ..]) = bytes.first_chunk::<HEADER>() else { return Err(malformed) };
    let end = usize::try_from(u32::from_be_bytes(*length)).ok().and_then(|length| length.checked_add(1));
    end.filter(|end| (HEADER..=bytes.len()).contains(end)).ok_or(malformed)
}
