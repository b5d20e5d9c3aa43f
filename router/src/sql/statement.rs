//! One statement, with everything that does not depend on parameters, session or directory.

use std::ops::Range;
use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::RawStmt;

use super::calls::{Calls, ROW_LOCKS};
use super::classify::{Classified, classify};
use super::code::Code;
use super::comment::tenant_of;
use super::config::{ConfigCall, ConfigValue};
use super::hoisted::hoisted;
use super::keys::{Reference, Touched, Use, analyse};
use super::kind::{Access, CopyKind, Hold, Kind};
use super::literals::Literal;
use super::misread::misreading;
use super::parse::{Learned, SqlStatement, learn};
use super::rewrite::{Filter, restrict_statement};
use super::sequence::{SequenceOptions, SetValues, options_of, set_values};
use super::tenancy::{TenancyChange, tenancy_change};
use super::views::expand;
use super::walk::{Survey, survey};
use super::with::has_steps;
use crate::catalog::{Catalog, RelationKind, SearchPath, Writer};
use crate::plan::{Parameter, Refusal};

/// One statement of a text. Cached by the text, the catalog's version and the search path.
#[derive(Debug)]
pub struct Statement {
    said: Arc<Said>,
    /// What stands in the template's parameters, where it is one.
    instance: Option<Instance>,
}

/// What a statement says.
#[derive(Debug)]
struct Said {
    sql: SqlStatement,
    kind: Kind,
    access: Access,
    hold: Option<Hold>,
    comment_tenant: Option<String>,
    parameters: u16,
    path: SearchPath,
    touched: Touched,
    calls: Calls,
    /// Parameters that stand only where the server infers the tenant column's type for them.
    certain: Vec<u16>,
    /// The options of existing sequences that it sets.
    sequence_options: SequenceOptions,
    /// The calls of `setval` that it consists of.
    set_values: Option<SetValues>,
    /// A refusal that holds wherever it would run.
    refusal: Option<Refusal>,
    /// What a server of this fleet reads otherwise than the parser does.
    misreading: Option<Refusal>,
    /// How it may change whose rows a table's are.
    tenancy: Option<TenancyChange>,
}

/// A text in a template's shape.
#[derive(Debug)]
struct Instance {
    text: Arc<str>,
    literals: Vec<Literal>,
}

impl Said {
    fn learn(sql: SqlStatement, catalog: &Catalog, path: &SearchPath) -> Option<Said> {
        let Classified { kind, hold, touched: named, refusal } = classify(&sql, catalog, path)?;
        let mut said = Said {
            comment_tenant: tenant_of(sql.text()),
            kind,
            access: Access::Read,
            hold,
            parameters: 0,
            path: path.clone(),
            touched: named,
            calls: Calls::default(),
            certain: Vec::new(),
            sequence_options: options_of(sql.raw().stmt()),
            set_values: None,
            refusal,
            misreading: misreading(sql.text(), catalog.oldest),
            tenancy: tenancy_change(sql.raw().stmt(), &catalog.tenant_column),
            sql: sql.clone(),
        };
        if let Some(root) = analysed_part(sql.raw().stmt()) {
            let survey = survey(root)?;
            said.note(root, &survey, catalog);
        } else if let Some(call) = called(sql.raw().stmt()) {
            let survey = survey(call)?;
            said.calls = Calls::of(call, &survey, catalog);
            said.parameters = highest(&survey);
        } else if let Some(code) = done(sql.raw().stmt()) {
            said.calls.writer = written_by(code, catalog);
        }
        if said.calls.setval {
            said.set_values = set_values(sql.raw(), catalog, path);
        }
        said.inherit();
        said.access = said.judge_access();
        Some(said)
    }

    fn note(&mut self, root: Node<'_>, survey: &Survey<'_>, catalog: &Catalog) {
        self.calls = Calls::of(root, survey, catalog);
        self.hold = self.hold.or(self.calls.hold);
        if survey.reads_clock {
            self.calls.differs.get_or_insert_with(|| "current_timestamp".to_owned());
        }
        if survey.uses_default {
            self.calls.differs.get_or_insert_with(|| "DEFAULT".to_owned());
        }
        self.parameters = highest(survey);
        match analyse(root, catalog, &self.path) {
            Some(touched) if touched.understood == survey.relations && !survey.unknown => {
                let certain = |(number, count): &(u16, usize)| {
                    let all = survey.parameters.get(&i32::from(*number)).copied().unwrap_or(0);
                    (all == *count).then_some(*number)
                };
                self.certain = touched.key_parameters.iter().filter_map(certain).collect();
                self.touched = touched;
            }
            Some(_) | None => {
                self.refusal.get_or_insert_with(|| {
                    Refusal::unsupported(
                        "this statement uses a form that pgherd does not read",
                        "Write it with plain SELECT, INSERT, UPDATE and DELETE.",
                    )
                });
            }
        }
        if survey.writes && matches!(self.kind, Kind::Query) {
            self.kind = Kind::Write;
        }
        if survey.locks_rows {
            self.calls.writing.get_or_insert_with(|| ROW_LOCKS.to_owned());
        }
    }

