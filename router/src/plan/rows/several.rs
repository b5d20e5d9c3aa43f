//! Rows of several servers: merged, gathered, or written where they are.

use std::sync::Arc;

use smallvec::SmallVec;

use super::super::gather::gather;
use super::super::place::Placing;
use super::super::refusals::{no_fan_out, opaque_reason, several_servers, unsafe_reason, view_reason};
use super::super::request::Request;
use super::super::{chosen, copy_out, fan_out, insert, locked, matched, staged, writes};
use super::keys::other_kept;
use crate::catalog::RelationKind;
use crate::ids::{MoveId, ServerId};
use crate::plan::{Answer, GatherPlan, Leg, Plan, Refusal, Tenants, Verdict, Way};
use crate::sql::keys::{Reference, Use};
use crate::sql::{Access, Hold, Kind, ROW_LOCKS};

pub(super) fn over_several(
    request: &Request<'_>,
    servers: SmallVec<[ServerId; 4]>,
    placing: Placing,
    tenants: Tenants,
) -> Result<Verdict, Refusal> {
    if !request.session.fan_out {
        return Err(no_fan_out());
    }
    let subject = request.subject();
    if let Some(relation) = request.touched().unsafe_tables.first() {
        return Err(unsafe_reason(relation));
    }
    let is_view = |reference: &&Reference| {
        matches!(reference.relation.kind, RelationKind::ShardedView { .. }) && reference.used != Use::Read
    };
    if let Some(view) = request.touched().sharded.iter().find(is_view) {
        return Err(view_reason(&view.relation));
    }
    if let Kind::Copy(copy) = request.statement.kind() {
        return copy_out::over_several(request, copy, servers, placing, tenants);
    }
    if is_insert(request) {
        let each = writes::over_several(request, servers.clone(), placing.clone(), tenants.clone(), "");
        return each.or_else(|_| rows_first(request, servers, placing, tenants));
    }
    if let Some(name) = &subject.calls().opaque {
        return Err(opaque_reason(name));
    }
    let locks = subject.calls().writing.as_deref() == Some(ROW_LOCKS);
    let reads = matches!(subject.kind(), Kind::Query) && (subject.access() == Access::Read || locks);
    let prefix = match request.statement.kind() {
        Kind::Write => {
            let each = writes::over_several(request, servers.clone(), placing.clone(), tenants.clone(), "");
            if request.statement.merges_rows() || request.statement.has_steps() {
                return each.or_else(|_| rows_first(request, servers, placing, tenants));
            }
            if each.is_err()
                && let Some(statement) = request.statement.hoisted(request.catalog)?
            {
                let tenant = request.tenant.clone();
                let request = Request { statement: &statement, tenant, ..*request };
                return staged::over_several(&request, servers, placing, tenants);
            }
            return each.or_else(|refusal| {
                chosen::over_several(request, servers, placing, tenants).map_err(|_| refusal)
            });
        }
        Kind::Explain { prefix, .. } if matches!(subject.kind(), Kind::Write) => {
            let each = writes::over_several(request, servers, placing, tenants, prefix);
            return each.map_err(|_| no_plan_of_one());
        }
        Kind::Query if reads => "",
        Kind::Explain { prefix, .. } if reads => prefix,
        Kind::DeclareCursor { prefix, .. } if reads && !locks => prefix,
        _ => return Err(several_servers(request.statement)),
    };
    let hidden: Vec<Vec<MoveId>> =
        servers.iter().map(|server| request.directory.hidden_on(*server)).collect();
    let hidden: Vec<&[MoveId]> = hidden.iter().map(Vec::as_slice).collect();
    if matches!(request.statement.kind(), Kind::DeclareCursor { .. }) {
        return cursor(request, servers, placing, tenants, prefix, &hidden);
    }
    let merged = fan_out(subject.raw(), request.catalog, subject.path(), request.session.now.now(), &hidden);
    let (way, texts) = match merged {
        // One server after the other, so that two of them cannot wait for each other crosswise.
        Ok(fan_out) if locks && fan_out.merge.is_concatenation() => {
            (Way::Everywhere(Answer::Sum), fan_out.texts)
        }
        Ok(fan_out) => (Way::Merge(Arc::new(fan_out.merge)), fan_out.texts),
        Err(refusal) if locks && prefix.is_empty() => {
            let statement = request.statement;
            return match statement.has_steps() {
                true => staged::over_several(request, servers, placing, tenants),
                false => locked::over_several(request, servers, placing, tenants).map_err(|_| refusal),
            };
        }
        Err(_) if locks => return Err(no_plan_of_one()),
        Err(_) => {
            let (plan, texts) = gather(request, subject.raw(), &hidden)?;
            (Way::Gather(Arc::new(plan)), texts)
        }
    };
    let text = |text: Arc<str>| if prefix.is_empty() { text } else { format!("{prefix}{text}").into() };
    let legs = servers.into_iter().zip(texts);
    let plan = Plan {
        way,
        legs: legs.map(|(server, leg)| Leg::of_text(server, text(leg))).collect(),
        role: request.role(),
        tenants,
        why: "rows of several servers".into(),
    };
    Ok(placing.verdict(request, plan))
}

