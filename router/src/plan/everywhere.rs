//! What must happen on every server alike: DDL, writes to reference tables, TRUNCATE, locks.

use std::sync::Arc;

use super::place::Placing;
use super::request::Request;
use super::{Answer, Leg, Plan, Refusal, Role, Tenants, Verdict, Way};
use crate::ids::ServerId;
use crate::sql::temporary::OwnNames;
use crate::sql::{Statement, stopped};

/// One statement on all servers in one atomic commit; with one server it is an ordinary statement.
pub(super) fn on_all(request: &Request<'_>, why: &'static str) -> Result<Verdict, Refusal> {
    let count = request.directory.servers().len();
    if count <= 1 {
        return Ok(Verdict::Run(request.single(ServerId::HOME, None, Tenants::None, why)));
    }
    let server = |index| ServerId(u16::try_from(index).unwrap_or(u16::MAX));
    let legs = (0..count).map(|index| Leg::on(server(index)));
    Ok(Verdict::Run(Plan {
        way: Way::Everywhere(Answer::First),
        legs: legs.collect(),
        role: Role::Primary,
        tenants: Tenants::None,
        why: why.into(),
    }))
}

/// `setval` over several servers: every server's counter goes past the value.
pub(super) fn set_values(request: &Request<'_>, subject: &Statement) -> Result<Option<Verdict>, Refusal> {
    if !subject.calls().setval || request.directory.servers().len() <= 1 {
        return Ok(None);
    }
    if let Some(verdict) = of_session(request)? {
        return Ok(Some(verdict));
    }
    if request.statement.set_values().is_none() {
        return Err(Refusal::unsupported(
            "setval among other things, or in another statement than a plain SELECT, and there are several servers",
            "Write SELECT setval(...) as a statement of its own.",
        ));
    }
    on_all(request, "the sequence goes on past the value on every server").map(Some)
}

/// DDL: on all servers, and not while rows are moved under it.
pub(super) fn schema_change(
    request: &Request<'_>,
    transactional: bool,
    temporary: bool,
) -> Result<Verdict, Refusal> {
    if temporary {
        return Ok(request.beside(request.stay(), "a temporary table of the session"));
    }
    if let Some(verdict) = of_session(request)? {
        return Ok(verdict);
    }
    match transactional {
        true => filled(request, on_all_schemas(request)?),
        false => in_turn(request, on_all_schemas(request)?),
    }
}

/// The same moment for the rows of all servers, where it gives them one.
fn filled(request: &Request<'_>, verdict: Verdict) -> Result<Verdict, Refusal> {
    let filling = request.statement.filling().filter(|filling| filling.reads_clock);
    match (verdict, filling) {
        (Verdict::Run(mut plan), Some(filling)) if plan.legs.len() > 1 => {
            let text = stopped(request.statement.raw(), filling, request.session.now.now())?;
            plan.legs.iter_mut().for_each(|leg| leg.text = Some(Arc::clone(&text)));
            Ok(Verdict::Run(plan))
        }
        (verdict @ (Verdict::Run(_) | Verdict::Wait(_) | Verdict::Learn | Verdict::Refuse(_)), _) => {
            Ok(verdict)
        }
    }
}

/// What concerns temporary objects of the session runs on their connection alone.
fn of_session(request: &Request<'_>) -> Result<Option<Verdict>, Refusal> {
    let Some(held) = request.session.held else { return Ok(None) };
    let here = || Ok(Some(request.beside(held, "a table of the session's connection")));
    if !request.statement.touched().unknown.is_empty() {
        return here();
    }
    let own = |name: &&String| request.session.temporary.contains(name);
    match request.statement.own_names() {
        Some(OwnNames::Of(names)) if names.iter().all(|name| own(&name)) => here(),
        Some(OwnNames::MadeOf(names)) if names.iter().any(|name| own(&name)) => here(),
        Some(OwnNames::Of(names) | OwnNames::Shared(names)) => match names.iter().find(own) {
            Some(name) => Err(Refusal::unsupported(
                format!("a temporary relation of the session is on one server only: \"{name}\""),
                "Make what is everybody's of tables that are, and concern temporary ones by themselves.",
            )),
            None => Ok(None),
        },
        Some(OwnNames::MadeOf(_)) | None => Ok(None),
    }
}

/// ANALYZE: on every server, or where the session's temporary tables are.
pub(super) fn analyze(request: &Request<'_>) -> Result<Verdict, Refusal> {
    match (request.session.held, request.statement.touched().unknown.is_empty()) {
        (Some(held), false) => Ok(request.beside(held, "a table of the session's connection")),
        (Some(_) | None, _) => on_all(request, "statistics of every server"),
    }
}

