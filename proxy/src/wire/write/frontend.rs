//! What the proxy says to servers. Texts are bytes, in the client's encoding; a NUL within one
//! ends it, as it would in PostgreSQL, so names and statements must have been cut at theirs.

use bytes::{BufMut, BytesMut};

use crate::wire::view::Kind;

/// Any message with this body.
pub fn raw(out: &mut BytesMut, tag: u8, body: &[u8]) {
    framed(out, tag, |out| out.put_slice(body));
}

/// `Q`: run these statements. The server then owes a ReadyForQuery.
pub fn query(out: &mut BytesMut, text: &[u8]) {
    framed(out, b'Q', |out| put_text(out, text));
}

/// `P`: prepare a statement; the types are OIDs, 0 is unspecified.
pub fn parse(out: &mut BytesMut, name: &[u8], text: &[u8], types: &[u32]) {
    framed(out, b'P', |out| {
        put_text(out, name);
        put_text(out, text);
        put_count(out, types.len());
        types.iter().for_each(|oid| out.put_u32(*oid));
    });
}

/// `B`: bind parameters to a statement.
pub fn bind<'a>(
    out: &mut BytesMut,
    portal: &[u8],
    statement: &[u8],
    formats: &[i16],
    parameters: impl IntoIterator<Item = Option<&'a [u8]>>,
    result_formats: &[i16],
) {
    framed(out, b'B', |out| {
        put_text(out, portal);
        put_text(out, statement);
        put_formats(out, formats);
        put_values(out, parameters);
        put_formats(out, result_formats);
    });
}

/// `D`: describe a statement or portal.
pub fn describe(out: &mut BytesMut, kind: Kind, name: &[u8]) {
    kind_and_name(out, b'D', kind, name);
}

/// `D`: describe a statement.
pub fn describe_statement(out: &mut BytesMut, name: &[u8]) {
    describe(out, Kind::Statement, name);
}

/// `D`: describe a portal.
pub fn describe_portal(out: &mut BytesMut, name: &[u8]) {
    describe(out, Kind::Portal, name);
}

/// `C`: close a statement or portal.
pub fn close(out: &mut BytesMut, kind: Kind, name: &[u8]) {
    kind_and_name(out, b'C', kind, name);
}

fn kind_and_name(out: &mut BytesMut, tag: u8, kind: Kind, name: &[u8]) {
    framed(out, tag, |out| {
        out.put_u8(match kind {
            Kind::Statement => b'S',
            Kind::Portal => b'P',
        });
        put_text(out, name);
    });
}

/// `E`: run a portal; 0 rows is all.
pub fn execute(out: &mut BytesMut, portal: &[u8], max_rows: i32) {
    framed(out, b'E', |out| {
        put_text(out, portal);
        out.put_i32(max_rows);
    });
}

/// `S`: end a group of messages. The server then owes a ReadyForQuery.
pub fn sync(out: &mut BytesMut) {
    framed(out, b'S', |_| ());
}

/// `H`: send what there is.
pub fn flush(out: &mut BytesMut) {
    framed(out, b'H', |_| ());
}

/// `d`: a piece of COPY.
pub fn copy_data(out: &mut BytesMut, bytes: &[u8]) {
    raw(out, b'd', bytes);
}

/// `c`: the end of COPY.
pub fn copy_done(out: &mut BytesMut) {
    framed(out, b'c', |_| ());
}

/// `f`: COPY fails for this reason.
pub fn copy_fail(out: &mut BytesMut, reason: &str) {
    framed(out, b'f', |out| put_text(out, reason.as_bytes()));
}

/// `X`: good-bye.
pub fn terminate(out: &mut BytesMut) {
    framed(out, b'X', |_| ());
}

/// Writes tag and length around a body.
pub(in crate::wire) fn framed(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    let start = out.len();
    out.put_i32(0);
    body(out);
    let length =
        i32::try_from(out.len() - start).expect("what is written was read within the limit of a frame");
    if let Some(word) = out.get_mut(start..start + 4) {
        word.copy_from_slice(&length.to_be_bytes());
    }
}

/// A text and its NUL; what follows a NUL in it is cut off.
pub(in crate::wire) fn put_text(out: &mut BytesMut, text: &[u8]) {
    // Nearly none has one: to look for it so is quick.
    let end = match text.contains(&0) {
        true => text.iter().position(|byte| *byte == 0).unwrap_or(text.len()),
        false => text.len(),
    };
    out.put_slice(text.get(..end).unwrap_or_default());
    out.put_u8(0);
}

/// A count of two bytes, unsigned as PostgreSQL reads it.
pub(in crate::wire) fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u16(u16::try_from(count).expect("PostgreSQL counts columns and parameters in two bytes"));
}

/// A count and that many format codes.
pub(in crate::wire) fn put_formats(out: &mut BytesMut, formats: &[i16]) {
    put_count(out, formats.len());
    formats.iter().for_each(|format| out.put_i16(*format));
}

/// A count and that many values, each with its length before it.
pub(in crate::wire) fn put_values<'a>(
    out: &mut BytesMut,
    values: impl IntoIterator<Item = Option<&'a [u8]>>,
) {
    let at = out.len();
    out.put_u16(0);
    let mut count = 0usize;
    for value in values {
        count += 1;
        match value {
            None => out.put_i32(-1),
            Some(value) => {
                out.put_i32(i32::try_from(value.len()).expect("a value is smaller than 1 GB"));
                out.put_slice(value);
            }
        }
    }
    let count = u16::try_from(count).expect("PostgreSQL counts columns and parameters in two bytes");
    if let Some(word) = out.get_mut(at..at + 2) {
        word.copy_from_slice(&count.to_be_bytes());
    }
}
