//! How COPY data is written.

/// How COPY data is written and where the tenant key stands in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFormat {}
