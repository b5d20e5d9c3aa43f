//! Which form a statement has: what it makes, and what it gives.

use std::sync::Arc;

use pg_raw_parse::Node;

use super::super::alike::names_one_row;
use super::super::keys::Touched;
use super::super::kind::Kind;
use super::super::with::has_steps;
use super::Statement;
use crate::catalog::{Relation, RelationKind};

impl Statement {
    /// True for BEGIN, COMMIT, ROLLBACK and the statements of savepoints.
    pub fn is_transaction_control(&self) -> bool {
        matches!(
            self.said.kind,
            Kind::Begin { .. }
                | Kind::Commit { .. }
                | Kind::Rollback { .. }
                | Kind::Savepoint(_)
                | Kind::Release(_)
                | Kind::RollbackTo(_)
                | Kind::PrepareTransaction
        )
    }

    /// True for what the proxy answers itself, from what it knows of the session.
    pub fn is_session_command(&self) -> bool {
        let of_session = match &self.said.kind {
            Kind::Show(name) => name.starts_with("pgherd."),
            Kind::Set { .. }
            | Kind::Reset(_)
            | Kind::ResetAll
            | Kind::Prepare { .. }
            | Kind::Execute { .. }
            | Kind::Deallocate(_)
            | Kind::Discard(_) => true,
            _ => false,
        };
        of_session || self.is_transaction_control()
    }

    /// True where the catalog must be read again after it.
    pub fn changes_schema(&self) -> bool {
        match &self.said.kind {
            Kind::Ddl { temporary, .. } | Kind::CreateAs { temporary } => !temporary,
            Kind::Do | Kind::Call | Kind::Maintenance => true,
            _ => false,
        }
    }

    /// True for statements that may make or change sequences.
    pub fn defines_schema(&self) -> bool {
        matches!(self.said.kind, Kind::Ddl { temporary: false, .. })
    }

    /// True for LOCK TABLE, which PostgreSQL takes inside a transaction only.
    pub fn needs_transaction(&self) -> bool {
        matches!(self.said.kind, Kind::Lock { of_tables: true })
    }

    /// True for CREATE TABLE AS and SELECT INTO, which say how many rows they stored.
    pub fn stores_rows(&self) -> bool {
        matches!(self.said.kind, Kind::CreateAs { .. })
    }

    /// The first word of the tag of an UPDATE or a DELETE.
    pub(crate) fn word_of_change(&self) -> Option<&'static str> {
        match self.raw().stmt() {
            Node::DeleteStmt(_) => Some("DELETE"),
            Node::UpdateStmt(_) => Some("UPDATE"),
            _ => None,
        }
    }

    /// True for a write of one table of which every server has a copy that does the same to each, though the servers
    /// run it one after the other: it reads no rows but one of that table, by its key.
    pub fn writes_alike(&self) -> bool {
        let touched = self.touched();
        let reads_none = touched.reads.is_empty() && touched.sharded.is_empty() && touched.unknown.is_empty();
        match touched.writes.as_slice() {
            [relation] if reads_none && !touched.system && self.calls().home.is_none() => {
                self.inserts_rows() || names_one_row(self.raw().stmt(), relation)
            }
            _ => false,
        }
    }

    /// What keeps others from writing the tables of which every server has a copy, those that this writes and those that
    /// it reads for that, where it would not do the same to each copy else.
    pub fn locks_of_copies(&self) -> Vec<String> {
        let Touched { reads, writes, .. } = self.touched();
        if !matches!(self.said.kind, Kind::Write) || writes.is_empty() || self.writes_alike() {
            return Vec::new();
        }
        // PostgreSQL says what is wrong with that.
        if writes.iter().any(|relation| relation.materialized) {
            return Vec::new();
        }
        let read = |relation: &&Arc<Relation>| {
            relation.kind != RelationKind::Sequence
                && !relation.materialized
                && !writes.iter().any(|written| written.oid == relation.oid)
        };
        let writes = lock(writes.iter(), "SHARE ROW EXCLUSIVE");
        writes.into_iter().chain(lock(reads.iter().filter(read), "SHARE")).collect()
    }

    /// True for MERGE.
    pub(crate) fn merges_rows(&self) -> bool {
        matches!(self.raw().stmt(), Node::MergeStmt(_))
    }

    /// True for SELECT.
    pub(crate) fn selects_rows(&self) -> bool {
        matches!(self.raw().stmt(), Node::SelectStmt(_))
    }

    /// True where one of its CTEs writes, or locks rows.
    pub(crate) fn has_steps(&self) -> bool {
        has_steps(self.raw().stmt())
    }

    /// True for INSERT.
    pub(crate) fn inserts_rows(&self) -> bool {
        matches!(self.raw().stmt(), Node::InsertStmt(_))
    }

    /// True for a write that gives rows: its portal keeps them, to be fetched in parts.
    pub fn gives_written_rows(&self) -> bool {
        matches!(self.said.kind, Kind::Write) && gives_rows(self.said.sql.raw().stmt())
    }

    /// True for EXPLAIN.
    pub fn is_explain(&self) -> bool {
        matches!(self.said.kind, Kind::Explain { .. })
    }

    /// True for EXPLAIN whose rows are lines of text, as they are without FORMAT.
    pub fn explains_as_text(&self) -> bool {
        matches!(self.said.kind, Kind::Explain { as_text: true, .. })
    }
}

fn gives_rows(node: Node<'_>) -> bool {
    match node {
        Node::SelectStmt(_) => true,
        Node::InsertStmt(insert) => insert.returning_clause().is_some(),
        Node::UpdateStmt(update) => update.returning_clause().is_some(),
        Node::DeleteStmt(delete) => delete.returning_clause().is_some(),
        Node::MergeStmt(merge) => merge.returning_clause().is_some(),
        // No other statement is a write.
        _ => false,
    }
}

fn lock<'a>(relations: impl Iterator<Item = &'a Arc<Relation>>, mode: &str) -> Option<String> {
    let mut names: Vec<String> = relations.map(|relation| relation.quoted_name()).collect();
    names.sort();
    names.dedup();
    (!names.is_empty()).then(|| format!("LOCK TABLE {} IN {mode} MODE", names.join(", ")))
}
