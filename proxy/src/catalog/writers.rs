//! Functions, triggers and rules that write a table of which every server has a copy.

use std::collections::{HashMap, HashSet};

use router::catalog::Writer;
use router::sql::Code;

use super::facts::{Facts, RelationFacts};

/// Who writes what, as far as code says it.
pub(super) struct Writers {
    copied: HashSet<String>,
    functions: HashMap<String, String>,
}

impl Writers {
    /// Reads the code of all functions; `copied` are the tables of which every server has a copy.
    pub(super) fn of(facts: &Facts, copied: impl Iterator<Item = String>) -> Writers {
        let mut writers = Writers { copied: copied.collect(), functions: HashMap::new() };
        let sources = facts.functions.iter().filter_map(|row| Some((&row.name, row.source.as_deref()?)));
        let codes: Vec<(&String, Code)> = sources.map(|(name, source)| (name, Code::read(source))).collect();
        // A function that calls one that writes, writes: until no more are found.
        loop {
            let found: Vec<(String, String)> = codes
                .iter()
                .filter(|(name, _)| !writers.functions.contains_key(*name))
                .filter_map(|(name, code)| Some(((*name).clone(), writers.table(code)?.clone())))
                .collect();
            if found.is_empty() {
                return writers;
            }
            writers.functions.extend(found);
        }
    }

    fn table<'a>(&'a self, code: &'a Code) -> Option<&'a String> {
        code.written(|table| self.copied.contains(table), &self.functions)
    }

    /// What a table's triggers and rules write.
    pub(super) fn by_triggers(&self, row: &RelationFacts) -> Option<Writer> {
        let named =
            |function: &str, table: &String| Writer { function: function.to_owned(), table: table.clone() };
        let mut triggers = row.trigger_functions.iter();
        let by_trigger = triggers.find_map(|function| Some(named(function, self.functions.get(function)?)));
        let by_rule = || {
            let code = Code::read(row.rules.as_deref()?);
            Some(named("a rule", self.table(&code)?))
        };
        by_trigger.or_else(by_rule)
    }

    /// The functions, each with a table that it writes.
    pub(super) fn functions(self) -> HashMap<String, String> {
        self.functions
    }
}
