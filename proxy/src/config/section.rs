//! One table of the file under reading: takes keys by name, notes faults, and at the end names the
//! keys that nobody took.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Collector;
use super::value::{Bytes, Value};

/// A table under reading.
pub(super) struct Section<'a> {
    faults: &'a Collector<'a>,
    /// The path of its keys, with the dot; empty for the root.
    prefix: String,
    /// Where it begins, for what it lacks.
    at: usize,
    /// `None` where the file does not have it: every key has its default.
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(faults: &'a Collector<'a>, table: &'a DeTable<'a>) -> Section<'a> {
        Section { faults, prefix: String::new(), at: 0, table: Some(table), known: Vec::new() }
    }

    /// A fault of the section itself.
    pub(super) fn fault(&self, what: impl Into<String>) {
        self.faults.add(self.at, self.prefix.trim_end_matches('.'), what);
    }

    /// A fault of one of its keys, or of the section where the key is not there.
    pub(super) fn fault_at(&self, key: &str, what: impl Into<String>) {
        let at = self.find(key).map_or(self.at, |value| value.span().start);
        self.faults.add(at, format!("{}{key}", self.prefix), what);
    }

    /// True where the file has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The key's value as the file has it.
    pub(super) fn value(&self, key: &str) -> Option<&'a DeValue<'a>> {
        self.find(key).map(Spanned::get_ref)
    }

    /// The key's value; `None` where it is not there or is faulty.
    pub(super) fn optional<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take(key)?;
        match T::read(value.get_ref()) {
            Ok(read) => Some(read),
            Err(what) => {
                self.faults.add(value.span().start, format!("{}{key}", self.prefix), what);
                None
            }
        }
    }

    /// The key's value, else the default.
    pub(super) fn or<T: Value>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The key's value or values, else the default.
    pub(super) fn one_or_many<T: Value>(&mut self, key: &'static str, default: Vec<T>) -> Vec<T> {
        match self.value(key) {
            Some(DeValue::Array(_)) | None => self.or(key, default),
            Some(_) => self.optional(key).map_or(default, |value| vec![value]),
        }
    }

    /// The key's value; it is a fault that it is not there.
    pub(super) fn required<T: Value + Default>(&mut self, key: &'static str) -> T {
        if !self.has(key) {
            self.known.push(key);
            self.fault_at(key, "is missing");
            return T::default();
        }
        self.optional(key).unwrap_or_default()
    }

    /// A whole number within a range, else the default.
    pub(super) fn number(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        match self.optional::<u64>(key) {
            Some(number) if range.contains(&number) => number,
            Some(number) => {
                self.fault_at(key, format!("{number} is not within {} to {}", range.start(), range.end()));
                default
            }
            None => default,
        }
    }

    /// A size of at least `least` bytes, else the default.
    pub(super) fn bytes(&mut self, key: &'static str, default: u64, least: u64) -> u64 {
        match self.optional::<Bytes>(key) {
            Some(Bytes(size)) if size >= least => size,
            Some(Bytes(size)) => {
                self.fault_at(key, format!("{size} bytes are less than {least}"));
                default
            }
            None => default,
        }
    }

    /// The table `[key]`; an empty one where the file has none.
    pub(super) fn table(&mut self, key: &'static str) -> Section<'a> {
        let prefix = format!("{}{key}.", self.prefix);
        let absent = Section { faults: self.faults, prefix, at: self.at, table: None, known: Vec::new() };
        match self.take(key) {
            None => absent,
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Section { at: value.span().start, table: Some(table), ..absent },
                other => {
                    self.fault_at(key, format!("expected a table [{key}], found {}", other.type_str()));
                    absent
                }
            },
        }
    }

    /// The tables `[[key]]`, in their order.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            let found = value.get_ref().type_str();
            self.fault_at(key, format!("expected tables [[{key}]], found {found}"));
            return Vec::new();
        };
        items.iter().enumerate().filter_map(|(index, item)| self.item(key, index, item)).collect()
    }

    fn item(&self, key: &str, index: usize, item: &'a Spanned<DeValue<'a>>) -> Option<Section<'a>> {
        let at = item.span().start;
        match item.get_ref() {
            DeValue::Table(table) => Some(Section {
                faults: self.faults,
                prefix: format!("{}{key}[{index}].", self.prefix),
                at,
                table: Some(table),
                known: Vec::new(),
            }),
            other => {
                let what = format!("expected a table, found {}", other.type_str());
                self.faults.add(at, format!("{}{key}[{index}]", self.prefix), what);
                None
            }
        }
    }

    /// Names the keys that nobody took.
    pub(super) fn finish(self) {
        for (key, _) in self.table.into_iter().flat_map(DeTable::iter) {
            let name = key.get_ref().as_ref();
            if !self.known.contains(&name) {
                let what = format!("unknown key; known here: {}", self.known.join(", "));
                self.faults.add(key.span().start, format!("{}{name}", self.prefix), what);
            }
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut entries = self.table?.iter();
        entries.find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }
}
