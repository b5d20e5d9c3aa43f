//! What a statement says, learned once for all that are written alike.

use pg_raw_parse::Node;

use super::super::calls::{Calls, ROW_LOCKS};
use super::super::classify::{Classified, classify};
use super::super::code::Code;
use super::super::comment::tenant_of;
use super::super::doing::schema_changes;
use super::super::filling::{Filling, filling};
use super::super::keys::{Touched, analyse};
use super::super::kind::{Access, CopyKind, Hold, Kind};
use super::super::misread::misreading;
use super::super::parse::SqlStatement;
use super::super::process::ProcessCall;
use super::super::sequence::{SequenceOptions, SetValues, options_of, set_values};
use super::super::temporary::{OwnNames, own_names};
use super::super::tenancy::{TenancyChange, tenancy_change};
use super::super::walk::{Survey, survey};
use crate::catalog::{Catalog, RelationKind, SearchPath, Writer};
use crate::plan::Refusal;

/// What a statement says.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) sql: SqlStatement,
    pub(super) kind: Kind,
    pub(super) access: Access,
    pub(super) hold: Option<Hold>,
    pub(super) comment_tenant: Option<String>,
    pub(super) parameters: u16,
    pub(super) path: SearchPath,
    pub(super) touched: Touched,
    pub(super) calls: Calls,
    /// Parameters that stand only where the server infers the tenant column's type for them.
    pub(super) certain: Vec<u16>,
    /// The options of existing sequences that it sets.
    pub(super) sequence_options: SequenceOptions,
    /// The calls of `setval` that it consists of.
    pub(super) set_values: Option<SetValues>,
    /// A refusal that holds wherever it would run.
    pub(super) refusal: Option<Refusal>,
    /// What a server of this fleet reads otherwise than the parser does.
    pub(super) misreading: Option<Refusal>,
    /// The cursor whose row it writes.
    pub(super) current_of: Option<String>,
    /// What it names that its session may have made for itself.
    pub(super) own_names: Option<OwnNames>,
    /// How it may change whose rows a table's are.
    pub(super) tenancy: Option<TenancyChange>,
    /// What it asks of a session's process, where it is nothing else.
    pub(super) process: Option<Box<ProcessCall>>,
    /// What it computes for rows that are there.
    pub(super) filling: Option<Filling>,
}

impl Said {
    /// What it says; `None` where it is nested too deeply to be read.
    pub(super) fn learn(sql: SqlStatement, catalog: &Catalog, path: &SearchPath) -> Option<Said> {
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
            own_names: None,
            current_of: None,
            misreading: misreading(sql.text(), catalog.oldest),
            tenancy: tenancy_change(sql.raw().stmt(), &catalog.tenant_column),
            process: None,
            filling: filling(sql.raw().stmt()),
            sql: sql.clone(),
        };
        if let Some(root) = analysed_part(sql.raw().stmt()) {
            let survey = survey(root)?;
            said.note(root, &survey, catalog);
        } else if let Some(call) = called(sql.raw().stmt()) {
            let survey = survey(call)?;
            said.calls = Calls::of(call, &survey, catalog);
            said.parameters = highest(&survey);
        } else if let Some((code, language)) = done(sql.raw().stmt()) {
            said.calls.writer = written_by(code, catalog);
            if language.is_none_or(|language| language == "plpgsql")
                && let Some(names) = schema_changes(code, catalog, path)
            {
                said.kind = Kind::Ddl { transactional: true, temporary: false };
                said.own_names = Some(OwnNames::Shared(names));
            }
        }
        if said.calls.setval {
            said.set_values = set_values(sql.raw(), catalog, path);
        }
        if said.calls.setval || matches!(said.kind, Kind::Ddl { temporary: false, .. } | Kind::Upkeep) {
            said.own_names = said.own_names.or_else(|| own_names(said.sql.raw().stmt()));
        }
        said.inherit();
        said.access = said.judge_access();
        Some(said)
    }

    fn note(&mut self, root: Node<'_>, survey: &Survey<'_>, catalog: &Catalog) {
        self.calls = Calls::of(root, survey, catalog);
        self.hold = self.hold.or(self.calls.hold);
        self.process = (!survey.calls.is_empty()).then(|| ProcessCall::read(root)).flatten().map(Box::new);
        if survey.reads_clock {
            self.calls.differs.get_or_insert_with(|| "current_timestamp".to_owned());
        }
        if survey.uses_default {
            self.calls.differs.get_or_insert_with(|| "DEFAULT".to_owned());
        }
        self.parameters = highest(survey);
        self.current_of = survey.current_of.map(str::to_owned);
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

/// The code of a DO block and the language that it names.
fn done(node: Node<'_>) -> Option<(&str, Option<&str>)> {
    let Node::DoStmt(block) = node else { return None };
    let option = |name| block.args().iter().find(|option| option.defname() == Some(name));
    Some((option("as")?.arg().as_str()?, option("language").and_then(|option| option.arg().as_str())))
}

fn called(node: Node<'_>) -> Option<Node<'_>> {
    match node {
        Node::CallStmt(call) => call.funccall().map(Node::FuncCall),
        _ => None,
    }
}