    /// What a statement inside says of the one around it.
    fn inherit(&mut self) {
        let Some(inner) = self.kind.inner() else { return };
        let (parameters, hold) = (inner.said.parameters, inner.said.hold);
        self.parameters = parameters;
        self.hold = self.hold.or(hold);
    }

    fn judge_access(&self) -> Access {
        let writes = match &self.kind {
            Kind::Query => self.calls.writing.is_some(),
            Kind::Explain { inner, analyze, .. } => *analyze && inner.access() == Access::Write,
            Kind::DeclareCursor { inner, hold, .. } => *hold || inner.access() == Access::Write,
            Kind::Copy(CopyKind::OutQuery { inner, .. }) => inner.access() == Access::Write,
            Kind::Copy(CopyKind::Out { .. }) => false,
            Kind::Copy(CopyKind::In { .. } | CopyKind::Server) => true,
            Kind::Begin { .. }
            | Kind::Commit { .. }
            | Kind::Rollback { .. }
            | Kind::Savepoint(_)
            | Kind::Release(_)
            | Kind::RollbackTo(_)
            | Kind::Set { .. }
            | Kind::Reset(_)
            | Kind::ResetAll
            | Kind::Show(_)
            | Kind::Prepare { .. }
            | Kind::Execute { .. }
            | Kind::Deallocate(_)
            | Kind::Discard(_)
            | Kind::Fetch { .. }
            | Kind::CloseCursor(_) => false,
            Kind::Write
            | Kind::CreateAs { .. }
            | Kind::PrepareTransaction
            | Kind::PreparedTransaction
            | Kind::Listen
            | Kind::Notify
            | Kind::Lock { .. }
            | Kind::Truncate
            | Kind::Ddl { .. }
            | Kind::Do
            | Kind::Call
            | Kind::Analyze
            | Kind::Upkeep
            | Kind::Maintenance
            | Kind::Other => true,
        };
        if writes { Access::Write } else { Access::Read }
    }
}

impl Statement {
    /// What a statement says; `None` where it is nested too deeply to be read.
    pub(super) fn learn(sql: SqlStatement, catalog: &Catalog, path: &SearchPath) -> Option<Statement> {
        Some(Statement { said: Arc::new(Said::learn(sql, catalog, path)?), instance: None })
    }

    /// The same with literals in the places of its parameters: `text` is as it was written.
    pub(super) fn instance(&self, text: &str, literals: Vec<Literal>) -> Statement {
        Statement { said: Arc::clone(&self.said), instance: Some(Instance { text: text.into(), literals }) }
    }

    /// What kind of statement it is.
    pub fn kind(&self) -> &Kind {
        &self.said.kind
    }

