//! Bytes <-> messages of PostgreSQL's protocol 3 (the manual's chapter "Frontend/Backend
//! Protocol"). Never a socket, never a panic on what a peer sent.
//!
//! A stream is first cut into frames, then looked at: what is relayed keeps the peer's own bytes.
//!
//! | file | what |
//! | --- | --- |
//! | `frame` | whole messages cut off a buffer |
//! | `read` | a bounded reader over a message's body |
//! | `view` | what is in a message, without copies |
//! | `write` | messages appended to a buffer: `frontend` to servers, `backend` to clients |
//! | `encoding` | a client's texts, which need not be UTF-8 |
//! | `rewrite` | a peer's message again, with one thing changed |

mod encoding;
pub mod frame;
mod read;
pub mod rewrite;
pub mod view;
pub mod write;

pub use encoding::{Encoding, NoCharacter};
pub use frame::{Frame, WireFault, cut, cut_begun, cut_rest, cut_run};
pub use read::Formats;
