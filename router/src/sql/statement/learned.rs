//! The statement itself: its text, its kind, its parameters. Cached, and shared by all that are written alike.

use std::ops::Range;
use std::sync::Arc;

use pg_raw_parse::nodes::RawStmt;

use super::super::kind::{Access, Hold, Kind};
use super::super::literals::Literal;
use super::super::parse::SqlStatement;
use super::said::Said;
use crate::catalog::{Catalog, SearchPath};
use crate::plan::{Parameter, Refusal};

/// One statement of a text. Cached by the text, the catalog's version and the search path.
#[derive(Debug)]
pub struct Statement {
    pub(super) said: Arc<Said>,
    /// What stands in the template's parameters, where it is one.
    instance: Option<Instance>,
}

/// A text in a template's shape.
#[derive(Debug)]
struct Instance {
    text: Arc<str>,
    literals: Vec<Literal>,
}

impl Statement {
    /// What a statement says; `None` where it is nested too deeply to be read.
    pub(in crate::sql) fn learn(
        sql: SqlStatement,
        catalog: &Catalog,
        path: &SearchPath,
    ) -> Option<Statement> {
        Some(Statement { said: Arc::new(Said::learn(sql, catalog, path)?), instance: None })
    }

    /// The same with literals in the places of its parameters: `text` is as it was written.
    pub(in crate::sql) fn instance(&self, text: &str, literals: Vec<Literal>) -> Statement {
        Statement { said: Arc::clone(&self.said), instance: Some(Instance { text: text.into(), literals }) }
    }

    /// What kind of statement it is.
    pub fn kind(&self) -> &Kind {
        &self.said.kind
    }

    /// What a server of this fleet reads otherwise than it was read here.
    pub fn misreading(&self) -> Option<&Refusal> {
        self.said.misreading.as_ref()
    }

    /// Its text, to the byte; of several in one text, without the others.
    pub fn text(&self) -> &str {
        self.instance.as_ref().map_or_else(|| self.said.sql.text(), |instance| &instance.text)
    }

    /// Where it stands in the whole text, in bytes.
    pub fn text_range(&self) -> Range<usize> {
        self.instance.as_ref().map_or_else(|| self.said.sql.range(), |instance| 0..instance.text.len())
    }

    /// Whether it may write: then only a primary may run it.
    pub fn access(&self) -> Access {
        self.said.access
    }

    /// Why its session must keep the connection on which it ran.
    pub fn hold(&self) -> Option<Hold> {
        self.said.hold
    }

    /// How many parameters it has: the highest `$n`.
    pub fn parameter_count(&self) -> u16 {
        if self.instance.is_some() { 0 } else { self.said.parameters }
    }

    /// The tenant that its comment names, as text.
    pub fn comment_tenant(&self) -> Option<&str> {
        self.said.comment_tenant.as_deref()
    }

    /// The same, of one who is not a template's instance, for whoever keeps it.
    pub(crate) fn share(&self) -> Statement {
        Statement { said: Arc::clone(&self.said), instance: None }
    }

    /// The same, held by nobody else: who holds it counts its holders for himself.
    pub fn apart(self: &Arc<Self>) -> Arc<Statement> {
        match &self.instance {
            Some(_) => Arc::clone(self),
            None => Arc::new(self.share()),
        }
    }

    /// A refusal that holds wherever it would run.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.said.refusal.as_ref()
    }

    /// Where it was made from a template: the literals as the template's parameters.
    pub(crate) fn literals(&self) -> Option<Vec<Parameter<'_>>> {
        let instance = self.instance.as_ref()?;
        Some(instance.literals.iter().map(|literal| literal.parameter(&instance.text)).collect())
    }

    /// The tree, for the rooms that rewrite it; a template's where it was made from one.
    pub(crate) fn raw(&self) -> &RawStmt {
        self.said.sql.raw()
    }

    /// The search path that it was learned with.
    pub(crate) fn path(&self) -> &SearchPath {
        &self.said.path
    }

    /// The statement that EXPLAIN, DECLARE or COPY holds.
    pub(crate) fn inner(&self) -> Option<&Arc<Statement>> {
        self.said.kind.inner()
    }

    /// True where the server infers the tenant column's type for a parameter that nobody declared.
    pub(crate) fn infers_key(&self, number: u16) -> bool {
        self.said.certain.contains(&number)
    }
}
