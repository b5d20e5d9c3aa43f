//! Rows: COPY data on its way to its tenants' servers, and rows that are merged.

use bytes::{Bytes, BytesMut};
use router::copy::{CopyFormat, CsvLayout, Layout, OutFormat, Piece, RowSplitter, RowWriter, TextLayout};
use router::ids::{KeyType, TenantKey};
use router::merge::{
    Aggregate, AggregateKind, Bounds, GroupPlan, LegColumn, MergePlan, Merger, Output, SortKey, Step,
};

/// COPY data cut in two anywhere is split as the whole is, and the pieces are the data.
pub(super) fn copy(bytes: &[u8]) {
    let Some((&[layout, shape, at], data)) = bytes.split_first_chunk::<3>() else { return };
    let format = format(layout, shape);
    let at = usize::from(at) * data.len() / 255;
    let (whole, failed) = split(&format, &[data]);
    let cut = split(&format, &[&data[..at], &data[at..]]);
    assert_eq!((joined(&whole), failed), (joined(&cut.0), cut.1), "a cut at {at} changes the pieces");
    let given: Vec<u8> = whole.iter().flat_map(|piece| bytes_of(piece).to_vec()).collect();
    assert!(data.starts_with(&given), "the pieces are the data, in order");
}

fn format(layout: u8, shape: u8) -> CopyFormat {
    let header = layout & 4 != 0;
    let layout = match layout % 4 {
        0 => Layout::Text(TextLayout { header, ..TextLayout::default() }),
        1 => Layout::Csv(CsvLayout { header, ..CsvLayout::default() }),
        2 => Layout::Csv(CsvLayout {
            delimiter: b';',
            null: "NULL".into(),
            quote: b'\'',
            escape: b'\\',
            force_null_key: layout & 8 != 0,
            force_not_null_key: layout & 16 != 0,
            header,
            default: None,
        }),
        _ => Layout::Binary,
    };
    let key_type = [KeyType::Integer, KeyType::Uuid, KeyType::Text][usize::from(shape % 3)];
    CopyFormat { layout, fields: 3, key_field: usize::from(shape / 3 % 3), key_type, longest_key: None }
}

/// Rows as COPY TO writes them are read as those rows, of those tenants.
pub(super) fn written(bytes: &[u8]) {
    let Some((&[layout, key_field], values)) = bytes.split_first_chunk::<2>() else { return };
    // Text is UTF-8, and so is a key of it.
    if std::str::from_utf8(values).is_err() || values.contains(&0) {
        return;
    }
    // COPY TO knows neither FORCE_NULL nor FORCE_NOT_NULL.
    let mut format = format(layout & !24, 2 + key_field % 3 * 3);
    if let Layout::Text(TextLayout { header, .. }) | Layout::Csv(CsvLayout { header, .. }) =
        &mut format.layout
    {
        *header = false;
    }
    let force_quote = if layout & 32 != 0 { vec!["*".to_owned()] } else { Vec::new() };
    let names = ["a", "b", "c"].map(str::to_owned);
    let writer = RowWriter::new(OutFormat { layout: format.layout.clone(), force_quote }, &names);
    let mut fields = values.split(|byte| *byte == 0x1e);
    let (mut rows, mut data) = (Vec::new(), Vec::new());
    writer.begin(&names, &mut data);
    while let (Some(a), Some(b), Some(c)) = (fields.next(), fields.next(), fields.next()) {
        // A key is never null.
        let is_value = |index: usize, value: &[u8]| index == format.key_field || !value.is_empty();
        let mut row = [Some(a), Some(b), Some(c)];
        for (index, field) in row.iter_mut().enumerate() {
            *field = field.filter(|value| is_value(index, value));
        }
        let from = data.len();
        writer.row(row.iter().copied(), &mut data);
        rows.push((row[format.key_field].unwrap_or_default().to_vec(), data[from..].to_vec()));
    }
    writer.end(&mut data);
    let (pieces, failed) = split(&format, &[&data]);
    assert!(!failed, "what was written can be read");
    let read = pieces.iter().filter_map(|piece| match piece {
        Piece::Row { key, bytes } => Some((key, bytes)),
        Piece::Every(_) | Piece::Any(_) => None,
    });
    let read: Vec<(Vec<u8>, Vec<u8>)> = read.map(|(key, bytes)| (text_of(key), bytes.to_vec())).collect();
    assert_eq!(read, rows);
}

fn text_of(key: &TenantKey) -> Vec<u8> {
    match key {
        TenantKey::Text(text) => text.as_bytes().to_vec(),
        TenantKey::Integer(_) | TenantKey::Uuid(_) => panic!("the keys are texts"),
    }
}

