//! One write over rows of several servers.

use std::sync::Arc;

use smallvec::SmallVec;

use super::place::Placing;
use super::request::Request;
use super::{Answer, Leg, Plan, Refusal, Role, Tenants, Verdict, Way, fan_out};
use crate::ids::{MoveId, ServerId};
use crate::sql::{self, Filter};

/// Plans a write that concerns these servers: each does it for its own rows. `prefix` is that of EXPLAIN.
pub(super) fn over_several(
    request: &Request<'_>,
    servers: SmallVec<[ServerId; 4]>,
    placing: Placing,
    tenants: Tenants,
    prefix: &str,
) -> Result<Verdict, Refusal> {
    let subject = request.subject();
    if subject.selects_rows() {
        return of_select(request, servers, placing, tenants, prefix);
    }
    let text = sql::split_write(subject.raw(), request.catalog, subject.path(), request.session.now.now())?;
    let legs = servers.into_iter().map(|server| {
        let text = visible(request, &text, server)?;
        let text = if prefix.is_empty() { text } else { format!("{prefix}{text}").into() };
        Ok(Leg::of_text(server, text))
    });
    let plan = Plan {
        way: Way::Everywhere(Answer::Sum),
        legs: legs.collect::<Result<_, Refusal>>()?,
        role: Role::Primary,
        tenants,
        why: "each server writes its own rows".into(),
    };
    Ok(placing.verdict(request, plan))
}

/// Plans a SELECT whose CTEs write: each server writes its own rows, and what it gives of them is merged.
fn of_select(
    request: &Request<'_>,
    servers: SmallVec<[ServerId; 4]>,
    placing: Placing,
    tenants: Tenants,
    prefix: &str,
) -> Result<Verdict, Refusal> {
    let subject = request.subject();
    let hidden: Vec<Vec<MoveId>> =
        servers.iter().map(|server| request.directory.hidden_on(*server)).collect();
    let hidden: Vec<&[MoveId]> = hidden.iter().map(Vec::as_slice).collect();
    let now = request.session.now.now();
    let merged = fan_out(subject.raw(), request.catalog, subject.path(), now, &hidden)?;
    let way = match merged.merge.is_concatenation() {
        // One server after the other, so that two of them cannot wait for each other crosswise.
        true => Way::Everywhere(Answer::Sum),
        false => Way::Merge(Arc::new(merged.merge)),
    };
    let leg = |(server, text)| Leg::of_text(server, format!("{prefix}{text}"));
    let plan = Plan {
        way,
        legs: servers.into_iter().zip(merged.texts).map(leg).collect(),
        role: Role::Primary,
        tenants,
        why: "each server writes its own rows, what they give is merged".into(),
    };
    Ok(placing.verdict(request, plan))
}

/// The text without the rows that moves hide on a server.
fn visible(request: &Request<'_>, text: &Arc<str>, server: ServerId) -> Result<Arc<str>, Refusal> {
    let hidden = request.directory.hidden_on(server);
    match hidden.is_empty() {
        true => Ok(Arc::clone(text)),
        false => {
            let filter = Filter { tenant: None, hidden };
            sql::restrict_text(text, request.catalog, request.statement.path(), &filter)
        }
    }
}
