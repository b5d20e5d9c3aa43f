//! What is wrong with a configuration file, and where.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;

/// One fault and its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, from 1; 0 where the fault is not at one place.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The key's path (`server[1].nodes`); empty where there is none.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
}

/// All faults of one file, in the order of their places; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The file as it was named.
    pub file: String,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl Faults {
    /// A file that cannot be read at all.
    pub fn unreadable(file: &Path, error: &std::io::Error) -> Faults {
        let what = format!("cannot be read: {error}");
        let fault = Fault { line: 0, column: 0, key: String::new(), what };
        Faults { file: file.display().to_string(), faults: vec![fault] }
    }
}

impl fmt::Display for Faults {
    /// One line a fault: `file:line:column: key: what is wrong`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{}:", self.file)?;
            if fault.line > 0 {
                write!(formatter, "{}:{}:", fault.line, fault.column)?;
            }
            if !fault.key.is_empty() {
                write!(formatter, " {}:", fault.key)?;
            }
            write!(formatter, " {}", fault.what)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Gathers faults while a file is read.
pub(super) struct Collector<'a> {
    text: &'a str,
    faults: RefCell<Vec<Fault>>,
}

impl<'a> Collector<'a> {
    /// No faults yet in this text.
    pub(super) fn new(text: &'a str) -> Collector<'a> {
        Collector { text, faults: RefCell::default() }
    }

    /// Notes a fault at a byte of the text.
    pub(super) fn add(&self, at: usize, key: impl Into<String>, what: impl Into<String>) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&character| character != '\n').count() + 1;
        self.faults.borrow_mut().push(Fault { line, column, key: key.into(), what: what.into() });
    }

    /// `value` where nothing was wrong, else the faults.
    pub(super) fn finish<T>(self, file: &str, value: T) -> Result<T, Faults> {
        let mut faults = self.faults.into_inner();
        if faults.is_empty() {
            return Ok(value);
        }
        faults.sort();
        faults.dedup();
        Err(Faults { file: file.into(), faults })
    }
}
