//! Where a line of text or CSV ends, as PostgreSQL's `CopyReadLineText` decides it.
//!
//! The scanner keeps its place between calls, so a row that arrives in many pieces is read once.

use super::fault::Wrong;
use super::format::Layout;

/// How lines end; the first line decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Newline,
    Return,
    ReturnNewline,
}

/// What the scanner found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A line: `content` bytes, `total` with its end.
    Line { content: usize, total: usize },
    /// The end marker `\.`, after `content` bytes of a line; `total` with its line end.
    EndMarker { content: usize, total: usize },
    /// The line goes on in data that is not here yet.
    More,
}

/// Finds line ends.
#[derive(Debug)]
pub(super) struct LineScanner {
    csv: Option<(u8, u8)>,
    line_end: Option<LineEnd>,
    at: usize,
    in_quote: bool,
    escaped: bool,
}

impl LineScanner {
    pub(super) fn new(layout: &Layout) -> LineScanner {
        let csv = match layout {
            Layout::Csv(csv) => Some((csv.quote, csv.escape)),
            Layout::Text(_) | Layout::Binary => None,
        };
        LineScanner { csv, line_end: None, at: 0, in_quote: false, escaped: false }
    }

    /// Looks for the end of the line that begins at the start of `buffer`. After `More`, call
    /// again with the same bytes and more behind them; `last` says that no more will come.
    pub(super) fn scan(&mut self, buffer: &[u8], last: bool) -> Result<Found, Wrong> {
        while let Some(&byte) = buffer.get(self.at) {
            let next = buffer.get(self.at + 1).copied();
            if next.is_none() && !last && matches!(byte, b'\\' | b'\r') {
                return Ok(Found::More);
            }
            self.follow_quotes(byte);
            match byte {
                b'\r' if !self.in_quote => {
                    let length = self.carriage_return(next)?;
                    return Ok(self.line(length));
                }
                b'\n' if !self.in_quote => {
                    if matches!(self.line_end, Some(LineEnd::Return | LineEnd::ReturnNewline)) {
                        return Err(Wrong::LineEnd(
                            self.unexpected(
                                "literal newline found in data",
                                "unquoted newline found in data",
                            ),
                        ));
                    }
                    self.line_end = Some(LineEnd::Newline);
                    return Ok(self.line(1));
                }
                b'\\' if self.csv.is_none() || self.at == 0 => {
                    if next == Some(b'.')
                        && let Some(found) = self.end_marker(buffer, last)?
                    {
                        // An end marker in CSV stands at the start of a line; what this byte said
                        // of quotes is said again when the line is read on.
                        self.in_quote = false;
                        self.escaped = false;
                        return Ok(found);
                    }
                    // In the text format the byte after a backslash is data, a line end too.
                    self.at += if self.csv.is_none() { 2 } else { 1 };
                }
                _ => self.at += 1,
            }
        }
        Ok(Found::More)
    }

    /// True where the scanned part of the line ends within quotes.
    pub(super) fn in_quote(&self) -> bool {
        self.in_quote
    }

    /// Starts anew: what was scanned so far has been taken away.
    fn reset(&mut self) {
        self.at = 0;
        self.in_quote = false;
        self.escaped = false;
    }

    fn line(&mut self, end: usize) -> Found {
        let found = Found::Line { content: self.at, total: self.at + end };
        self.reset();
        found
    }

    fn follow_quotes(&mut self, byte: u8) {
        let Some((quote, escape)) = self.csv else { return };
        let distinct_escape = (escape != quote).then_some(escape);
        if self.in_quote && Some(byte) == distinct_escape {
            self.escaped = !self.escaped;
        }
        if byte == quote && !self.escaped {
            self.in_quote = !self.in_quote;
        }
        if Some(byte) != distinct_escape {
            self.escaped = false;
        }
    }

    /// The length of the line end that begins with a carriage return.
    fn carriage_return(&mut self, next: Option<u8>) -> Result<usize, Wrong> {
        let wrong = self
            .unexpected("literal carriage return found in data", "unquoted carriage return found in data");
        match (self.line_end, next) {
            (None | Some(LineEnd::ReturnNewline), Some(b'\n')) => {
                self.line_end = Some(LineEnd::ReturnNewline);
                Ok(2)
            }
            (None | Some(LineEnd::Return), _) => {
                self.line_end = Some(LineEnd::Return);
                Ok(1)
            }
            (Some(LineEnd::ReturnNewline | LineEnd::Newline), _) => Err(Wrong::LineEnd(wrong)),
        }
    }

    fn unexpected(&self, text: &'static str, csv: &'static str) -> &'static str {
        if self.csv.is_some() { csv } else { text }
    }

    /// `\.` was found at `at`. `None`: it is data (CSV, or nothing follows and the server shall
    /// say so).
    fn end_marker(&mut self, buffer: &[u8], last: bool) -> Result<Option<Found>, Wrong> {
        let rest = buffer.get(self.at + 2..).unwrap_or_default();
        let style = match rest {
            [] if last => return Ok(None),
            [] | [b'\r'] if !last => return Ok(Some(Found::More)),
            [b'\r', b'\n', ..] => LineEnd::ReturnNewline,
            [b'\n', ..] => LineEnd::Newline,
            [b'\r', ..] => LineEnd::Return,
            _ if self.csv.is_some() => return Ok(None),
            _ => return Err(Wrong::LineEnd("end-of-copy marker corrupt")),
        };
        // After returns alone, a newline behind the marker is what PostgreSQL then ignores.
        let fits = self.line_end.is_none_or(|line_end| {
            line_end == style || (line_end, style) == (LineEnd::Return, LineEnd::ReturnNewline)
        });
        if !fits {
            return Err(Wrong::LineEnd("end-of-copy marker does not match previous newline style"));
        }
        let end = if style == LineEnd::ReturnNewline { 4 } else { 3 };
        Ok(Some(Found::EndMarker { content: self.at, total: self.at + end }))
    }
}
