//! One reading for all texts that differ in their literals only.
//!
//! A template is the statement that an [`Outline`] is: its keys are parameters. With a text's own literals
//! as their values it is planned as that text would be, or the planner says that it must be read as a
//! whole ([`crate::plan::Verdict::Learn`]). A property test holds the two beside each other.

use std::sync::Arc;

use super::kind::Kind;
use super::literals::Outline;
use super::parse::{Learned, learn};
use super::statement::Statement;
use crate::catalog::{Catalog, SearchPath};

/// A statement with parameters in its literals' places.
#[derive(Debug)]
pub struct Template {
    outline: String,
    type_oids: Vec<u32>,
    statement: Arc<Statement>,
}

impl Template {
    /// The template of a text; `None` where its literals mean more than values, so that each text must be
    /// read by itself.
    pub fn learn(text: &str, outline: &Outline, catalog: &Catalog, path: &SearchPath) -> Option<Template> {
        let statement = only(outline.text(), catalog, path)?;
        // The grammar takes parameters where it takes no literal; never the other way round.
        only(text, catalog, path)?;
        let counted = usize::from(statement.parameter_count()) == outline.literals.len();
        let plain = matches!(statement.kind(), Kind::Query | Kind::Write)
            && statement.refusal().is_none()
            && statement.hold().is_none()
            && statement.sets_config().is_empty()
            && statement.process_call().is_none()
            && !statement.calls().unknown_config
            && !statement.calls().setval;
        let type_oids = outline.type_oids().collect();
        (counted && plain).then(|| Template { outline: outline.text().to_owned(), type_oids, statement })
    }

    /// The statement that `text` is, whose outline this is; `None` where the template is another's.
    pub fn statement(&self, text: &str, outline: Outline) -> Option<Statement> {
        let mine = self.outline == outline.text && outline.type_oids().eq(self.type_oids.iter().copied());
        mine.then(|| self.statement.instance(text, outline.literals))
    }
}

/// The statement that a text is, where it is one.
fn only(text: &str, catalog: &Catalog, path: &SearchPath) -> Option<Arc<Statement>> {
    match learn(text, catalog, path) {
        Learned::Statements(statements) => <[_; 1]>::try_from(statements).ok().map(|[only]| only),
        Learned::SyntaxError | Learned::TooComplex | Learned::Empty => None,
    }
}