/// A write of rows that are computed first, then written where they belong.
pub(super) fn rows_first(
    request: &Request<'_>,
    servers: SmallVec<[ServerId; 4]>,
    placing: Placing,
    tenants: Tenants,
) -> Result<Verdict, Refusal> {
    let statement = request.statement;
    let planned = match statement.merges_rows() {
        true => matched::over_several(request, servers.clone(), placing.clone(), tenants.clone()),
        false if statement.inserts_rows() => {
            insert::over_several(request, servers.clone(), placing.clone(), tenants.clone())
        }
        false => return staged::over_several(request, servers, placing, tenants),
    };
    match planned {
        Err(_) if statement.has_steps() => staged::over_several(request, servers, placing, tenants),
        planned => planned,
    }
}

/// A cursor over what is gathered: it lives on the first server, as any cursor does on its own.
fn cursor(
    request: &Request<'_>,
    servers: SmallVec<[ServerId; 4]>,
    placing: Placing,
    tenants: Tenants,
    prefix: &str,
    hidden: &[&[MoveId]],
) -> Result<Verdict, Refusal> {
    let (plan, mut texts) = gather(request, request.subject().raw(), hidden)?;
    let mut servers = servers;
    if let (Some(held), Some(Hold::Cursor)) = (request.session.held, request.statement.hold()) {
        let at = servers.iter().position(|server| *server == held).ok_or_else(other_kept)?;
        servers.swap(0, at);
        texts.swap(0, at);
    }
    let place = servers.first().copied().filter(|first| plan.place.is_none_or(|place| place == *first));
    let place = place.ok_or_else(|| several_servers(request.statement))?;
    let over_arrays = format!("{prefix}{}", plan.over_arrays).into();
    let plan = GatherPlan { over_arrays, place: Some(place), ..plan };
    let leg = |(server, text): (ServerId, Arc<str>)| Leg::of_text(server, text);
    let plan = Plan {
        way: Way::Gather(Arc::new(plan)),
        legs: servers.into_iter().zip(texts).map(leg).collect(),
        role: request.role(),
        tenants,
        why: "a cursor over rows of several servers".into(),
    };
    Ok(placing.verdict(request, plan))
}

/// True for an INSERT of rows.
fn is_insert(request: &Request<'_>) -> bool {
    matches!(request.statement.kind(), Kind::Write) && request.statement.inserts_rows()
}

/// EXPLAIN of what is done step by step, each with a plan that depends on what the one before gave.
pub(super) fn no_plan_of_one() -> Refusal {
    Refusal::unsupported(
        "EXPLAIN of a write, or a lock of the first rows, that servers do step by step together",
        "Explain the SELECT that it begins with, or name one tenant.",
    )
}
