//! The decision: from a statement to its plan.

use super::place::Placing;
use super::request::Request;
use super::{Parameter, Refusal, SessionView, Tenants, Verdict, Way, copy_in, everywhere, rows};
use crate::catalog::{Catalog, Writer};
use crate::directory::Directory;
use crate::ids::{ServerId, TenantKey};
use crate::sql::keys::Use;
use crate::sql::{CopyKind, Kind, Statement};

/// What to do with a statement under this directory, for this session and these parameters. Pure; what is
/// not known by name is refused.
pub fn plan(
    statement: &Statement,
    directory: &Directory,
    catalog: &Catalog,
    session: &SessionView<'_>,
    parameters: &[Parameter<'_>],
) -> Verdict {
    let literals = statement.literals();
    let values = literals.as_deref().unwrap_or(parameters);
    let decided = decide(statement, directory, catalog, session, values)
        .and_then(|verdict| of_equal_databases(verdict, statement, catalog));
    match decided {
        Ok(verdict) if literals.is_some() => of_template(verdict),
        Err(_) if literals.is_some() => Verdict::Learn,
        Ok(verdict) => verdict,
        Err(refusal) => Verdict::Refuse(refusal),
    }
}

/// Where the servers' databases themselves differ, what several of them say does not fit together. Schema
/// changes go on: they may mend it.
fn of_equal_databases(
    verdict: Verdict,
    statement: &Statement,
    catalog: &Catalog,
) -> Result<Verdict, Refusal> {
    let several = matches!(&verdict, Verdict::Run(plan) if plan.legs.len() > 1);
    match &catalog.unequal {
        Some(what) if several && !matches!(statement.kind(), Kind::Ddl { .. }) => Err(Refusal::unsupported(
            format!("the servers' databases differ: {what}"),
            "Make them the same; \"herdctl check\" names all differences. What concerns one server goes on.",
        )),
        Some(_) | None => Ok(verdict),
    }
}

/// A template knows less than the text: its plan holds where it sends the text as it is to one server for
/// tenants that are known, for more can be no wrong answer there.
fn of_template(verdict: Verdict) -> Verdict {
    let suffices = match &verdict {
        Verdict::Run(plan) => {
            matches!(plan.way, Way::Single)
                && plan.tenants != Tenants::All
                && plan.legs.iter().all(|leg| leg.text.is_none())
        }
        Verdict::Wait(_) | Verdict::Learn | Verdict::Refuse(_) => false,
    };
    if suffices { verdict } else { Verdict::Learn }
}

fn decide(
    statement: &Statement,
    directory: &Directory,
    catalog: &Catalog,
    session: &SessionView<'_>,
    parameters: &[Parameter<'_>],
) -> Result<Verdict, Refusal> {
    if let Some(refusal) = statement.refusal()
        && !hides_on_the_only_server(statement, directory, catalog)
    {
        return Err(refusal.clone());
    }
    let tenant = match session.tenant {
        Some(tenant) => Some(tenant.clone()),
        None => comment_tenant(statement, catalog)?,
    };
    if let Some(refusal) = statement.misreading()
        && (directory.servers().len() > 1 || tenant.is_some())
    {
        return Err(refusal.clone());
    }
    let request = Request { statement, directory, catalog, session, parameters, tenant };
    check_writers(&request)?;
    match statement.kind() {
        Kind::Query
        | Kind::Write
        | Kind::CreateAs { .. }
        | Kind::Explain { .. }
        | Kind::DeclareCursor { .. }
        | Kind::Copy(CopyKind::Out { .. } | CopyKind::OutQuery { .. }) => rows::decide(&request),
        Kind::Copy(CopyKind::In { columns, options, filtered }) => {
            copy_in::decide(&request, columns, options, *filtered)
        }
        Kind::Truncate => everywhere::truncate(&request),
        Kind::Ddl { transactional, temporary } => {
            everywhere::schema_change(&request, *transactional, *temporary)
        }
        Kind::Lock { .. } => everywhere::lock(&request),
        Kind::Analyze => everywhere::analyze(&request),
        Kind::Upkeep => everywhere::upkeep(&request),
        Kind::Do | Kind::Call => code(&request),
        Kind::Copy(CopyKind::Server) | Kind::Maintenance => only_server(&request),
        Kind::Listen | Kind::Notify => {
            Ok(request.beside(ServerId::HOME, "notifications go over the home server"))
        }
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
        | Kind::CloseCursor(_) => Ok(request.beside(request.stay(), "of the session")),
        Kind::PrepareTransaction | Kind::PreparedTransaction if directory.servers().len() > 1 => {
            Err(Refusal::unsupported(
                "two-phase commit by the client is not supported over several servers",
                "Use COMMIT: a transaction over several servers is committed atomically.",
            ))
        }
        Kind::PrepareTransaction | Kind::PreparedTransaction => only_server(&request),
        Kind::Other => Err(Refusal::unsupported(
            "pgherd does not know this statement, or not in this form",
            "Run it on the servers themselves, or write its arguments as constants.",
        )),
    }
}

/// A temporary table may hide one of its name where a name means the same to the planner either way: the
/// only server is the whole database, nothing is sharded, and the session keeps its connection.
fn hides_on_the_only_server(statement: &Statement, directory: &Directory, catalog: &Catalog) -> bool {
    let makes_table = matches!(statement.kind(), Kind::Ddl { temporary: true, .. });
    makes_table && directory.servers().len() == 1 && catalog.key_type.is_none()
}

fn comment_tenant(statement: &Statement, catalog: &Catalog) -> Result<Option<TenantKey>, Refusal> {
    let (Some(text), Some(key_type)) = (statement.comment_tenant(), catalog.key_type) else {
        return Ok(None);
    };
    key_type.parse(text).map(Some).ok_or_else(|| Refusal {
        sqlstate: "22023",
        message: format!("the comment names tenant '{text}', which is no tenant key"),
        hint: format!("The tenant column is of type {key_type:?}."),
    })
}

/// DO and CALL run code that nobody has read: only where one tenant or one server is meant.
fn code(request: &Request<'_>) -> Result<Verdict, Refusal> {
    if let Some(tenant) = &request.tenant {
        let mut placing = Placing::default();
        let server = placing.tenants(request.directory, std::slice::from_ref(tenant));
        let server = server.first().copied().unwrap_or(ServerId::HOME);
        let tenants = Tenants::Some([tenant.clone()].into());
        return Ok(placing.verdict(request, request.single(server, None, tenants, "code of one tenant")));
    }
    only_server(request)
}

/// Code runs on one server: what it writes of a table of which every server has a copy, it writes there alone.
fn check_writers(request: &Request<'_>) -> Result<(), Refusal> {
    let subject = request.subject();
    let written = subject.touched().sharded.iter().filter(|reference| reference.used != Use::Read);
    let mut by_triggers = written.filter_map(|reference| reference.relation.trigger_writes.as_ref());
    let writer = subject.calls().writer.as_ref().or_else(|| by_triggers.next());
    match writer {
        Some(Writer { function, table }) if request.directory.servers().len() > 1 => {
            Err(Refusal::unsupported(
                format!(
                    "{function} writes \"{table}\", of which every server has a copy: it would write one copy only"
                ),
                "Give that table the tenant column, or write it in a statement of its own.",
            ))
        }
        Some(_) | None => Ok(()),
    }
}

fn only_server(request: &Request<'_>) -> Result<Verdict, Refusal> {
    match request.directory.servers().len() {
        0 | 1 => {
            let mut placing = Placing::default();
            placing.all(request.directory);
            Ok(placing
                .verdict(request, request.single(ServerId::HOME, None, Tenants::All, "there is one server")))
        }
        _ => Err(Refusal::unsupported(
            "this statement concerns one server, and there are several",
            "Name a tenant with SET, or run it on each server itself.",
        )),
    }
}
