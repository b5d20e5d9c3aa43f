//! What stands in the key's field of a line, as PostgreSQL's `CopyReadAttributesText` and
//! `CopyReadAttributesCSV` read it.

use super::format::{CsvLayout, TextLayout};

/// The key's field of one line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Null, or left to the column's default.
    Null,
    /// A value, unescaped.
    Value(Vec<u8>),
    /// The line has fewer fields, or ends within quotes.
    Missing,
}

/// Field `wanted` of a line of the text format, given without its line end.
pub(super) fn text_field(line: &[u8], wanted: usize, layout: &TextLayout) -> Field {
    let mut at = 0;
    for _ in 0..wanted {
        match text_field_end(line, at, layout.delimiter) {
            Some(end) => at = end + 1,
            None => return Field::Missing,
        }
    }
    let end = text_field_end(line, at, layout.delimiter).unwrap_or(line.len());
    let raw = line.get(at..end).unwrap_or_default();
    if raw == layout.null.as_bytes() || layout.default.as_ref().is_some_and(|text| raw == text.as_bytes()) {
        return Field::Null;
    }
    Field::Value(unescape(raw))
}

/// Where the delimiter stands that ends the field beginning at `at`.
fn text_field_end(line: &[u8], mut at: usize, delimiter: u8) -> Option<usize> {
    while let Some(&byte) = line.get(at) {
        if byte == delimiter {
            return Some(at);
        }
        at += if byte == b'\\' { 2 } else { 1 };
    }
    None
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let (b'\\', Some((&escaped, after))) = (byte, rest.split_first()) else {
            value.push(byte);
            continue;
        };
        rest = after;
        match escaped {
            b'0'..=b'7' => {
                let mut code = u32::from(escaped - b'0');
                take_digits(&mut rest, 2, 8, &mut code);
                value.push((code & 0o377) as u8);
            }
            b'x' => {
                let mut code = 0;
                let digits = take_digits(&mut rest, 2, 16, &mut code);
                value.push(if digits == 0 { b'x' } else { (code & 0xFF) as u8 });
            }
            b'b' => value.push(8),
            b'f' => value.push(12),
            b'n' => value.push(b'\n'),
            b'r' => value.push(b'\r'),
            b't' => value.push(b'\t'),
            b'v' => value.push(11),
            other => value.push(other),
        }
    }
    value
}

/// Takes at most `most` digits off the front; how many there were.
fn take_digits(rest: &mut &[u8], most: usize, radix: u32, code: &mut u32) -> usize {
    let mut taken = 0;
    while taken < most
        && let Some((&byte, after)) = rest.split_first()
        && let Some(digit) = char::from(byte).to_digit(radix)
    {
        *code = *code * radix + digit;
        *rest = after;
        taken += 1;
    }
    taken
}

/// Field `wanted` of a line of the CSV format, given without its line end.
pub(super) fn csv_field(line: &[u8], wanted: usize, layout: &CsvLayout) -> Field {
    let mut rest = line;
    let mut index = 0;
    loop {
        let Some(field) = csv_next(&mut rest, layout) else { return Field::Missing };
        if index == wanted {
            return field.meaning(layout);
        }
        if !field.delimited {
            return Field::Missing;
        }
        index += 1;
    }
}

/// One field of a CSV line.
struct CsvField<'a> {
    raw: &'a [u8],
    value: Vec<u8>,
    quoted: bool,
    delimited: bool,
}

impl CsvField<'_> {
    fn meaning(self, layout: &CsvLayout) -> Field {
        let null = layout.null.as_bytes();
        if !self.quoted && layout.default.as_ref().is_some_and(|text| self.raw == text.as_bytes()) {
            return Field::Null;
        }
        let plain_null = !self.quoted && self.raw == null;
        if plain_null && layout.force_not_null_key {
            return Field::Value(self.value);
        }
        if plain_null || (layout.force_null_key && self.value == null) {
            return Field::Null;
        }
        Field::Value(self.value)
    }
}

/// Reads one field off the front; `None` where the line ends within quotes.
fn csv_next<'a>(rest: &mut &'a [u8], layout: &CsvLayout) -> Option<CsvField<'a>> {
    let line = *rest;
    let (mut at, mut in_quote) = (0, false);
    let mut field = CsvField { raw: &[], value: Vec::new(), quoted: false, delimited: false };
    while let Some(&byte) = line.get(at) {
        let next = line.get(at + 1).copied();
        if in_quote {
            if byte == layout.escape && next.is_some_and(|n| n == layout.escape || n == layout.quote) {
                field.value.extend(next);
                at += 1;
            } else if byte == layout.quote {
                in_quote = false;
            } else {
                field.value.push(byte);
            }
        } else if byte == layout.delimiter {
            field.delimited = true;
            break;
        } else if byte == layout.quote {
            field.quoted = true;
            in_quote = true;
        } else {
            field.value.push(byte);
        }
        at += 1;
    }
    field.raw = line.get(..at).unwrap_or(line);
    *rest = line.get(at + 1..).unwrap_or_default();
    (!in_quote).then_some(field)
}
