//! The columns and values of results.

use crate::wire::frame::{Frame, WireFault};
use crate::wire::read::Reader;

/// One column of a RowDescription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The OID of the table that it is a column of; 0 where it is none.
    pub table: u32,
    /// Its number in that table; 0 where it is none.
    pub attribute: i16,
    /// Its type's OID.
    pub type_oid: u32,
    /// Its type's size in bytes; negative is variable.
    pub type_size: i16,
    /// Its type modifier.
    pub type_modifier: i32,
    /// 0 is text, 1 is binary.
    pub format: i16,
}

/// The columns of a RowDescription.
pub fn columns(frame: &Frame) -> Result<Vec<Column<'_>>, WireFault> {
    let mut reader = Reader::of(frame, b'T')?;
    let count = reader.count()?;
    let columns = (0..count).map(|_| column(&mut reader)).collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(columns)
}

fn column<'a>(reader: &mut Reader<'a>) -> Result<Column<'a>, WireFault> {
    Ok(Column {
        name: reader.text()?,
        table: reader.oid()?,
        attribute: reader.int16()?,
        type_oid: reader.oid()?,
        type_size: reader.int16()?,
        type_modifier: reader.int32()?,
        format: reader.int16()?,
    })
}

/// The values of one DataRow, read as they are asked for.
pub struct Row<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Row<'a> {
    /// Begins to read a `D`.
    pub fn read(frame: &'a Frame) -> Result<Row<'a>, WireFault> {
        let mut reader = Reader::of(frame, b'D')?;
        let left = reader.count()?;
        Ok(Row { reader, left })
    }

    /// How many values are still to come.
    pub fn left(&self) -> usize {
        self.left
    }
}

impl<'a> Iterator for Row<'a> {
    type Item = Result<Option<&'a [u8]>, WireFault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let value = self.reader.value();
        if value.is_err() {
            self.left = 0;
        }
        Some(value)
    }
}
