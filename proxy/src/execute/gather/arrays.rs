//! Rows as PostgreSQL's arrays. An element of an array in the binary format is written as a field of a
//! DataRow is: its length, then its bytes. So rows become arrays without being read.

use bytes::{BufMut, BytesMut};
use router::plan::{Part, PartColumn};

/// What one server gave of one part: for each column the elements as they came.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) count: usize,
    columns: Vec<Elements>,
}

#[derive(Debug, Default)]
struct Elements {
    bytes: BytesMut,
    has_null: bool,
}

/// The fields of a DataRow, each with its length in front.
pub(super) struct Fields<'a>(Vec<&'a [u8]>);

impl<'a> Fields<'a> {
    /// Reads a DataRow's body; `None` where it is broken.
    pub(super) fn read(body: &'a [u8]) -> Option<Fields<'a>> {
        let (count, mut rest) = body.split_at_checked(2)?;
        let count = u16::from_be_bytes(count.try_into().ok()?);
        let mut fields = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let length = i32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
            let end = 4 + usize::try_from(length.max(0)).ok()?;
            let (field, after) = rest.split_at_checked(end)?;
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
    /// None yet.
    pub(super) fn of(part: &Part) -> Rows {
        Rows { count: 0, columns: part.columns.iter().map(|_| Elements::default()).collect() }
    }

    /// One row more; its bytes are counted. `None` where the row has not what the part has.
    pub(super) fn push(&mut self, part: &Part, fields: &Fields<'_>) -> Option<usize> {
        let mut bytes = 0;
        for (column, elements) in part.columns.iter().zip(&mut self.columns) {
            let field = fields.0.get(column.place)?;
            elements.has_null |= field.len() == 4 && field.first() == Some(&0xff);
            elements.bytes.put_slice(field);
            bytes += field.len();
        }
        self.count += 1;
        Some(bytes)
    }
}

/// One array a column, of the rows that all servers gave of one part.
pub(super) fn arrays(part: &Part, given: &[&Rows]) -> Vec<BytesMut> {
    let count: usize = given.iter().map(|rows| rows.count).sum();
    part.columns.iter().enumerate().map(|(index, column)| array(column, index, count, given)).collect()
}

/// `array_send` in PostgreSQL's `arrayfuncs.c`: dimensions, whether there are NULLs, the elements' type, then
/// length and lower bound of each dimension, then the elements.
fn array(column: &PartColumn, index: usize, count: usize, given: &[&Rows]) -> BytesMut {
    let columns = || given.iter().filter_map(|rows| rows.columns.get(index));
    let size: usize = columns().map(|elements| elements.bytes.len()).sum();
    let mut out = BytesMut::with_capacity(20 + size);
    out.put_i32(i32::from(count > 0));
    out.put_i32(i32::from(columns().any(|elements| elements.has_null)));
    out.put_u32(column.element_oid);
    if count > 0 {
        out.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
        out.put_i32(1);
    }
    columns().for_each(|elements| out.put_slice(&elements.bytes));
    out
}
