//! Which tenant a row of COPY data belongs to.

mod format;

pub use format::CopyFormat;