/// VACUUM and its kin: on one server after the other; inside a transaction block on all of them, where
/// PostgreSQL lets it run there.
pub(super) fn upkeep(request: &Request<'_>) -> Result<Verdict, Refusal> {
    if let Some(verdict) = of_session(request)? {
        return Ok(verdict);
    }
    let everywhere = on_all(request, "every server's tables")?;
    match request.session.in_block {
        true if request.statement.runs_in_block() => Ok(everywhere),
        true | false => in_turn(request, everywhere),
    }
}

/// The same with a transaction of its own on each server, where there are several.
fn in_turn(request: &Request<'_>, verdict: Verdict) -> Result<Verdict, Refusal> {
    let in_block = request.session.in_block;
    let hindrance = request.statement.in_turn().and_then(|in_turn| in_turn.hindrance(in_block));
    match (verdict, hindrance) {
        (Verdict::Run(plan), Some((message, hint))) if plan.legs.len() > 1 => {
            Err(Refusal::unsupported(message, hint))
        }
        (Verdict::Run(plan), _) if plan.legs.len() > 1 => Ok(Verdict::Run(Plan { way: Way::InTurn, ..plan })),
        (verdict @ (Verdict::Run(_) | Verdict::Wait(_) | Verdict::Learn | Verdict::Refuse(_)), _) => {
            Ok(verdict)
        }
    }
}

/// A change of the schema on all servers. It concerns all rows: a move that begins waits for it.
pub(super) fn on_all_schemas(request: &Request<'_>) -> Result<Verdict, Refusal> {
    no_move(request)?;
    Ok(match on_all(request, "the schema is the same on every server")? {
        Verdict::Run(plan) => Verdict::Run(Plan { tenants: Tenants::All, ..plan }),
        verdict @ (Verdict::Wait(_) | Verdict::Learn | Verdict::Refuse(_)) => verdict,
    })
}

/// Refuses while a move is under way.
fn no_move(request: &Request<'_>) -> Result<(), Refusal> {
    match request.directory.marks().first() {
        Some(mark) => Err(Refusal {
            sqlstate: "55006",
            message: format!("move {} is under way, and the schema cannot change during a move", mark.id),
            hint: "Try again when the move has ended; \"herdctl moves\" shows it.".into(),
        }),
        None => Ok(()),
    }
}

/// TRUNCATE takes the rows of all tenants.
pub(super) fn truncate(request: &Request<'_>) -> Result<Verdict, Refusal> {
    let touched = request.statement.touched();
    if !touched.sharded.is_empty() {
        if request.tenant.is_some() {
            return Err(Refusal {
                sqlstate: "42501",
                message: "TRUNCATE would take the rows of other tenants".into(),
                hint: "Use DELETE.".into(),
            });
        }
        if !request.session.fan_out {
            return Err(super::refusals::no_fan_out());
        }
        no_move(request)?;
        return all_tenants(request, "every server's rows");
    }
    if !touched.unknown.is_empty() {
        return Ok(request.beside(request.stay(), "a table that the catalog does not know"));
    }
    on_all(request, "every server has a copy")
}

fn all_tenants(request: &Request<'_>, why: &'static str) -> Result<Verdict, Refusal> {
    let mut placing = Placing::default();
    placing.all(request.directory);
    match on_all(request, why)? {
        Verdict::Run(plan) => Ok(placing.verdict(request, Plan { tenants: Tenants::All, ..plan })),
        verdict @ (Verdict::Wait(_) | Verdict::Learn | Verdict::Refuse(_)) => Ok(verdict),
    }
}

/// LOCK TABLE and SET CONSTRAINTS.
pub(super) fn lock(request: &Request<'_>) -> Result<Verdict, Refusal> {
    let touched = request.statement.touched();
    if touched.sharded.is_empty() && !touched.unknown.is_empty() {
        return Ok(request.beside(request.stay(), "a table that the catalog does not know"));
    }
    if let (Some(tenant), false) = (&request.tenant, touched.sharded.is_empty()) {
        let mut placing = Placing::default();
        let servers = placing.tenants(request.directory, std::slice::from_ref(tenant));
        let server = servers.first().copied().unwrap_or(ServerId::HOME);
        let tenants = Tenants::Some([tenant.clone()].into());
        return Ok(placing.verdict(request, request.single(server, None, tenants, "the session's tenant")));
    }
    match touched.sharded.is_empty() {
        true => on_all(request, "every server alike"),
        false => all_tenants(request, "every server alike"),
    }
}
