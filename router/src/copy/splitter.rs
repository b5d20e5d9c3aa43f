//! Cuts a stream of COPY data into rows with their tenant keys.
//!
//! `feed` takes data in pieces cut anywhere, `next_piece` gives what is complete, `finish` says that
//! no more will come. The pieces together are the input, to the byte, up to the end marker.

use bytes::{Bytes, BytesMut};

use super::fault::{CopyFault, Wrong};
use super::fields::{Field, csv_field, text_field};
use super::format::{CopyFormat, Layout};
use super::lines::{Found, LineScanner};
use super::tuples::{self, Tuple};
use crate::ids::{KeyType, TenantKey};

/// PostgreSQL's limit of one row.
const ROW_LIMIT: usize = 0x3FFF_FFFF;

/// A part of the data, with where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A row of this tenant, with its line end.
    Row {
        /// The tenant.
        key: TenantKey,
        /// The row as the client wrote it.
        bytes: Bytes,
    },
    /// A header, trailer or end marker: it goes to every server.
    Every(Bytes),
    /// A row that every server refuses: it goes to any one, whose genuine error is the answer.
    Any(Bytes),
}

/// How far the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Rows,
    /// The end marker was seen: the rest is ignored, as PostgreSQL does.
    Ended,
    /// The file trailer was seen: PostgreSQL refuses more.
    Trailed,
}

/// Cuts COPY data into rows.
#[derive(Debug)]
pub struct RowSplitter {
    format: CopyFormat,
    row_limit: usize,
    scanner: LineScanner,
    buffer: BytesMut,
    stage: Stage,
    line: u64,
    finished: bool,
}

impl RowSplitter {
    /// A splitter for data in this format; rows are bounded as PostgreSQL bounds them.
    pub fn new(format: &CopyFormat) -> RowSplitter {
        RowSplitter::with_row_limit(format, ROW_LIMIT)
    }

    /// A splitter that refuses rows longer than `row_limit` bytes.
    pub fn with_row_limit(format: &CopyFormat, row_limit: usize) -> RowSplitter {
        let stage = match &format.layout {
            Layout::Text(text) if !text.header => Stage::Rows,
            Layout::Csv(csv) if !csv.header => Stage::Rows,
            Layout::Text(_) | Layout::Csv(_) | Layout::Binary => Stage::Header,
        };
        RowSplitter {
            scanner: LineScanner::new(&format.layout),
            format: format.clone(),
            row_limit,
            buffer: BytesMut::new(),
            stage,
            line: 0,
            finished: false,
        }
    }

    /// Takes the data of one CopyData message.
    pub fn feed(&mut self, data: &[u8]) {
        if self.stage != Stage::Ended {
            self.buffer.extend_from_slice(data);
        }
    }

