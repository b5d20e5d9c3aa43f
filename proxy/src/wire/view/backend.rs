//! Views of what servers say. None of them fails: from what is not understood comes the least that
//! is safe (a lost status is "failed", a lost text is empty).

use std::fmt;

use crate::wire::frame::{Frame, WireFault};
use crate::wire::read::Reader;

/// The status byte of a ReadyForQuery: `I`, `T` or `E`.
pub fn ready_status(frame: &Frame) -> u8 {
    frame.body().first().copied().unwrap_or(b'E')
}

/// The tag of a CommandComplete, as `INSERT 0 1`.
pub fn command_tag(frame: &Frame) -> &str {
    let text = Reader::of(frame, b'C').and_then(|mut reader| reader.text()).unwrap_or_default();
    std::str::from_utf8(text).unwrap_or_default()
}

/// How many rows a CommandComplete says were affected.
pub fn affected(frame: &Frame) -> u64 {
    command_tag(frame).rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Name and value of a ParameterStatus.
pub fn parameter_status(frame: &Frame) -> Option<(&str, &str)> {
    let mut reader = Reader::of(frame, b'S').ok()?;
    let (name, value) = (reader.text().ok()?, reader.text().ok()?);
    Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
}

/// The parameters' type OIDs of a ParameterDescription.
pub fn parameter_types(frame: &Frame) -> Result<Vec<u32>, WireFault> {
    let mut reader = Reader::of(frame, b't')?;
    let count = reader.count()?;
    let types = (0..count).map(|_| reader.oid()).collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(types)
}

/// The overall format of a CopyInResponse or CopyOutResponse (0 is text or CSV, 1 binary) with the
/// number of columns.
pub fn copy_format(frame: &Frame) -> Result<(u8, usize), WireFault> {
    let mut reader = Reader::of(frame, frame.tag())?;
    Ok((reader.byte()?, reader.count()?))
}

/// The fields of an ErrorResponse or NoticeResponse, as the server wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(u8, String)>);

impl Fields {
    /// Fields of our own making: `S`, `C`, `M` and so on.
    pub fn new(fields: Vec<(u8, String)>) -> Fields {
        Fields(fields)
    }

    /// One field by its letter.
    pub fn get(&self, letter: u8) -> Option<&str> {
        self.0.iter().find(|(field, _)| *field == letter).map(|(_, value)| value.as_str())
    }

    /// The same as an error after which a session goes on.
    pub fn as_error(&self) -> Fields {
        let severity = |(letter, value): &(u8, String)| match letter {
            b'S' | b'V' => (*letter, "ERROR".to_owned()),
            _ => (*letter, value.clone()),
        };
        Fields(self.0.iter().map(severity).collect())
    }

    /// The same without the place in the text, where the client did not write that text.
    pub fn without_place(&self) -> Fields {
        Fields(self.0.iter().filter(|(letter, _)| *letter != b'P').cloned().collect())
    }

    /// All fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &str)> {
        self.0.iter().map(|(letter, value)| (*letter, value.as_str()))
    }

    /// The severity, never translated where the server says it so.
    pub fn severity(&self) -> &str {
        self.get(b'V').or(self.get(b'S')).unwrap_or("ERROR")
    }

    /// True where the connection ends with it.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity(), "FATAL" | "PANIC")
    }

    /// The five characters of the SQLSTATE; `XX000` where a server gave none.
    pub fn sqlstate(&self) -> &str {
        self.get(b'C').unwrap_or("XX000")
    }

    /// The message.
    pub fn message(&self) -> &str {
        self.get(b'M').unwrap_or_default()
    }

    /// The character of the statement, from 1.
    pub fn position(&self) -> Option<usize> {
        self.get(b'P')?.parse().ok()
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (SQLSTATE {})", self.message(), self.sqlstate())
    }
}

/// The fields of an ErrorResponse or NoticeResponse. What is not UTF-8 is shown as well as it can
/// be; who relays the message relays the frame.
pub fn error_fields(frame: &Frame) -> Fields {
    let mut fields = Vec::with_capacity(10);
    if let Ok(mut reader) = Reader::of(frame, frame.tag()) {
        while let Ok(letter @ 1..) = reader.byte() {
            let Ok(value) = reader.text() else { break };
            fields.push((letter, String::from_utf8_lossy(value).into_owned()));
        }
    }
    Fields(fields)
}
