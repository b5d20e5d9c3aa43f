//! One text to its statements.

use std::ops::Range;
use std::sync::Arc;

use pg_raw_parse::nodes::RawStmt;
use pg_raw_parse::{Error, Owned, StmtList};

use super::Statement;
use super::lex::Tokens;
use crate::catalog::{Catalog, SearchPath};

/// Longer texts, in bytes, are analysed only where they have few words: a tree takes room for each, and a
/// long value is one.
const LONG: usize = 16 << 20;
/// The most words of a long text.
const MOST_WORDS: usize = 1 << 20;

/// What a text is.
#[derive(Debug)]
pub enum Learned {
    /// These statements, at least one.
    Statements(Vec<Arc<Statement>>),
    /// PostgreSQL's grammar refuses it: a server can say why, and where.
    SyntaxError,
    /// Too long or too deeply nested, or it holds a NUL: it is refused, never run.
    TooComplex,
    /// No statement at all.
    Empty,
}

/// A text with its trees.
pub(super) struct Source {
    text: Arc<str>,
    trees: Owned<StmtList>,
}

/// One statement of a text: owned, cheap to copy.
#[derive(Clone)]
pub(super) struct SqlStatement {
    source: Arc<Source>,
    index: usize,
    range: Range<usize>,
}

/// What a text says under a catalog and a search path.
pub fn learn(text: &str, catalog: &Catalog, path: &SearchPath) -> Learned {
    match parse(text) {
        Ok(statements) if statements.is_empty() => Learned::Empty,
        Ok(statements) => {
            let learned =
                statements.into_iter().map(|sql| Statement::learn(sql, catalog, path).map(Arc::new));
            learned.collect::<Option<Vec<_>>>().map_or(Learned::TooComplex, Learned::Statements)
        }
        Err(unreadable) => unreadable,
    }
}

/// The statements of a text, in order.
pub(super) fn parse(text: &str) -> Result<Vec<SqlStatement>, Learned> {
    if text.len() > LONG && Tokens::of(text).nth(MOST_WORDS).is_some() {
        return Err(Learned::TooComplex);
    }
    let trees = match pg_raw_parse::parse(text) {
        Ok(result) => result.into_inner(),
        Err(Error::StatementContainedNul(_)) => return Err(Learned::TooComplex),
        Err(Error::Parse(_) | Error::PgError(_)) => return Err(Learned::SyntaxError),
    };
    let count = trees.len();
    let ranges: Vec<Range<usize>> = ranges(text, &trees);
    let source = Arc::new(Source { text: text.into(), trees });
    let statement = |(index, range)| SqlStatement { source: Arc::clone(&source), index, range };
    debug_assert_eq!(count, ranges.len());
    Ok(ranges.into_iter().enumerate().map(statement).collect())
}

/// Where each statement stands, with the comments around it; a single one is the whole text.
fn ranges(text: &str, trees: &StmtList) -> Vec<Range<usize>> {
    if trees.len() == 1 {
        return std::iter::once(0..text.len()).collect();
    }
    let mut start = 0;
    let mut ranges = Vec::new();
    for tree in trees {
        let location = usize::try_from(tree.stmt_location).unwrap_or(0);
        let length = usize::try_from(tree.stmt_len).unwrap_or(0);
        let end = if length == 0 { text.len() } else { (location + length).min(text.len()) };
        let skipped = text.get(start..end).map_or(0, |part| {
            part.len() - part.trim_start_matches([';', ' ', '\t', '\n', '\r', '\x0b', '\x0c']).len()
        });
        ranges.push(start + skipped..end);
        start = end;
    }
    ranges
}

impl SqlStatement {
    /// The tree.
    pub(super) fn raw(&self) -> &RawStmt {
        self.source.trees.get(self.index).expect("the index counts the trees")
    }

    /// Where it stands in the whole text, in bytes.
    pub(super) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Its text, with the comments around it.
    pub(super) fn text(&self) -> &str {
        self.source.text.get(self.range.clone()).unwrap_or_default()
    }
}

impl std::fmt::Debug for SqlStatement {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("SqlStatement").field(&self.text()).finish()
    }
}
