//! Which tenant a row of COPY data belongs to.
//!
//! | file | holds |
//! | --- | --- |
//! | `format` | how the data is written |
//! | `splitter` | cuts the stream into rows with their keys |
//! | `lines` | where a line of text or CSV ends |
//! | `fields` | what stands in the key's field of a line |
//! | `tuples` | rows of the binary format |
//! | `fault` | why a row cannot be sent |

mod fault;
mod fields;
mod format;
mod lines;
mod splitter;
#[cfg(test)]
mod tests;
mod tuples;
mod writer;

pub use fault::{CopyFault, Wrong};
pub use format::{CopyFormat, CsvLayout, Layout, TextLayout};
pub use splitter::{Piece, RowSplitter};
pub use writer::{OutFormat, RowWriter};
