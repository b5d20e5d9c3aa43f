//! A client's texts: read in its encoding, and what it is told where they cannot be.

use std::borrow::Cow;

use crate::client::session::Session;
use crate::error::ClientError;
use crate::wire::frame::{Frame, WireFault};
use crate::wire::{Encoding, NoCharacter};

impl Session {
    /// A text of the client's: a statement, or the name of something.
    ///
    /// # Errors
    /// 22021 where it is not in the client's encoding.
    pub(super) fn text<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, ClientError> {
        let encoding = self.executor.settings.encoding();
        match encoding.is_foreign() && !bytes.is_ascii() {
            false => text(bytes).map(Cow::Borrowed),
            true => encoding.read(bytes).map(Cow::Owned).map_err(|byte| no_character(encoding, byte)),
        }
    }

    /// True where a message has texts that are not in UTF-8.
    pub(super) fn is_foreign(&self, frame: &Frame) -> bool {
        self.executor.settings.encoding().is_foreign() && !frame.body().is_ascii()
    }
}

/// A message whose frame is whole and whose body is not: the session is still in step.
pub(super) fn malformed(fault: WireFault) -> ClientError {
    ClientError::new("08P01", fault.to_string())
}

/// A text of the client's, in PostgreSQL's words where it is not UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<&str, ClientError> {
    std::str::from_utf8(bytes).map_err(|fault| {
        let wrong = bytes.get(fault.valid_up_to()..).unwrap_or_default();
        let length = match wrong.first() {
            Some(0xf0..=0xf7) => 4,
            Some(0xe0..=0xef) => 3,
            Some(0xc0..=0xdf) => 2,
            Some(_) | None => 1,
        };
        let shown: Vec<String> = wrong.iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
        let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
        ClientError::new("22021", message).hint("Is client_encoding what the client writes?")
    })
}

/// PostgreSQL's words for a byte that means nothing in the client's encoding.
pub(super) fn no_character(encoding: Encoding, NoCharacter(byte): NoCharacter) -> ClientError {
    let name = encoding.name();
    let message = format!(
        "character with byte sequence 0x{byte:02x} in encoding \"{name}\" has no equivalent in encoding \"UTF8\""
    );
    ClientError::new("22P05", message)
}
