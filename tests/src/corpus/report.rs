//! Counts the verdicts of a corpus and prints them.

use std::io::Write;

use crate::corpus::{Case, Verdict};

/// The verdicts of a corpus so far.
#[derive(Debug, Default)]
pub struct Report {
    equal: usize,
    refused: Vec<String>,
    wrong: Vec<String>,
}

impl Report {
    /// Adds a case's verdicts; the worst of them counts.
    pub fn add(&mut self, case: &Case, verdicts: &[(&str, Verdict)]) {
        let mut refusal = None;
        for (way, verdict) in verdicts {
            match verdict {
                Verdict::Equal => {}
                Verdict::Refused(why) => refusal = Some(why),
                Verdict::Wrong(why) => {
                    self.wrong.push(format!("{} ({way}): {}\n  {why}", case.place, case.sql));
                    return;
                }
            }
        }
        match refusal {
            Some(why) => self.refused.push(format!("{}: {}\n    {why}", case.place, case.sql)),
            None => self.equal += 1,
        }
    }

    /// Prints the summary, past the capture of the test's output, and writes both lists beside the logs.
    pub fn print(&self, corpus: &str) {
        let summary = format!(
            "hard statements ({corpus}): {} equal, {} refused, {} wrong",
            self.equal,
            self.refused.len(),
            self.wrong.len()
        );
        let _ = writeln!(std::io::stdout(), "{summary}");
        if let Ok(directory) = crate::reaper::log_directory(std::path::Path::new("corpus")) {
            let text = format!(
                "{summary}\n\nrefused:\n{}\n\nwrong:\n{}\n",
                self.refused.join("\n"),
                self.wrong.join("\n")
            );
            let _ = std::fs::create_dir_all(&directory);
            let _ = std::fs::write(directory.join(format!("{corpus}.txt")), text);
        }
    }

    /// Panics where more is refused than was once: what has been answered stays answered.
    pub fn assert_refused_at_most(&self, most: usize) {
        let refused = self.refused.len();
        assert!(
            refused <= most,
            "{refused} refused, and no more than {most} were:\n{}",
            self.refused.join("\n")
        );
    }

    /// Panics with the wrong answers, if there are any.
    pub fn assert_none_wrong(&self) {
        assert!(self.wrong.is_empty(), "{} wrong answers:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}
