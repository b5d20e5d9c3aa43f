//! How COPY data is written.

use crate::ids::KeyType;

/// How COPY data is written and where the tenant key stands in a row. The text is UTF-8: whoever
/// plans the statement refuses another client encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFormat {
    /// Text, CSV or binary.
    pub layout: Layout,
    /// How many fields a row has.
    pub fields: usize,
    /// Which of them is the tenant key, counted from 0.
    pub key_field: usize,
    /// The type of the key.
    pub key_type: KeyType,
    /// How many characters the column takes: blanks behind them are cut off, as PostgreSQL does.
    pub longest_key: Option<usize>,
}

/// The three formats of COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// `FORMAT text`.
    Text(TextLayout),
    /// `FORMAT csv`.
    Csv(CsvLayout),
    /// `FORMAT binary`.
    Binary,
}

/// The options of the text format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLayout {
    /// `DELIMITER`, one byte.
    pub delimiter: u8,
    /// `NULL`: how a null is written.
    pub null: String,
    /// `DEFAULT`: how a default is written.
    pub default: Option<String>,
    /// `HEADER` (true or match): the first line is no row.
    pub header: bool,
}

/// The options of the CSV format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvLayout {
    /// `DELIMITER`, one byte.
    pub delimiter: u8,
    /// `NULL`: how a null is written, without quotes.
    pub null: String,
    /// `DEFAULT`: how a default is written, without quotes.
    pub default: Option<String>,
    /// `HEADER` (true or match): the first line is no row.
    pub header: bool,
    /// `QUOTE`, one byte.
    pub quote: u8,
    /// `ESCAPE`, one byte; the quote where the statement does not say.
    pub escape: u8,
    /// The key column is in `FORCE_NULL`: a quoted null string is a null too.
    pub force_null_key: bool,
    /// The key column is in `FORCE_NOT_NULL`: a null string is a value.
    pub force_not_null_key: bool,
}

impl Default for TextLayout {
    fn default() -> Self {
        TextLayout { delimiter: b'\t', null: "\\N".into(), default: None, header: false }
    }
}

impl Default for CsvLayout {
    fn default() -> Self {
        CsvLayout {
            delimiter: b',',
            null: String::new(),
            default: None,
            header: false,
            quote: b'"',
            escape: b'"',
            force_null_key: false,
            force_not_null_key: false,
        }
    }
}
