//! Rows as COPY TO writes them (`copyto.c`: `CopyAttributeOutText`, `CopyAttributeOutCSV`).

use super::format::{CsvLayout, Layout, TextLayout};

/// The begin of binary data: the signature, no flags, no extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Its end.
const BINARY_TRAILER: &[u8] = &(-1_i16).to_be_bytes();

/// How COPY TO writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutFormat {
    /// Text, CSV or binary.
    pub layout: Layout,
    /// `FORCE_QUOTE`: these columns, or all of them for a star.
    pub force_quote: Vec<String>,
}

/// Writes rows, one after the other.
#[derive(Debug)]
pub struct RowWriter {
    format: OutFormat,
    forced: Vec<bool>,
}

impl RowWriter {
    /// For rows of these columns.
    pub fn new(format: OutFormat, names: &[String]) -> RowWriter {
        let is_forced =
            |name: &String| format.force_quote.iter().any(|forced| forced == name || forced == "*");
        RowWriter { forced: names.iter().map(is_forced).collect(), format }
    }

    /// True where values are wanted in the binary format.
    pub fn is_binary(&self) -> bool {
        matches!(self.format.layout, Layout::Binary)
    }

    /// What stands before the rows; nothing where nothing does.
    pub fn begin(&self, names: &[String], out: &mut Vec<u8>) {
        let names = names.iter().map(|name| Some(name.as_bytes()));
        match &self.format.layout {
            Layout::Text(layout) if layout.header => text_line(layout, names, out),
            Layout::Csv(layout) if layout.header => csv_line(layout, &[], names, out),
            Layout::Text(_) | Layout::Csv(_) => {}
            Layout::Binary => out.extend_from_slice(BINARY_HEADER),
        }
    }

    /// One row; `None` is NULL.
    pub fn row<'a>(&self, values: impl ExactSizeIterator<Item = Option<&'a [u8]>>, out: &mut Vec<u8>) {
        match &self.format.layout {
            Layout::Text(layout) => text_line(layout, values, out),
            Layout::Csv(layout) => csv_line(layout, &self.forced, values, out),
            Layout::Binary => binary_row(values, out),
        }
    }

    /// What stands behind the rows; nothing where nothing does.
    pub fn end(&self, out: &mut Vec<u8>) {
        match &self.format.layout {
            Layout::Text(_) | Layout::Csv(_) => {}
            Layout::Binary => out.extend_from_slice(BINARY_TRAILER),
        }
    }
}

fn text_line<'a>(layout: &TextLayout, values: impl Iterator<Item = Option<&'a [u8]>>, out: &mut Vec<u8>) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(layout.delimiter);
        }
        match value {
            None => out.extend_from_slice(layout.null.as_bytes()),
            Some(value) => text_value(value, layout.delimiter, out),
        }
    }
    out.push(b'\n');
}

fn text_value(value: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    for byte in value {
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' => b'\\',
            byte if *byte == delimiter => *byte,
            byte => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}

fn csv_line<'a>(
    layout: &CsvLayout,
    forced: &[bool],
    values: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    out: &mut Vec<u8>,
) {
    let single = values.len() == 1;
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(layout.delimiter);
        }
        match value {
            None => out.extend_from_slice(layout.null.as_bytes()),
            Some(value) => {
                let quoted =
                    forced.get(index).copied().unwrap_or(false) || needs_quotes(layout, value, single);
                csv_value(layout, value, quoted, out);
            }
        }
    }
    out.push(b'\n');
}

/// A value that would read as something else: a null, the end of the data, two values, two lines.
fn needs_quotes(layout: &CsvLayout, value: &[u8], single: bool) -> bool {
    let special = |byte: &u8| [layout.delimiter, layout.quote, b'\n', b'\r'].contains(byte);
    value == layout.null.as_bytes() || (single && value == b"\\.") || value.iter().any(special)
}

fn csv_value(layout: &CsvLayout, value: &[u8], quoted: bool, out: &mut Vec<u8>) {
    if !quoted {
        out.extend_from_slice(value);
        return;
    }
    out.push(layout.quote);
    for byte in value {
        if *byte == layout.quote || *byte == layout.escape {
            out.push(layout.escape);
        }
        out.push(*byte);
    }
    out.push(layout.quote);
}

fn binary_row<'a>(values: impl ExactSizeIterator<Item = Option<&'a [u8]>>, out: &mut Vec<u8>) {
    out.extend_from_slice(&i16::try_from(values.len()).unwrap_or(i16::MAX).to_be_bytes());
    for value in values {
        match value {
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            Some(value) => {
                out.extend_from_slice(&i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
                out.extend_from_slice(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_read_as_something_else_is_quoted() {
        let layout = CsvLayout { null: "NULL".into(), ..CsvLayout::default() };
        let format = OutFormat { layout: Layout::Csv(layout), force_quote: vec!["b".into()] };
        let names = ["a".to_owned(), "b".to_owned()];
        let writer = RowWriter::new(format, &names);
        let mut out = Vec::new();
        for (one, other) in [("NULL", "x"), ("a,b", "say \"hi\""), ("two\nlines", ""), ("\\.", "\\.")] {
            writer.row([Some(one.as_bytes()), Some(other.as_bytes())].into_iter(), &mut out);
        }
        writer.row([None, None].into_iter(), &mut out);
        let expected =
            "\"NULL\",\"x\"\n\"a,b\",\"say \"\"hi\"\"\"\n\"two\nlines\",\"\"\n\\.,\"\\.\"\nNULL,NULL\n";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
