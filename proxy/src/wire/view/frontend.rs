//! Views of what clients send. Texts are bytes: the client's encoding need not be UTF-8.

use smallvec::SmallVec;

use crate::wire::frame::{Frame, WireFault};
use crate::wire::read::{Formats, Reader};

/// `Q`: a simple query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// The statements.
    pub text: &'a [u8],
}

impl<'a> Query<'a> {
    /// Reads a `Q`.
    pub fn read(frame: &'a Frame) -> Result<Query<'a>, WireFault> {
        let mut reader = Reader::of(frame, b'Q')?;
        let text = reader.text()?;
        reader.end()?;
        Ok(Query { text })
    }
}

/// `P`: prepare a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The statement's name; empty is the unnamed one.
    pub name: &'a [u8],
    /// The statement.
    pub text: &'a [u8],
    /// The parameters' type OIDs as far as they are given; 0 is unspecified.
    pub types: Vec<u32>,
}

impl<'a> Parse<'a> {
    /// Reads a `P`.
    pub fn read(frame: &'a Frame) -> Result<Parse<'a>, WireFault> {
        let mut reader = Reader::of(frame, b'P')?;
        let (name, text) = (reader.text()?, reader.text()?);
        let count = reader.count()?;
        let types = (0..count).map(|_| reader.oid()).collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Parse { name, text, types })
    }
}

/// `B`: bind parameters to a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal's name; empty is the unnamed one.
    pub portal: &'a [u8],
    /// The statement's name.
    pub statement: &'a [u8],
    /// The parameters' formats: none (all text), one for all, or one each.
    pub formats: Formats,
    /// The parameters; `None` is NULL.
    pub parameters: SmallVec<[Option<&'a [u8]>; 8]>,
    /// The result columns' formats: none (all text), one for all, or one each.
    pub result_formats: Formats,
    /// Parameter formats and parameters as they came, counts included.
    pub(in crate::wire) middle: &'a [u8],
}

impl<'a> Bind<'a> {
    /// Reads a `B`.
    pub fn read(frame: &'a Frame) -> Result<Bind<'a>, WireFault> {
        let mut reader = Reader::of(frame, b'B')?;
        let (portal, statement) = (reader.text()?, reader.text()?);
        let from = reader.rest();
        let formats = reader.formats()?;
        let count = reader.count()?;
        let parameters = (0..count).map(|_| reader.value()).collect::<Result<_, _>>()?;
        let read = from.len() - reader.rest().len();
        let middle = from.get(..read).unwrap_or_default();
        let result_formats = reader.formats()?;
        reader.end()?;
        Ok(Bind { portal, statement, formats, parameters, result_formats, middle })
    }

    /// The format of a parameter, from 0: 0 is text, 1 is binary.
    pub fn format(&self, parameter: usize) -> i16 {
        one_or_each(&self.formats, parameter)
    }

    /// The format of a result column, from 0: 0 is text, 1 is binary.
    pub fn result_format(&self, column: usize) -> i16 {
        one_or_each(&self.result_formats, column)
    }
}

/// The protocol's rule for formats: none means text, one means all.
fn one_or_each(formats: &[i16], index: usize) -> i16 {
    match formats {
        [] => 0,
        [all] => *all,
        each => each.get(index).copied().unwrap_or(0),
    }
}

/// What a Describe or Close is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// `D`: describe a statement or portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Describe<'a> {
    /// Of which kind.
    pub kind: Kind,
    /// Its name.
    pub name: &'a [u8],
}

impl<'a> Describe<'a> {
    /// Reads a `D`.
    pub fn read(frame: &'a Frame) -> Result<Describe<'a>, WireFault> {
        kind_and_name(frame, b'D').map(|(kind, name)| Describe { kind, name })
    }
}

/// `C`: close a statement or portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// Of which kind.
    pub kind: Kind,
    /// Its name.
    pub name: &'a [u8],
}

