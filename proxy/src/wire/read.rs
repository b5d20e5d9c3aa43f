//! A reader over one message's body: every step is bounded, and what is left over is a fault.

use smallvec::SmallVec;

use super::frame::{Frame, WireFault};

/// Format codes, without an allocation where they are as few as usual.
pub type Formats = SmallVec<[i16; 8]>;

/// What is left of a message's body.
pub(super) struct Reader<'a> {
    tag: u8,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads the body of a frame that must be of this kind.
    pub(super) fn of(frame: &'a Frame, tag: u8) -> Result<Reader<'a>, WireFault> {
        let reader = Reader { tag: frame.tag(), rest: frame.body() };
        if frame.tag() == tag { Ok(reader) } else { Err(reader.fault()) }
    }

    /// The fault of this message.
    pub(super) fn fault(&self) -> WireFault {
        WireFault::Malformed { tag: char::from(self.tag) }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the reading: nothing may be left over.
    pub(super) fn end(&self) -> Result<(), WireFault> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.fault()) }
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], WireFault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.fault())?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireFault> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.fault())?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    pub(super) fn byte(&mut self) -> Result<u8, WireFault> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number of two bytes.
    pub(super) fn int16(&mut self) -> Result<i16, WireFault> {
        self.array().map(i16::from_be_bytes)
    }

    /// A number of four bytes.
    pub(super) fn int32(&mut self) -> Result<i32, WireFault> {
        self.array().map(i32::from_be_bytes)
    }

    /// An OID.
    pub(super) fn oid(&mut self) -> Result<u32, WireFault> {
        self.array().map(u32::from_be_bytes)
    }

    /// A count of two bytes; PostgreSQL reads it as unsigned.
    pub(super) fn count(&mut self) -> Result<usize, WireFault> {
        self.array().map(|bytes| usize::from(u16::from_be_bytes(bytes)))
    }

    /// A text up to its NUL.
    pub(super) fn text(&mut self) -> Result<&'a [u8], WireFault> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or_else(|| self.fault())?;
        let text = self.take(end)?;
        self.take(1)?;
        Ok(text)
    }

    /// A value with its length before it; -1 is NULL.
    pub(super) fn value(&mut self) -> Result<Option<&'a [u8]>, WireFault> {
        match self.int32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| self.fault())?;
                self.take(length).map(Some)
            }
        }
    }

    /// A count and that many format codes.
    pub(super) fn formats(&mut self) -> Result<Formats, WireFault> {
        let count = self.count()?;
        (0..count).map(|_| self.int16()).collect()
    }
}
