//! What the proxy says to clients by itself: its own results, completions and errors.

use bytes::{Bytes, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::data::{FieldDescription, NoData, ParameterDescription, RowDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete, PortalSuspended};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse, ErrorResponse, NoticeResponse};
use pgwire::messages::startup::{BackendKeyData, ParameterStatus, SecretKey};

use super::frontend::{framed, put_values, raw};
use crate::wire::view::{Column, Fields};

/// `Z`: ready, with the status `I`, `T` or `E`.
pub fn ready(out: &mut BytesMut, status: u8) {
    raw(out, b'Z', &[status]);
}

/// `C`: a statement is done.
pub fn command_complete(out: &mut BytesMut, tag: &str) {
    put(out, &CommandComplete::new(tag.to_owned()));
}

/// One column of a result that the proxy makes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnColumn {
    /// Its name.
    pub name: String,
    /// Its type's OID.
    pub type_oid: u32,
    /// Its type's size in bytes; -1 is variable.
    pub type_size: i16,
}

impl OwnColumn {
    /// A column of type `text`.
    pub fn text(name: impl Into<String>) -> OwnColumn {
        OwnColumn { name: name.into(), type_oid: 25, type_size: -1 }
    }

    /// A column of type `int8`.
    pub fn int8(name: impl Into<String>) -> OwnColumn {
        OwnColumn { name: name.into(), type_oid: 20, type_size: 8 }
    }
}

/// `T`: the columns of a result of the proxy's own, in text format.
pub fn row_description(out: &mut BytesMut, columns: &[OwnColumn]) {
    row_description_in(out, columns, &[]);
}

/// `T`: the same, each column in the format of its place; 0, text, where there is none.
pub fn row_description_in(out: &mut BytesMut, columns: &[OwnColumn], formats: &[i16]) {
    let formats = formats.iter().copied().chain(std::iter::repeat(0));
    let fields = columns.iter().zip(formats).map(|(column, format)| {
        FieldDescription::new(column.name.clone(), 0, 0, column.type_oid, column.type_size, -1, format)
    });
    put(out, &RowDescription::new(fields.collect()));
}

/// `T`: columns that a server described, some of them perhaps dropped or changed.
pub fn columns(out: &mut BytesMut, columns: &[Column<'_>]) {
    use bytes::BufMut;
    framed(out, b'T', |out| {
        super::frontend::put_count(out, columns.len());
        for column in columns {
            super::frontend::put_text(out, column.name);
            out.put_u32(column.table);
            out.put_i16(column.attribute);
            out.put_u32(column.type_oid);
            out.put_i16(column.type_size);
            out.put_i32(column.type_modifier);
            out.put_i16(column.format);
        }
    });
}

/// `D`: one row; `None` is NULL.
pub fn data_row<'a>(out: &mut BytesMut, values: impl IntoIterator<Item = Option<&'a [u8]>>) {
    framed(out, b'D', |out| put_values(out, values));
}

/// `N`: a notice of the proxy's own.
pub fn own_notice(out: &mut BytesMut, message: &str, detail: &str) {
    let fields = [(b'S', "NOTICE"), (b'V', "NOTICE"), (b'C', "00000"), (b'M', message), (b'D', detail)];
    put(out, &NoticeResponse::new(fields.map(|(code, text)| (code, text.to_owned())).to_vec()));
}

/// `1`: a statement is prepared.
pub fn parse_complete(out: &mut BytesMut) {
    put(out, &ParseComplete::new());
}

/// `2`: parameters are bound.
pub fn bind_complete(out: &mut BytesMut) {
    put(out, &BindComplete::new());
}

/// `3`: a statement or portal is closed.
pub fn close_complete(out: &mut BytesMut) {
    put(out, &CloseComplete::new());
}

/// `n`: what was described returns no rows.
pub fn no_data(out: &mut BytesMut) {
    put(out, &NoData::new());
}

/// `t`: the parameters' type OIDs.
pub fn parameter_description(out: &mut BytesMut, types: &[u32]) {
    put(out, &ParameterDescription::new(types.to_vec()));
}

/// `s`: a portal has more rows.
pub fn portal_suspended(out: &mut BytesMut) {
    put(out, &PortalSuspended::new());
}

/// `I`: the answer to no statement.
pub fn empty_query(out: &mut BytesMut) {
    put(out, &EmptyQueryResponse::new());
}

/// `S`: a setting's value.
pub fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    put(out, &ParameterStatus::new(name.to_owned(), value.to_owned()));
}

/// `E`: an error with these fields.
pub fn error(out: &mut BytesMut, fields: &Fields) {
    put(out, &ErrorResponse::new(owned(fields)));
}

/// `N`: a notice with these fields.
pub fn notice(out: &mut BytesMut, fields: &Fields) {
    put(out, &NoticeResponse::new(owned(fields)));
}

fn owned(fields: &Fields) -> Vec<(u8, String)> {
    fields.iter().map(|(letter, value)| (letter, value.replace('\0', "\u{FFFD}"))).collect()
}

/// `K`: what a client must show to cancel. A client of protocol 3.0 gets a key of 4 bytes.
pub fn backend_key(out: &mut BytesMut, process: i32, key: &[u8]) {
    let secret = match key.first_chunk::<4>() {
        Some(word) if key.len() == 4 => SecretKey::I32(i32::from_be_bytes(*word)),
        _ => SecretKey::Bytes(Bytes::copy_from_slice(key)),
    };
    put(out, &BackendKeyData::new(process, secret));
}

/// pgwire refuses only what is longer than the protocol allows, which the proxy never makes.
fn put(out: &mut BytesMut, message: &impl Message) {
    message.encode(out).expect("the proxy's own messages are within the protocol's limits");
}
