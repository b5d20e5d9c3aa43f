//! COPY data cut anywhere gives the rows that PostgreSQL would read.

use proptest::prelude::*;

use super::*;
use crate::ids::{KeyType, TenantKey};

fn format(layout: Layout, key_field: usize, key_type: KeyType) -> CopyFormat {
    CopyFormat { layout, fields: 3, key_field, key_type, longest_key: None }
}

fn text() -> CopyFormat {
    format(Layout::Text(TextLayout::default()), 1, KeyType::Text)
}

fn csv() -> CopyFormat {
    format(Layout::Csv(CsvLayout::default()), 1, KeyType::Text)
}

/// All pieces of data that arrives cut at these places.
fn split(format: &CopyFormat, data: &[u8], cuts: &[usize]) -> Result<Vec<Piece>, CopyFault> {
    let mut splitter = RowSplitter::new(format);
    let mut pieces = Vec::new();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (data.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(data.len());
    let mut start = 0;
    for cut in cuts {
        splitter.feed(&data[start..cut]);
        start = cut;
        while let Some(piece) = splitter.next_piece()? {
            pieces.push(piece);
        }
    }
    splitter.finish();
    while let Some(piece) = splitter.next_piece()? {
        pieces.push(piece);
    }
    Ok(pieces)
}

fn bytes_of(piece: &Piece) -> &[u8] {
    match piece {
        Piece::Row { bytes, .. } | Piece::Every(bytes) | Piece::Any(bytes) => bytes,
    }
}

/// The keys of the rows; `every` and `any` for other pieces.
fn keys(format: &CopyFormat, data: &[u8]) -> Vec<String> {
    let pieces = split(format, data, &[]).unwrap();
    let name = |piece: &Piece| match piece {
        Piece::Row { key, .. } => key.to_string(),
        Piece::Every(_) => "every".into(),
        Piece::Any(_) => "any".into(),
    };
    pieces.iter().map(name).collect()
}

fn refusal(format: &CopyFormat, data: &[u8]) -> CopyFault {
    split(format, data, &[]).unwrap_err()
}

proptest! {
    #[test]
    fn data_cut_anywhere_gives_the_same_rows(
        data in "([a-b,\"\\\\\t\n.]|\r\n|\r){0,40}", cuts in prop::collection::vec(0usize..50, 0..9), in_csv: bool,
    ) {
        let format = if in_csv { csv() } else { text() };
        let whole = split(&format, data.as_bytes(), &[]);
        prop_assert_eq!(&whole, &split(&format, data.as_bytes(), &cuts));
        if let Ok(pieces) = whole {
            let joined: Vec<u8> = pieces.iter().flat_map(|piece| bytes_of(piece).to_vec()).collect();
            let ended = data.contains("\\.");
            prop_assert!(joined == data.as_bytes() || ended && data.as_bytes().starts_with(&joined));
        }
    }

    #[test]
    fn csv_values_come_back_as_they_were_quoted(
        values in prop::collection::vec("[a-c,\"\\\\\n\r]{1,6}", 1..6), cuts in prop::collection::vec(0usize..99, 0..9),
    ) {
        let quoted = |value: &String| format!("x,\"{}\",\"\n\"\n", value.replace('"', "\"\""));
        let data: String = values.iter().map(quoted).collect();
        let rows = split(&csv(), data.as_bytes(), &cuts).unwrap().into_iter().map(|piece| match piece {
            Piece::Row { key, .. } => key.to_string(),
            Piece::Every(_) | Piece::Any(_) => "no row".into(),
        }).collect::<Vec<_>>();
        prop_assert_eq!(rows, values);
    }

    #[test]
    fn hostile_binary_data_never_panics(data in prop::collection::vec(any::<u8>(), 0..60), cut in 0usize..60) {
        let mut whole = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        whole.extend_from_slice(&data);
        for data in [&whole, &data] {
            let format = format(Layout::Binary, 1, KeyType::Integer);
            let joined = |cuts: &[usize]| {
                let pieces = split(&format, data, cuts)?;
                Ok::<_, CopyFault>(pieces.iter().flat_map(|piece| bytes_of(piece).to_vec()).collect::<Vec<u8>>())
            };
            prop_assert_eq!(joined(&[]), joined(&[cut]));
        }
    }
}

#[test]
fn a_key_in_text_is_unescaped() {
    let data = b"1\ta\\tb\t2\n1\t\\x41\\101\\b\t\\N\n1\ta\\\nb\t3\nlast\tkey\t";
    assert_eq!(keys(&text(), data), ["a\tb", "AA\u{8}", "a\nb", "key"]);
}

#[test]
fn an_end_marker_ends_the_data() {
    assert_eq!(keys(&text(), b"1\ta\t2\n\\.\n1\tb\t2\n"), ["a", "every"]);
    assert_eq!(keys(&csv(), b"1,a,2\r\n\\.\r\n1,b,2\r\n"), ["a", "every"]);
    assert_eq!(keys(&csv(), b"\\.x,a,2\n1,b\\.,2\n"), ["a", "b\\."]);
}

#[test]
fn csv_quotes_hold_line_ends_and_delimiters() {
    let data = b"1,\"a\nb\",2\n1,\"a\"\"b,c\"d,2\n\"\"\"\n\",x,\n";
    assert_eq!(keys(&csv(), data), ["a\nb", "a\"b,cd", "x"]);
}

#[test]
fn a_header_goes_to_every_server() {
    let layout = Layout::Csv(CsvLayout { header: true, ..CsvLayout::default() });
    assert_eq!(keys(&format(layout, 0, KeyType::Integer), b"id,b,c\n7,x,y\n"), ["every", "7"]);
}

#[test]
fn a_row_without_its_key_gets_a_servers_own_answer() {
    assert_eq!(keys(&text(), b"only\n"), ["any"]);
    assert_eq!(keys(&csv(), b"1,\"open"), ["any"]);
}

#[test]
fn a_null_key_is_refused_with_its_line() {
    let fault = refusal(&text(), b"1\ta\t2\n1\t\\N\t2\n");
    assert_eq!((fault.line, fault.sqlstate()), (2, "23502"));
    assert_eq!(refusal(&csv(), b"1,,2\n").what, Wrong::NullKey);
    assert_eq!(keys(&csv(), b"1,\"\",2\n"), [""]);
    let forced = Layout::Csv(CsvLayout { force_null_key: true, ..CsvLayout::default() });
    assert_eq!(refusal(&format(forced, 1, KeyType::Text), b"1,\"\",2\n").what, Wrong::NullKey);
    let forced = Layout::Csv(CsvLayout { force_not_null_key: true, ..CsvLayout::default() });
    assert_eq!(keys(&format(forced, 1, KeyType::Text), b"1,,2\n"), [""]);
}

#[test]
fn a_key_of_another_type_is_refused_in_postgresqls_words() {
    let numbers = format(Layout::Text(TextLayout::default()), 1, KeyType::Integer);
    let fault = refusal(&numbers, b"1\tx1\t2\n");
    assert_eq!(fault.to_string(), "invalid input syntax for type integer: \"x1\"");
    assert_eq!((fault.line, fault.sqlstate()), (1, "22P02"));
    assert_eq!(refusal(&text(), b"1\t\\377\t2\n").sqlstate(), "22021");
}

#[test]
fn mixed_line_ends_are_refused_as_postgresql_does() {
    assert_eq!(
        refusal(&text(), b"1\ta\t2\n1\tb\r\t2\n").to_string(),
        "literal carriage return found in data"
    );
    assert_eq!(refusal(&text(), b"1\ta\t2\r\n1\tb\t2\n").to_string(), "literal newline found in data");
    assert_eq!(refusal(&csv(), b"1,a,2\r\n1,b,2\n").to_string(), "unquoted newline found in data");
    assert_eq!(refusal(&text(), b"1\ta\\.b\t2\n").to_string(), "end-of-copy marker corrupt");
}

#[test]
fn a_row_beyond_the_limit_is_refused_before_it_ends() {
    let mut splitter = RowSplitter::with_row_limit(&text(), 8);
    splitter.feed(b"123456789");
    assert_eq!(splitter.next_piece().unwrap_err().sqlstate(), "54000");
}

#[test]
fn binary_rows_go_to_their_tenants() {
    let mut data = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\x02xx".to_vec();
    data.extend_from_slice(b"\0\x03\0\0\0\x01a\0\0\0\x04\0\0\0\x2a\xff\xff\xff\xff\xff\xff");
    let format = format(Layout::Binary, 1, KeyType::Integer);
    for cut in 0..data.len() {
        let pieces = split(&format, &data, &[cut]).unwrap();
        assert_eq!(pieces.len(), 3);
        assert!(matches!(&pieces[1], Piece::Row { key: TenantKey::Integer(42), bytes } if bytes.len() == 19));
        let joined: Vec<u8> = pieces.iter().flat_map(|piece| bytes_of(piece).to_vec()).collect();
        assert_eq!(joined, data);
    }
}

#[test]
fn a_key_is_read_as_its_column_stores_it() {
    let short = CopyFormat { longest_key: Some(4), ..text() };
    let rows = "1\tacme   \tx\n2\tacme\tx\n3\tzo\u{eb}  \tx\n4\tabcde\tx\n".as_bytes();
    assert_eq!(keys(&short, rows), ["acme", "acme", "zo\u{eb} ", "abcde"]);
}
