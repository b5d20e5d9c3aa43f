//! Counts what became of random units, and keeps what differed.

use std::collections::BTreeMap;
use std::io::Write;

use super::answers::Outcome;

/// The outcomes so far.
#[derive(Debug, Default)]
pub struct Tally {
    equal: usize,
    failed: usize,
    refusals: BTreeMap<String, (usize, String)>,
    open: Vec<String>,
    different: Vec<String>,
}

impl Tally {
    /// Adds the outcome of a unit; `told` says which it was.
    pub fn add(&mut self, outcome: Outcome, text: &str, told: impl FnOnce() -> String) {
        match outcome {
            Outcome::Equal => self.equal += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Refused(why) => {
                let reason = why.split(" | ").next().unwrap_or_default().to_owned();
                self.refusals.entry(reason).or_insert_with(|| (0, text.to_owned())).0 += 1;
            }
            Outcome::Open(how) => self.open.push(format!("{}\n  {how}", told())),
            Outcome::Different(how) => self.different.push(format!("{}\n  {how}", told())),
        }
    }

    /// Adds what another one has counted.
    pub fn absorb(&mut self, other: Tally) {
        self.equal += other.equal;
        self.failed += other.failed;
        for (reason, (count, example)) in other.refusals {
            self.refusals.entry(reason).or_insert((0, example)).0 += count;
        }
        self.open.extend(other.open);
        self.different.extend(other.different);
    }

    /// How many units it has seen.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.equal + self.failed + self.refused() + self.open.len() + self.different.len()
    }

    fn refused(&self) -> usize {
        self.refusals.values().map(|(count, _)| count).sum()
    }

    /// Prints the counts past the capture of the test's output, and writes all of it beside the logs.
    pub fn print(&self, name: &str) {
        let summary = format!(
            "random statements ({name}): {} equal, {} with the same error, {} refused, {} left open, {} different",
            self.equal,
            self.failed,
            self.refused(),
            self.open.len(),
            self.different.len()
        );
        let _ = writeln!(std::io::stdout(), "{summary}");
        let mut text = format!("{summary}\n\nrefused:\n");
        let mut refusals: Vec<_> = self.refusals.iter().collect();
        refusals.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (why, (count, example)) in refusals {
            text.push_str(&format!("{count:6} {why}\n         {example}\n"));
        }
        text.push_str(&format!("\nleft open:\n{}\n", self.open.join("\n\n")));
        text.push_str(&format!("\ndifferent:\n{}\n", self.different.join("\n\n")));
        if let Ok(directory) = crate::reaper::log_directory(std::path::Path::new("random")) {
            let _ = std::fs::create_dir_all(&directory);
            let _ = std::fs::write(directory.join(format!("{name}.txt")), text);
        }
    }

    /// Whether nothing differed so far.
    #[must_use]
    pub fn finds_none_different(&self) -> bool {
        self.different.is_empty()
    }

    /// Panics with what differed.
    pub fn assert_none_different(&self) {
        assert!(
            self.different.is_empty(),
            "{} statements answered otherwise:\n{}",
            self.different.len(),
            self.different.join("\n\n")
        );
    }
}