fn bytes_of(piece: &Piece) -> &Bytes {
    match piece {
        Piece::Row { bytes, .. } | Piece::Every(bytes) | Piece::Any(bytes) => bytes,
    }
}

/// The pieces; those that go to any one server are one, however they were cut.
fn joined(pieces: &[Piece]) -> Vec<(Option<Piece>, Vec<u8>)> {
    let mut joined: Vec<(Option<Piece>, Vec<u8>)> = Vec::new();
    for piece in pieces {
        match (piece, joined.last_mut()) {
            (Piece::Any(more), Some((None, bytes))) => bytes.extend_from_slice(more),
            (Piece::Any(bytes), _) => joined.push((None, bytes.to_vec())),
            (Piece::Row { .. } | Piece::Every(_), _) => joined.push((Some(piece.clone()), Vec::new())),
        }
    }
    joined
}

fn split(format: &CopyFormat, parts: &[&[u8]]) -> (Vec<Piece>, bool) {
    let mut splitter = RowSplitter::with_row_limit(format, 1 << 16);
    let mut pieces = Vec::new();
    for part in parts {
        splitter.feed(part);
        loop {
            match splitter.next_piece() {
                Ok(Some(piece)) => pieces.push(piece),
                Ok(None) => break,
                Err(_) => return (pieces, true),
            }
        }
    }
    splitter.finish();
    loop {
        match splitter.next_piece() {
            Ok(Some(piece)) => pieces.push(piece),
            Ok(None) => return (pieces, false),
            Err(_) => return (pieces, true),
        }
    }
}

/// Rows of two legs, by a plan of the first bytes.
pub(super) fn merge(bytes: &[u8]) {
    /// int2, int8, int4, float4, float8, numeric, text, bool, date, timestamptz, uuid, bytea, interval.
    const TYPES: [u32; 13] = [21, 20, 23, 700, 701, 1700, 25, 16, 1082, 1184, 2950, 17, 1186];
    let Some((&[way, kind, sorted], rest)) = bytes.split_first_chunk::<3>() else { return };
    let type_oid = TYPES[usize::from(kind) % TYPES.len()];
    let column = LegColumn { type_oid, type_modifier: -1, binary: true };
    let order = vec![SortKey {
        column: 1,
        output: (sorted & 4 != 0).then_some(0),
        descending: sorted & 1 != 0,
        nulls_first: sorted & 2 != 0,
    }];
    let plan = match way % 4 {
        0 => MergePlan { visible: 1, hidden: 1, order, ..MergePlan::default() },
        1 => MergePlan { visible: 1, hidden: 1, distinct: vec![1], ..MergePlan::default() },
        2 => MergePlan { visible: 1, hidden: 2, group: Some(group(sorted)), order, ..MergePlan::default() },
        _ => MergePlan { visible: 1, hidden: 2, group: Some(group(sorted)), ..MergePlan::default() },
    };
    let columns = vec![column; plan.visible + plan.hidden];
    let bounds = Bounds { offset: u64::from(sorted & 8), limit: Some(100), max_bytes: 1 << 16 };
    let Ok(mut merger) = Merger::new(&plan, &columns, 2, bounds) else { return };
    let mut out = BytesMut::new();
    let mut rows = rest.split(|byte| *byte == 0xfe).map(message);
    for turn in 0..400 {
        match merger.next(&mut out) {
            Ok(Step::Rows(_)) => {}
            Ok(Step::Need(_) | Step::NeedAny) => {
                let leg = turn % 2;
                match rows.next().map(|row| merger.push(leg, row)) {
                    Some(Ok(())) => {}
                    Some(Err(_)) => return,
                    None => (0..2).for_each(|leg| merger.finish(leg)),
                }
            }
            Ok(Step::Done) | Err(_) => return,
        }
    }
}

/// A DataRow of this body; one whose length is wrong where it is empty.
fn message(body: &[u8]) -> Bytes {
    let length = (body.len() as u32 + 4).to_be_bytes();
    Bytes::from([b"D", &length[usize::from(body.is_empty())..], body].concat())
}

fn group(kind: u8) -> GroupPlan {
    use AggregateKind::{And, Average, Count, Max, Min, Or, Sum};
    let kind = [Count, Sum, Min, Max, Average, And, Or][usize::from(kind >> 4) % 7];
    let parts = if kind == Average { vec![1, 2] } else { vec![2] };
    GroupPlan { keys: vec![1], outputs: vec![Output::Aggregate(Aggregate { kind, parts })] }
}
