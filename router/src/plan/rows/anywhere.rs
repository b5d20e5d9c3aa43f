//! No sharded table: one server that has it all, or all of them for a write.

use std::sync::Arc;

use super::super::place::Placing;
use super::super::refusals::{
    default_reason, hidden_reason, of_session_alone, opaque_reason, triggers_reason, unsafe_reason,
    view_reason,
};
use super::super::request::Request;
use super::super::{copies, everywhere};
use crate::catalog::{Relation, RelationKind};
use crate::ids::ServerId;
use crate::plan::{Refusal, Tenants, Verdict};
use crate::sql::keys::Touched;
use crate::sql::{Access, Kind, ROW_LOCKS, Statement};

/// No sharded table: one server that has it all, or all of them for a write.
pub(super) fn without_tenants(request: &Request<'_>, touched: &Touched) -> Result<Verdict, Refusal> {
    let subject = request.subject();
    let several = request.directory.servers().len() > 1;
    if let (Some(relation), true) = (touched.unsafe_tables.first(), several) {
        return one_holder(request, &relation.name, unsafe_reason(relation));
    }
    if let Kind::CreateAs { temporary } = request.statement.kind() {
        if *temporary {
            return Ok(request.beside(request.stay(), "a temporary table of the session"));
        }
        equal_everywhere(request, subject, touched)?;
        return everywhere::on_all_schemas(request);
    }
    if let (Some(name), true, None) = (&subject.calls().opaque, several, &request.tenant) {
        return one_holder(request, name, opaque_reason(name));
    }
    if !touched.writes.is_empty() && several {
        if request.statement.is_explain() {
            return Ok(request.beside(ServerId::HOME, "every server has a copy"));
        }
        if let (Some(held), false) = (request.session.held, touched.unknown.is_empty()) {
            // What only the session's connection has is read there once.
            let computed = copies::computed_once(request, touched);
            return match computed {
                Ok(verdict) if held == ServerId::HOME && subject.calls().opaque.is_none() => Ok(verdict),
                Ok(_) | Err(_) => Err(of_session_alone()),
            };
        }
        if let Err(refusal) = equal_everywhere(request, subject, touched) {
            let opaque = subject.calls().opaque.is_some();
            return match copies::computed_once(request, touched) {
                Ok(verdict) if !opaque => Ok(verdict),
                Ok(_) | Err(_) => Err(refusal),
            };
        }
        if !subject.writes_alike()
            && let Ok(verdict) = copies::computed_once(request, touched)
        {
            return Ok(verdict);
        }
        return everywhere::on_all(request, "every server has a copy");
    }
    let locks = subject.calls().writing.as_deref() == Some(ROW_LOCKS);
    let server = match (&request.tenant, &subject.calls().home_only) {
        (_, Some(_)) => ServerId::HOME,
        // Where each write of copies begins, and any other lock of them is.
        (_, None) if locks && touched.unknown.is_empty() => ServerId::HOME,
        (Some(tenant), None) if !touched.system => {
            let mut placing = Placing::default();
            let server = placing.tenants(request.directory, std::slice::from_ref(tenant));
            let server = server.first().copied().unwrap_or(ServerId::HOME);
            let server =
                if touched.unknown.is_empty() { server } else { request.session.held.unwrap_or(server) };
            // A function of the user's may read the tenant's rows: the plan counts as the tenant's.
            let tenants = match (&subject.calls().opaque, &subject.calls().home) {
                (None, None) => Tenants::None,
                (Some(_), _) | (_, Some(_)) => Tenants::Some([tenant.clone()].into()),
            };
            let plan = request.single(server, None, tenants.clone(), "the session's tenant");
            return Ok(if tenants == Tenants::None {
                Verdict::Run(plan)
            } else {
                placing.verdict(request, plan)
            });
        }
        (_, None) if touched.system || subject.calls().home.is_some() => ServerId::HOME,
        (_, None) if !touched.unknown.is_empty() || request.statement.access() == Access::Write => {
            request.stay()
        }
        (_, None) => request.session.held.unwrap_or_else(|| spread(request)),
    };
    Ok(request.beside(server, "any server has it"))
}

/// A server for what any can answer: the same for the same text, as long as it is there.
fn spread(request: &Request<'_>) -> ServerId {
    let all =
        (0..request.directory.servers().len()).filter_map(|index| u16::try_from(index).ok()).map(ServerId);
    let there: Vec<ServerId> = all.filter(|server| !request.session.away.contains(server)).collect();
    let hash = xxhash_rust::xxh3::xxh3_64(request.statement.text().as_bytes());
    let choice = hash.checked_rem(there.len() as u64).and_then(|index| there.get(index as usize));
    choice.copied().unwrap_or(ServerId::HOME)
}

/// Copies stay equal only if each server computes the same.
fn equal_everywhere(request: &Request<'_>, subject: &Statement, touched: &Touched) -> Result<(), Refusal> {
    if request.directory.servers().len() <= 1 {
        return Ok(());
    }
    if let Some(name) = subject.calls().differs.as_ref().or(subject.calls().opaque.as_ref()) {
        return Err(Refusal::unsupported(
            format!("{name} may differ from server to server, and every server has a copy of the table"),
            "Compute the value first, and write it as a constant or parameter.",
        ));
    }
    let hidden = |view: &Arc<Relation>| {
        let column = view.hidden().iter().find(|column| touched.defaulted.contains(&column.name))?;
        Some(hidden_reason(view, column))
    };
    if let Some(refusal) = touched.writes.iter().find_map(hidden) {
        return Err(refusal);
    }
    if let Some(column) = touched.defaulted.first() {
        return Err(default_reason(column));
    }
    if let Some(view) = touched.writes.iter().find(|relation| relation.kind == RelationKind::ReferenceView) {
        return Err(view_reason(view));
    }
    match touched.writes.iter().find(|relation| relation.may_act_otherwise()) {
        Some(relation) => Err(triggers_reason(relation)),
        None => Ok(()),
    }
}

/// What only a server with everything can run.
fn one_holder(request: &Request<'_>, name: &str, refusal: Refusal) -> Result<Verdict, Refusal> {
    match request.directory.holders().as_slice() {
        [only] if request.directory.hidden_on(*only).is_empty() => {
            let mut placing = Placing::default();
            placing.all(request.directory);
            let why = format!("one server has all that {name} may need");
            Ok(placing.verdict(request, request.single(*only, None, Tenants::All, why)))
        }
        _ => Err(refusal),
    }
}