    /// How it may change whose rows a table's are.
    pub fn tenancy_change(&self) -> Option<&TenancyChange> {
        self.said.tenancy.as_ref()
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

    /// The settings that it changes by calling `set_config`.
    pub fn sets_config(&self) -> &[ConfigCall] {
        &self.said.calls.config
    }

    /// True where only a server can say what it has set.
    pub fn asks_settings(&self) -> bool {
        self.sets_config().iter().any(|call| call.value == ConfigValue::Asked)
    }

    /// How many parameters it has: the highest `$n`.
    pub fn parameter_count(&self) -> u16 {
        if self.instance.is_some() { 0 } else { self.said.parameters }
    }

    /// The tenant that its comment names, as text.
    pub fn comment_tenant(&self) -> Option<&str> {
        self.said.comment_tenant.as_deref()
    }

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

    /// True where it reads what a sequence gave its session before.
    pub fn reads_sequences(&self) -> bool {
        let inner = self.inner().is_some_and(|inner| inner.said.calls.of_connection.is_some());
        inner || self.said.calls.of_connection.is_some()
    }

    /// True for statements that may make or change sequences.
    pub fn defines_schema(&self) -> bool {
        matches!(self.said.kind, Kind::Ddl { temporary: false, .. })
    }

    /// The options of existing sequences that it sets.
    pub fn sequence_options(&self) -> SequenceOptions {
        self.said.sequence_options
    }

    /// The calls of `setval` that it consists of, if it does nothing else.
    pub fn set_values(&self) -> Option<&SetValues> {
        self.said.set_values.as_ref()
    }

    /// True where it sends notifications.
    pub fn notifies(&self) -> bool {
        matches!(self.said.kind, Kind::Notify)
            || self.and_inner().any(|statement| statement.said.calls.notifies)
    }

    /// True where it takes advisory locks until the transaction's end.
    pub fn locks_transaction(&self) -> bool {
        self.and_inner().any(|statement| statement.said.calls.locks_transaction)
    }

    /// True for LOCK TABLE, which PostgreSQL takes inside a transaction only.
    pub fn needs_transaction(&self) -> bool {
        matches!(self.said.kind, Kind::Lock { of_tables: true })
    }

    /// True where it runs code whose text the proxy has not read: a user's function, DO, CALL.
    pub fn runs_unread_code(&self) -> bool {
        let inner = self.inner().is_some_and(|inner| inner.said.calls.opaque.is_some());
        inner || self.said.calls.opaque.is_some() || matches!(self.said.kind, Kind::Do | Kind::Call)
    }

    /// True for CREATE TABLE AS and SELECT INTO, which say how many rows they stored.
    pub fn stores_rows(&self) -> bool {
        matches!(self.said.kind, Kind::CreateAs { .. })
    }

    /// True for DELETE.
    pub(crate) fn deletes_rows(&self) -> bool {
        matches!(self.raw().stmt(), Node::DeleteStmt(_))
    }

    /// The same, of one who is not a template's instance, for whoever keeps it.
    pub(crate) fn share(&self) -> Statement {
        Statement { said: Arc::clone(&self.said), instance: None }
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

    /// The same, held by nobody else: who holds it counts its holders for himself.
    pub fn apart(self: &Arc<Self>) -> Arc<Statement> {
        match &self.instance {
            Some(_) => Arc::clone(self),
            None => Arc::new(self.share()),
        }
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

    /// True where it names a relation of a user's, or one that the catalog does not know.
    pub fn names_relations(&self) -> bool {
        let named = |touched: &Touched| {
            !(touched.sharded.is_empty() && touched.reads.is_empty() && touched.writes.is_empty())
        };
        self.names_uncertain() || self.and_inner().any(|statement| named(statement.touched()))
    }

    /// True where it names a relation that the catalog does not know.
    pub fn names_unknown(&self) -> bool {
        self.and_inner().any(|statement| !statement.touched().unknown.is_empty())
    }

    /// True where it names a relation that the catalog does not know, or that servers hold differently.
    pub fn names_uncertain(&self) -> bool {
        let uncertain = |touched: &Touched| !(touched.unknown.is_empty() && touched.unsafe_tables.is_empty());
        self.and_inner().any(|statement| uncertain(statement.touched()))
    }

    fn and_inner(&self) -> impl Iterator<Item = &Statement> {
        std::iter::once(self).chain(self.inner().map(Arc::as_ref))
    }

    /// The relations that it names.
    pub(crate) fn touched(&self) -> &Touched {
        &self.said.touched
    }

    /// The functions that it calls.
    pub(crate) fn calls(&self) -> &Calls {
        &self.said.calls
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

    /// True where it names no sharded table: what it needs may be on any server.
    pub fn is_without_tenants(&self) -> bool {
        let part = self.inner().map_or(self, |inner| inner);
        self.touched().sharded.is_empty() && part.touched().sharded.is_empty()
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

/// The part of a statement whose relations and keys are analysed.
fn analysed_part(node: Node<'_>) -> Option<Node<'_>> {
    match node {
        Node::SelectStmt(_)
        | Node::InsertStmt(_)
        | Node::UpdateStmt(_)
        | Node::DeleteStmt(_)
        | Node::MergeStmt(_) => Some(node),
        Node::CreateTableAsStmt(create) => Some(create.query()),
        // Other statements hold none, or are learned as statements of their own.
        _ => None,
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

/// The highest `$n`.
fn highest(survey: &Survey<'_>) -> u16 {
    survey.parameters.keys().filter_map(|number| u16::try_from(*number).ok()).max().unwrap_or(0)
}

/// What a DO block's code writes of a table of which every server has a copy.
fn written_by(code: &str, catalog: &Catalog) -> Option<Writer> {
    let is_copied = |table: &str| {
        let mut relations = catalog.relations.values();
        relations.any(|relation| relation.name == table && relation.kind == RelationKind::Reference)
    };
    let code = Code::read(code);
    let table = code.written(is_copied, &catalog.writers)?.clone();
    Some(Writer { function: "DO".to_owned(), table })
}

/// The code of a DO block.
fn done(node: Node<'_>) -> Option<&str> {
    let Node::DoStmt(block) = node else { return None };
    let code = block.args().iter().find(|option| option.defname() == Some("as"))?;
    code.arg().as_str()
}

fn called(node: Node<'_>) -> Option<Node<'_>> {
    match node {
        Node::CallStmt(call) => call.funccall().map(Node::FuncCall),
        _ => None,
    }
}
