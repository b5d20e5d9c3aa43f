//! One case of a corpus: a line with one simple query, and what to hold it to.
//!
//! ```sql
//! select name from users order by user_id --: ordered
//! select * from users where tenant_id = $1 --: params 5
//! ```
//!
//! `{a}` and `{b}` in a statement become tenants that live on different servers. After `--:` stand, apart by `;`:
//!
//! | words | meaning |
//! | --- | --- |
//! | `ordered` | the order of the rows is part of the answer |
//! | `shape` | only columns, number of rows and command tag are compared |
//! | `constant N` | as `shape`, and column N (from 1) has one value in all rows |
//! | `volatile` | the contents left behind are not compared with the oracle, only the copies of reference tables with each other |
//! | `params X\|Y` | text parameters, `\N` for NULL; such a case runs in the extended protocol only |
//! | `simple` | runs in the simple protocol only |
//! | `tenant X` | the session names this tenant from its start; the oracle hides the others by policies |
//! | `cleanup SQL` | what removes the objects that the case leaves on a server |

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// How an answer is held against the oracle's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// The same rows, in any order.
    Rows,
    /// The same rows in the same order.
    Sequence,
    /// The same columns and number of rows.
    Shape,
    /// As `Shape`; this column (from 0) has one value in all rows.
    Constant(usize),
}

/// One line of a corpus.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file's name and the line's number.
    pub place: String,
    /// The statement or statements, as a client sends them.
    pub sql: String,
    /// Text parameters.
    pub parameters: Vec<Option<String>>,
    /// What is compared.
    pub expectation: Expectation,
    /// Whether the contents left behind cannot equal the oracle's.
    pub volatile: bool,
    /// Whether the case makes sense in the simple protocol only.
    pub simple_only: bool,
    /// The tenant that the session names.
    pub tenant: Option<String>,
    /// What removes the objects left behind.
    pub cleanup: Option<String>,
}

/// The cases of all files in a corpus's folder but those that make its tables.
pub fn read_cases(corpus: &Path) -> Result<Vec<Case>> {
    let entries = fs::read_dir(corpus).with_context(|| format!("no corpus in {}", corpus.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if matches!(name.as_str(), "schema.sql" | "reference.sql" | "data.sql" | "oracle.sql") {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with("--") {
                continue;
            }
            cases.push(Case::parse(&format!("{name}:{}", number + 1), line)?);
        }
    }
    Ok(cases)
}

impl Case {
    fn parse(place: &str, line: &str) -> Result<Case> {
        let (sql, directives) = line.rsplit_once("--:").unwrap_or((line, ""));
        let mut case = Case {
            place: place.to_owned(),
            sql: sql.trim().trim_end_matches(';').to_owned(),
            parameters: Vec::new(),
            expectation: Expectation::Rows,
            volatile: false,
            simple_only: false,
            tenant: None,
            cleanup: None,
        };
        for directive in directives.split(';').map(str::trim).filter(|directive| !directive.is_empty()) {
            let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
            match word {
                "ordered" => case.expectation = Expectation::Sequence,
                "shape" => case.expectation = Expectation::Shape,
                "constant" => case.expectation = Expectation::Constant(rest.parse::<usize>()? - 1),
                "volatile" => case.volatile = true,
                "simple" => case.simple_only = true,
                "params" => case.parameters = rest.split('|').map(parameter).collect(),
                "tenant" => case.tenant = Some(rest.to_owned()),
                "cleanup" => case.cleanup = Some(rest.to_owned()),
                unknown => bail!("{place}: unknown directive {unknown:?}"),
            }
        }
        Ok(case)
    }

    /// The case with tenants in the places of `{a}` and `{b}`.
    #[must_use]
    pub fn about(&self, a: &str, b: &str) -> Case {
        let put = |text: &str| text.replace("{a}", a).replace("{b}", b);
        let mut case = self.clone();
        case.sql = put(&case.sql);
        case.tenant.iter_mut().for_each(|tenant| *tenant = put(tenant));
        case.parameters.iter_mut().flatten().for_each(|parameter| *parameter = put(parameter));
        case
    }
}

fn parameter(text: &str) -> Option<String> {
    if text == "\\N" { None } else { Some(text.to_owned()) }
}