impl<'a> Close<'a> {
    /// Reads a `C`.
    pub fn read(frame: &'a Frame) -> Result<Close<'a>, WireFault> {
        kind_and_name(frame, b'C').map(|(kind, name)| Close { kind, name })
    }
}

fn kind_and_name(frame: &Frame, tag: u8) -> Result<(Kind, &[u8]), WireFault> {
    let mut reader = Reader::of(frame, tag)?;
    let kind = match reader.byte()? {
        b'S' => Kind::Statement,
        b'P' => Kind::Portal,
        _ => return Err(reader.fault()),
    };
    let name = reader.text()?;
    reader.end()?;
    Ok((kind, name))
}

/// `E`: run a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The portal's name.
    pub portal: &'a [u8],
    /// The most rows to return; 0 and less is all.
    pub max_rows: i32,
}

impl<'a> Execute<'a> {
    /// Reads an `E`.
    pub fn read(frame: &'a Frame) -> Result<Execute<'a>, WireFault> {
        let mut reader = Reader::of(frame, b'E')?;
        let (portal, max_rows) = (reader.text()?, reader.int32()?);
        reader.end()?;
        Ok(Execute { portal, max_rows })
    }
}

/// `d`: the bytes of a piece of COPY, in either direction.
pub fn copy_data(frame: &Frame) -> Result<&[u8], WireFault> {
    Reader::of(frame, b'd').map(|reader| reader.rest())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{cut, write};

    fn framed(write: impl FnOnce(&mut BytesMut)) -> Frame {
        let mut buffer = BytesMut::new();
        write(&mut buffer);
        cut(&mut buffer, 1 << 20).unwrap().unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let frame = framed(|out| write::parse(out, b"s1", b"select $1", &[23, 0]));
        let parse = Parse::read(&frame).unwrap();
        assert_eq!((parse.name, parse.text, parse.types), (&b"s1"[..], &b"select $1"[..], vec![23, 0]));
        let parameters = [Some(&b"42"[..]), None, Some(&b""[..])];
        let frame = framed(|out| write::bind(out, b"p", b"s1", &[1, 0, 0], parameters, &[1]));
        let bind = Bind::read(&frame).unwrap();
        assert_eq!((bind.portal, bind.statement), (&b"p"[..], &b"s1"[..]));
        assert_eq!((bind.format(0), bind.format(2), bind.result_format(9)), (1, 0, 1));
        assert_eq!(bind.parameters.as_slice(), parameters);
        let frame = framed(|out| write::execute(out, b"p", 7));
        assert_eq!(Execute::read(&frame), Ok(Execute { portal: b"p", max_rows: 7 }));
        let frame = framed(|out| write::close(out, Kind::Statement, b"s1"));
        assert_eq!(Close::read(&frame), Ok(Close { kind: Kind::Statement, name: b"s1" }));
    }

    #[test]
    fn a_query_can_not_hide_a_second_one() {
        let mut inner = BytesMut::from(&b"select 1\0"[..]);
        write::query(&mut inner, b"drop table t");
        let frame = framed(|out| write::raw(out, b'Q', &inner));
        assert_eq!(Query::read(&frame), Err(WireFault::Malformed { tag: 'Q' }));
        let frame = framed(|out| write::raw(out, b'Q', b"select 1"));
        assert_eq!(Query::read(&frame), Err(WireFault::Malformed { tag: 'Q' }));
    }

    proptest! {
        #[test]
        fn hostile_bodies_never_panic(tag in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..60)) {
            let frame = framed(|out| write::raw(out, tag, &body));
            let _ = (Query::read(&frame), Parse::read(&frame), Bind::read(&frame));
            let _ = (Describe::read(&frame), Close::read(&frame), Execute::read(&frame));
        }

        #[test]
        fn hostile_bodies_of_bind_never_panic(body in prop::collection::vec(0u8..4, 0..40)) {
            let frame = framed(|out| write::raw(out, b'B', &body));
            let _ = Bind::read(&frame);
        }
    }
}
