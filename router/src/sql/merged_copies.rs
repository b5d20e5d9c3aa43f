//! MERGE into a table of which every server has a copy, by rows that no server has all of: the source is computed once,
//! and the statement over its rows is the same on every server.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::RawStmt;

use super::chosen::Numbered;
use super::insert::Question;
use super::matched::{names_ctes, question, refuse, source_name, text_over};
use super::parse::{Learned, learn};
use super::rows_text::Columns;
use crate::catalog::{Catalog, Relation, RelationKind, SearchPath};
use crate::plan::Refusal;

/// Such a MERGE.
#[derive(Debug, Clone)]
pub(crate) struct MergedCopies {
    relation: Arc<Relation>,
    /// Gives the rows of the source.
    pub(crate) question: Question,
    /// The name of the source.
    name: String,
}

/// Reads a MERGE into `relation`; `now` is what its clock says.
pub(crate) fn merged_copies(
    statement: &RawStmt,
    relation: &Arc<Relation>,
    now: &str,
    (catalog, path): (&Catalog, &SearchPath),
) -> Result<MergedCopies, Refusal> {
    let Node::MergeStmt(merge) = statement.stmt() else { return Err(refuse("this statement")) };
    if relation.kind != RelationKind::Reference {
        return Err(refuse("MERGE into this table"));
    }
    if names_ctes(merge) {
        return Err(refuse("a CTE that is used elsewhere than in the source"));
    }
    let name = source_name(merge.source_relation()).ok_or_else(|| refuse("a source without a name"))?;
    let merged = MergedCopies { relation: Arc::clone(relation), question: question(merge)?, name };
    // What it reads beside its source, every server must have.
    let mut columns = Columns::named(&["source".to_owned()]);
    columns.push(0, None, None);
    let rest = merged.text(statement, &columns, 0, 1, now)?;
    match learn(&rest.text, catalog, path) {
        Learned::Statements(statements)
            if statements.iter().all(|rest| rest.touched().sharded.is_empty()) =>
        {
            Ok(merged)
        }
        Learned::Statements(_) => Err(refuse("a sharded table that is named elsewhere than in the source")),
        Learned::SyntaxError | Learned::TooComplex | Learned::Empty => Err(refuse("this statement")),
    }
}

impl MergedCopies {
    /// The text for so many rows of the source; `first` is the number of the first one's first value.
    pub(crate) fn text(
        &self,
        statement: &RawStmt,
        columns: &Columns,
        rows: usize,
        first: u32,
        now: &str,
    ) -> Result<Numbered, Refusal> {
        text_over(statement, &self.relation, (columns, rows, first, &self.name), now)
    }
}
