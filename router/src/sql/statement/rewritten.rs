//! The same statement in other words, for those who can do more with them.

use std::sync::Arc;

use super::super::hoisted::hoisted;
use super::super::keys::{Reference, Use};
use super::super::parse::{Learned, learn};
use super::super::rewrite::{Filter, restrict_statement};
use super::super::views::expand;
use super::Statement;
use crate::catalog::{Catalog, RelationKind};
use crate::plan::Refusal;

impl Statement {
    /// The same statement with the definitions of the views over sharded tables that it reads in their
    /// places; `None` where it reads none.
    pub(crate) fn without_views(&self, catalog: &Catalog) -> Result<Option<Arc<Statement>>, Refusal> {
        let subject = self.inner().map_or(self, |inner| inner);
        let is_view = |reference: &Reference| {
            matches!(reference.relation.kind, RelationKind::ShardedView { .. }) && reference.used == Use::Read
        };
        if !subject.touched().sharded.iter().any(is_view) {
            return Ok(None);
        }
        let text = expand(self.raw(), catalog, &self.said.path)?;
        match learn(&text, catalog, &self.said.path) {
            Learned::Statements(mut statements) => Ok(statements.pop()),
            Learned::SyntaxError | Learned::TooComplex | Learned::Empty => Ok(None),
        }
    }

    /// The same statement with the locking subqueries of its condition as CTEs; `None` where it has none.
    pub(crate) fn hoisted(&self, catalog: &Catalog) -> Result<Option<Arc<Statement>>, Refusal> {
        let Some(text) = hoisted(self.raw(), catalog, &self.said.path)? else { return Ok(None) };
        match learn(&text, catalog, &self.said.path) {
            Learned::Statements(mut statements) => Ok(statements.pop()),
            Learned::SyntaxError | Learned::TooComplex | Learned::Empty => Ok(None),
        }
    }

    /// The same statement over the rows that a filter leaves.
    pub(crate) fn restricted(&self, catalog: &Catalog, filter: &Filter) -> Result<Arc<str>, Refusal> {
        restrict_statement(self.raw(), catalog, &self.said.path, filter)
    }
}