    /// No more data will come: what is left is the last row.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next complete piece; `None` where more data is needed, or after `finish` at the end.
    ///
    /// # Errors
    /// [`CopyFault`] where a row cannot be sent to its tenant; the statement has failed then.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, CopyFault> {
        match (self.stage, &self.format.layout) {
            (Stage::Ended, _) => {
                self.buffer.clear();
                Ok(None)
            }
            (Stage::Trailed, _) => Ok(self.rest().map(Piece::Any)),
            (Stage::Header, Layout::Binary) => self.binary_header(),
            (Stage::Rows, Layout::Binary) => self.binary_row(),
            (Stage::Header | Stage::Rows, Layout::Text(_) | Layout::Csv(_)) => self.next_line(),
        }
    }

    fn fault(&self, what: Wrong) -> CopyFault {
        CopyFault { what, line: self.line }
    }

    fn take(&mut self, length: usize) -> Bytes {
        self.buffer.split_to(length).freeze()
    }

    /// All that is buffered, unless it is nothing.
    fn rest(&mut self) -> Option<Bytes> {
        (!self.buffer.is_empty()).then(|| self.buffer.split().freeze())
    }

    /// More data is needed; at the end, what is left is a row that servers refuse.
    fn starve(&mut self) -> Result<Option<Piece>, CopyFault> {
        if self.buffer.len() > self.row_limit {
            return Err(CopyFault { what: Wrong::TooLong(self.row_limit), line: self.line + 1 });
        }
        Ok(if self.finished { self.rest().map(Piece::Any) } else { None })
    }

    fn next_line(&mut self) -> Result<Option<Piece>, CopyFault> {
        let found = self.scanner.scan(&self.buffer, self.finished);
        let found = found.map_err(|what| CopyFault { what, line: self.line + 1 })?;
        match found {
            Found::More if self.finished && !self.scanner.in_quote() => match self.rest() {
                None => Ok(None),
                Some(bytes) => self.line_piece(bytes.len(), bytes),
            },
            Found::More => self.starve(),
            Found::Line { content, total } => {
                let bytes = self.take(total);
                self.line_piece(content, bytes)
            }
            Found::EndMarker { content, total } => self.end_marker(content, total),
        }
    }

    fn end_marker(&mut self, content: usize, total: usize) -> Result<Option<Piece>, CopyFault> {
        self.stage = Stage::Ended;
        if matches!(self.format.layout, Layout::Csv(_)) && self.format.fields == 1 {
            return Err(CopyFault { what: Wrong::AmbiguousEnd, line: self.line + 1 });
        }
        let bytes = self.take(total);
        if content == 0 {
            return Ok(Some(Piece::Every(bytes)));
        }
        self.line_piece(content, bytes)
    }

    fn line_piece(&mut self, content: usize, bytes: Bytes) -> Result<Option<Piece>, CopyFault> {
        self.line += 1;
        if bytes.len() > self.row_limit {
            return Err(self.fault(Wrong::TooLong(self.row_limit)));
        }
        if self.stage == Stage::Header {
            self.stage = Stage::Rows;
            return Ok(Some(Piece::Every(bytes)));
        }
        let line = bytes.get(..content).unwrap_or(&bytes);
        let field = match &self.format.layout {
            Layout::Text(text) => text_field(line, self.format.key_field, text),
            Layout::Csv(csv) => csv_field(line, self.format.key_field, csv),
            Layout::Binary => Field::Missing,
        };
        match field {
            Field::Missing => Ok(Some(Piece::Any(bytes))),
            // Too few fields: every server says so.
            Field::Null if content == 0 && self.format.fields > 1 => Ok(Some(Piece::Any(bytes))),
            Field::Null => Err(self.fault(Wrong::NullKey)),
            Field::Value(value) => {
                let key = read_key(value, self.format.key_type).map_err(|what| self.fault(what))?;
                let key = key.cut_to(self.format.longest_key);
                Ok(Some(Piece::Row { key, bytes }))
            }
        }
    }

    fn binary_header(&mut self) -> Result<Option<Piece>, CopyFault> {
        match tuples::header_length(&self.buffer) {
            None => self.starve(),
            Some(Err(_)) => {
                self.stage = Stage::Trailed;
                Ok(self.rest().map(Piece::Any))
            }
            Some(Ok(length)) => {
                self.stage = Stage::Rows;
                Ok(Some(Piece::Every(self.take(length))))
            }
        }
    }

    fn binary_row(&mut self) -> Result<Option<Piece>, CopyFault> {
        match tuples::tuple(&self.buffer, self.format.fields, self.format.key_field) {
            Tuple::More => self.starve(),
            Tuple::Broken(_) => {
                self.stage = Stage::Trailed;
                Ok(self.rest().map(Piece::Any))
            }
            Tuple::Trailer => {
                self.stage = Stage::Trailed;
                Ok(Some(Piece::Every(self.take(2))))
            }
            Tuple::Row { length, key } => {
                self.line += 1;
                let bytes = self.take(length);
                let value =
                    key.and_then(|range| bytes.get(range)).ok_or_else(|| self.fault(Wrong::NullKey))?;
                match tuples::key(value, self.format.key_type) {
                    Some(key) => Ok(Some(Piece::Row { key: key.cut_to(self.format.longest_key), bytes })),
                    None if self.format.key_type == KeyType::Text => Err(self.fault(Wrong::Encoding)),
                    None => Ok(Some(Piece::Any(bytes))),
                }
            }
        }
    }
}

/// The key that a field's text means.
fn read_key(value: Vec<u8>, key_type: KeyType) -> Result<TenantKey, Wrong> {
    let text = String::from_utf8(value).map_err(|_| Wrong::Encoding)?;
    if text.contains('\0') {
        return Err(Wrong::Encoding);
    }
    key_type.parse(&text).ok_or(Wrong::BadKey { key_type, text })
}
