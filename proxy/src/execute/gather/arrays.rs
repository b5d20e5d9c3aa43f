//! Rows as PostgreSQL's arrays and as pieces of COPY. An element of an array and a value of COPY, both in
//! the binary format, are written as a field of a DataRow is: its length, then its bytes. So rows become
//! either without being read.

use bytes::{BufMut, Bytes, BytesMut};
use router::plan::{Part, PartColumn};
use smallvec::SmallVec;

/// How COPY in the binary format begins: its signature, no flags, no extension.
const COPY_BEGIN: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// How it ends.
const COPY_END: &[u8] = &[0xff, 0xff];

/// Rows of one part, each as COPY has it: how many values, then those.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) count: usize,
    tuples: BytesMut,
}

/// The fields of a DataRow, each with its length in front.
pub(super) struct Fields<'a>(SmallVec<[&'a [u8]; 24]>);

impl<'a> Fields<'a> {
    /// Reads a DataRow's body; `None` where it is broken.
    pub(super) fn read(body: &'a [u8]) -> Option<Fields<'a>> {
        let (count, mut rest) = body.split_at_checked(2)?;
        let count = u16::from_be_bytes(count.try_into().ok()?);
        let mut fields = SmallVec::with_capacity(usize::from(count));
        for _ in 0..count {
            let (field, after) = rest.split_at_checked(field_length(rest)?)?;
            fields.push(field);
            rest = after;
        }
        rest.is_empty().then_some(Fields(fields))
    }

    /// The number of the part that the row is of, from 0.
    pub(super) fn part(&self) -> Option<usize> {
        let number = i32::from_be_bytes(self.0.first()?.get(4..8)?.try_into().ok()?);
        usize::try_from(number).ok()?.checked_sub(1)
    }
}

impl Rows {
    /// One row more; its bytes are counted. `None` where the row has not what the part has.
    pub(super) fn push(&mut self, part: &Part, fields: &Fields<'_>) -> Option<usize> {
        let before = self.tuples.len();
        self.tuples.put_u16(u16::try_from(part.columns.len()).ok()?);
        for column in &part.columns {
            self.tuples.put_slice(fields.0.get(column.place)?);
        }
        self.count += 1;
        Some(self.tuples.len() - before)
    }

    /// These rows, too.
    pub(super) fn join(&mut self, more: Rows) {
        self.count += more.count;
        self.tuples.unsplit(more.tuples);
    }

    /// How many bytes they are.
    pub(super) fn size(&self) -> usize {
        self.tuples.len()
    }

    /// All of them as the whole of a COPY; none are left.
    pub(super) fn take_copy(&mut self) -> Bytes {
        let mut out = BytesMut::with_capacity(COPY_BEGIN.len() + self.tuples.len() + COPY_END.len());
        out.put_slice(COPY_BEGIN);
        out.put_slice(&self.tuples.split());
        out.put_slice(COPY_END);
        self.count = 0;
        out.freeze()
    }
}

/// One array a column, of the rows that all servers gave of one part.
pub(super) fn arrays(part: &Part, given: &[&Rows]) -> Vec<BytesMut> {
    let count: usize = given.iter().map(|rows| rows.count).sum();
    let mut columns: Vec<Elements> = part.columns.iter().map(|_| Elements::default()).collect();
    for rows in given {
        let mut rest = rows.tuples.as_ref();
        for _ in 0..rows.count {
            rest = rest.get(2..).unwrap_or_default();
            for elements in &mut columns {
                let (field, after) = rest.split_at(field_length(rest).unwrap_or(rest.len()));
                elements.has_null |= field.starts_with(&[0xff]);
                elements.bytes.put_slice(field);
                rest = after;
            }
        }
    }
    part.columns.iter().zip(columns).map(|(column, elements)| array(column, &elements, count)).collect()
}

#[derive(Debug, Default)]
struct Elements {
    bytes: BytesMut,
    has_null: bool,
}

/// How long the first field is, with its length; `None` where it is not whole.
fn field_length(bytes: &[u8]) -> Option<usize> {
    let length = i32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let end = 4 + usize::try_from(length.max(0)).ok()?;
    (end <= bytes.len()).then_some(end)
}

/// `array_send` in PostgreSQL's `arrayfuncs.c`: dimensions, whether there are NULLs, the elements' type, then
/// length and lower bound of each dimension, then the elements.
fn array(column: &PartColumn, elements: &Elements, count: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(20 + elements.bytes.len());
    out.put_i32(i32::from(count > 0));
    out.put_i32(i32::from(elements.has_null));
    out.put_u32(column.element_oid);
    if count > 0 {
        out.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
        out.put_i32(1);
    }
    out.put_slice(&elements.bytes);
    out
}
