//! Queries and writes over rows: whose rows, hence which server, hence how.

use std::sync::Arc;

use smallvec::SmallVec;

use super::decide::Request;
use super::gather::gather;
use super::place::Placing;
use super::{
    Answer, GatherPlan, Leg, Plan, Refusal, TenantKeys, Tenants, Verdict, Way, chosen, copies, copy_out,
    everywhere, fan_out, insert, locked, matched, staged, writes,
};
use crate::catalog::Relation;
use crate::ids::{MoveId, ServerId, TenantKey};
use crate::sql::keys::{Reference, Use};
use crate::sql::{Access, CopyKind, Filter, Kind, ROW_LOCKS, Statement};

/// Plans a query or a write.
pub(super) fn decide(request: &Request<'_>) -> Result<Verdict, Refusal> {
    let subject = request.subject();
    if let Some(refusal) = subject.refusal() {
        return Err(refusal.clone());
    }
    if (request.directory.servers().len() > 1 || request.tenant.is_some())
        && let Some(expanded) = request.statement.without_views(request.catalog)?
    {
        return decide(&Request { statement: &expanded, tenant: request.tenant.clone(), ..*request });
    }
    check_calls(request, subject)?;
    if let Some(verdict) = everywhere::set_values(request, subject)? {
        return Ok(verdict);
    }
    explained_write(request, subject)?;
    let verdict = match &subject.calls().of_connection {
        Some(name) => where_counted(request, name)?,
        None => decide_rows(request, subject)?,
    };
    match &verdict {
        Verdict::Run(plan) if plan.legs.len() > 1 && subject.asks_settings() => Err(Refusal::unsupported(
            "set_config in a statement over several servers",
            "Select the value first, then set it.",
        )),
        Verdict::Run(_) | Verdict::Wait(_) | Verdict::Learn | Verdict::Refuse(_) => Ok(verdict),
    }
}

/// `currval` and `lastval`: answered by the connection that gave the session its last number.
fn where_counted(request: &Request<'_>, name: &str) -> Result<Verdict, Refusal> {
    let refusal = Refusal::unsupported(
        format!("function {name} reads what its connection did before, and connections are shared"),
        "Use it in the transaction of the INSERT, where that wrote on one server only; or use RETURNING.",
    );
    let Some(counted) = request.session.counted else { return Err(refusal) };
    let touched = references_of(request);
    let without_rows =
        touched.sharded.is_empty() && touched.writes.is_empty() && touched.unsafe_tables.is_empty();
    if without_rows && matches!(request.statement.kind(), Kind::Query) {
        return Ok(request.beside(counted, "the connection that gave the number"));
    }
    match decide_rows(request, request.subject())? {
        Verdict::Run(plan) if matches!(plan.way, Way::Single) && plan.legs[0].server == counted => {
            Ok(Verdict::Run(plan))
        }
        Verdict::Run(_) | Verdict::Refuse(_) => Err(refusal),
        verdict @ (Verdict::Wait(_) | Verdict::Learn) => Ok(verdict),
    }
}

fn decide_rows(request: &Request<'_>, subject: &Statement) -> Result<Verdict, Refusal> {
    if request.statement.touched().sharded.is_empty() && subject.touched().sharded.is_empty() {
        return without_tenants(request, references_of(request));
    }
    if !references_of(request).writes.is_empty() && request.directory.servers().len() > 1 {
        return Err(Refusal::unsupported(
            "one statement writes a table of which every server has a copy, and reads or writes sharded tables",
            "Read first, then write in a statement of its own.",
        ));
    }
    match &request.tenant {
        Some(tenant) => of_one_tenant(request, tenant),
        None => by_keys(request),
    }
}

/// EXPLAIN ANALYZE runs what it explains, and on one server: copies would no longer be equal.
fn explained_write(request: &Request<'_>, subject: &Statement) -> Result<(), Refusal> {
    let runs = request.statement.is_explain() && request.statement.access() == Access::Write;
    let several = request.directory.servers().len() > 1;
    let makes_table = matches!(subject.kind(), Kind::CreateAs { temporary: false });
    if runs && several && (makes_table || !references_of(request).writes.is_empty()) {
        return Err(Refusal::unsupported(
            "EXPLAIN ANALYZE would write on one server what every server has a copy of",
            "Leave ANALYZE out.",
        ));
    }
    Ok(())
}

fn references_of<'a>(request: &'a Request<'_>) -> &'a crate::sql::keys::Touched {
    match request.statement.inner() {
        Some(inner) => inner.touched(),
        None => request.statement.touched(),
    }
}

fn check_calls(request: &Request<'_>, subject: &Statement) -> Result<(), Refusal> {
    let several = request.directory.servers().len() > 1;
    if subject.calls().unknown_config {
        return Err(Refusal::unsupported(
            "set_config with a name that is no constant",
            "Write the name and the third argument as constants, or use SET.",
        ));
    }
    match (&subject.calls().server, several) {
        (Some(name), true) => Err(Refusal::unsupported(
            format!("function {name} acts on one server, and there are several"),
            "Run it on the server itself.",
        )),
        (Some(_) | None, _) => Ok(()),
    }
}

/// No sharded table: one server that has it all, or all of them for a write.
fn without_tenants(request: &Request<'_>, touched: &crate::sql::keys::Touched) -> Result<Verdict, Refusal> {
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
        if let Err(refusal) = equal_everywhere(request, subject, touched) {
            let opaque = subject.calls().opaque.is_some();
            return match copies::computed_once(request, touched) {
                Ok(verdict) if !opaque => Ok(verdict),
                Ok(_) | Err(_) => Err(refusal),
            };
        }
        return everywhere::on_all(request, "every server has a copy");
    }
    let server = match (&request.tenant, &subject.calls().home_only) {
        (_, Some(_)) => ServerId::HOME,
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
fn equal_everywhere(
    request: &Request<'_>,
    subject: &Statement,
    touched: &crate::sql::keys::Touched,
) -> Result<(), Refusal> {
    if request.directory.servers().len() <= 1 {
        return Ok(());
    }
    if let Some(name) = subject.calls().differs.as_ref().or(subject.calls().opaque.as_ref()) {
        return Err(Refusal::unsupported(
            format!("{name} may differ from server to server, and every server has a copy of the table"),
            "Compute the value first, and write it as a constant or parameter.",
        ));
    }
    if let Some(column) = touched.defaulted.first() {
        return Err(default_reason(column));
    }
    match touched.writes.iter().find(|relation| relation.has_triggers) {
        Some(relation) => Err(triggers_reason(relation)),
        None => Ok(()),
    }
}

pub(super) fn default_reason(column: &str) -> Refusal {
    Refusal::unsupported(
        format!("the default of column \"{column}\" may differ from server to server"),
        format!("Give \"{column}\" a value."),
    )
}

pub(super) fn triggers_reason(relation: &crate::catalog::Relation) -> Refusal {
    Refusal::unsupported(
        format!("table \"{}\" has triggers, which may do different things on each server", relation.name),
        "Drop the triggers, or write on each server itself.",
    )
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

pub(super) fn unsafe_reason(relation: &crate::catalog::Relation) -> Refusal {
    let reason = match &relation.kind {
        crate::catalog::RelationKind::Unsafe { reason } => reason.as_str(),
        _ => "it is not sharded",
    };
    Refusal::unsupported(
        format!("table \"{}\" cannot be used over several servers: {reason}", relation.name),
        "\"herdctl check\" lists what to change.",
    )
}

fn opaque_reason(name: &str) -> Refusal {
    Refusal::unsupported(
        format!("function {name} may read rows of any tenant, and they are on several servers"),
        "Name a tenant with SET, or declare the function harmless in the configuration.",
    )
}

/// The session names its tenant: it sees that tenant's rows and no others.
fn of_one_tenant(request: &Request<'_>, tenant: &TenantKey) -> Result<Verdict, Refusal> {
    let touched = references_of(request);
    let mut needs_filter = false;
    let mut computed = false;
    for reference in &touched.sharded {
        let keys = keys_of(request, reference);
        match (reference.used, keys) {
            (Use::Read | Use::Change, None) => needs_filter = true,
            (Use::Read | Use::Change | Use::Insert, Some(keys)) => {
                if let Some(other) = keys.iter().find(|key| *key != tenant) {
                    return Err(another_tenant(other, tenant));
                }
            }
            (Use::Insert | Use::InsertUnknown | Use::InsertMissing, _) => computed = true,
        }
    }
    for set in &touched.reassigned {
        match resolve(request, set) {
            Some(keys) if keys.iter().all(|key| key == tenant) => {}
            Some(_) | None => return Err(reassigned()),
        }
    }
    let mut placing = Placing::default();
    let servers = placing.tenants(request.directory, std::slice::from_ref(tenant));
    let server = servers.first().copied().unwrap_or(ServerId::HOME);
    check_server(request, server)?;
    if computed {
        return rows_first(request, servers, placing, Tenants::Some([tenant.clone()].into()));
    }
    if let (Kind::Copy(copy @ CopyKind::Out { .. }), true) = (request.statement.kind(), needs_filter) {
        return copy_out::over_several(
            request,
            copy,
            servers,
            placing,
            Tenants::Some([tenant.clone()].into()),
        );
    }
    let filter = Filter { tenant: Some(tenant.clone()), hidden: Vec::new() };
    let text = needs_filter.then(|| request.statement.restricted(request.catalog, &filter)).transpose()?;
    let plan = request.single(server, text, Tenants::Some([tenant.clone()].into()), "the session's tenant");
    Ok(placing.verdict(request, plan))
}

fn keys_of(request: &Request<'_>, reference: &Reference) -> Option<TenantKeys> {
    resolve(request, &reference.keys)
}

fn resolve(request: &Request<'_>, set: &crate::sql::KeySet) -> Option<TenantKeys> {
    let subject = request.subject();
    set.resolve(request.parameters, |number| subject.infers_key(number))
}

/// The statement itself says whose rows it concerns, or it concerns all.
fn by_keys(request: &Request<'_>) -> Result<Verdict, Refusal> {
    let touched = references_of(request);
    let mut keys: Option<TenantKeys> = Some(TenantKeys::new());
    let mut uncertain_insert = None;
    for reference in &touched.sharded {
        let here = keys_of(request, reference);
        match (reference.used, &here) {
            (Use::InsertMissing, _) => uncertain_insert = Some(missing_key(reference)),
            (Use::InsertUnknown, _) | (Use::Insert, None) => uncertain_insert = Some(unknown_key(reference)),
            (Use::Insert | Use::Read | Use::Change, _) => {}
        }
        keys = match (keys, here) {
            (Some(keys), Some(here)) if keys.is_empty() => Some(here),
            (Some(mut keys), Some(here)) => {
                keys.extend(here);
                Some(keys)
            }
            (_, _) => None,
        };
    }
    if !touched.reassigned.is_empty() {
        let target = touched.sharded.iter().filter(|reference| reference.used != Use::Read);
        let target: Option<Vec<TenantKeys>> = target.map(|reference| keys_of(request, reference)).collect();
        let stays = touched.reassigned.iter().all(|set| match (resolve(request, set), &target) {
            (Some(new), Some(old)) => new.len() == 1 && old.iter().flatten().all(|key| *key == new[0]),
            (_, _) => false,
        });
        if !stays {
            return match request.directory.holders().as_slice() {
                [_] => single_holder(request, reassigned()),
                holders if request.session.fan_out => {
                    let mut placing = Placing::default();
                    placing.all(request.directory);
                    chosen::over_several(request, holders.iter().copied(), placing, Tenants::All)
                }
                _ => Err(reassigned()),
            };
        }
    }
    if let Some(refusal) = uncertain_insert {
        return match request.directory.holders().as_slice() {
            [_] if request.directory.marks().is_empty() => of_all(request),
            holders if matches!(request.statement.kind(), Kind::Write) => {
                let mut placing = Placing::default();
                placing.all(request.directory);
                over_several(request, holders.into(), placing, Tenants::All)
            }
            _ => Err(refusal),
        };
    }
    match keys {
        Some(mut keys) => {
            keys.sort_unstable();
            keys.dedup();
            of_tenants(request, keys)
        }
        None => of_all(request),
    }
}

fn of_tenants(request: &Request<'_>, keys: TenantKeys) -> Result<Verdict, Refusal> {
    let mut placing = Placing::default();
    let servers = placing.tenants(request.directory, &keys);
    match servers.as_slice() {
        [] => Ok(request.beside(request.stay(), "no row can match")),
        [server] => {
            // That the statement is about one tenant says nothing of what the function reads.
            if let Some(name) = &request.subject().calls().opaque
                && request.directory.holders().len() > 1
            {
                return single_holder(request, opaque_reason(name));
            }
            check_server(request, *server)?;
            let why = if keys.len() == 1 { "one tenant" } else { "tenants of one server" };
            Ok(placing.verdict(request, request.single(*server, None, Tenants::Some(keys), why)))
        }
        [_, _, ..] => over_several(request, servers, placing, Tenants::Some(keys)),
    }
}

fn of_all(request: &Request<'_>) -> Result<Verdict, Refusal> {
    let mut placing = Placing::default();
    placing.all(request.directory);
    let holders = request.directory.holders();
    match holders.as_slice() {
        [only] => {
            check_server(request, *only)?;
            let text = hidden_text(request, *only)?;
            Ok(placing
                .verdict(request, request.single(*only, text, Tenants::All, "one server holds all tenants")))
        }
        _ => over_several(request, holders.into(), placing, Tenants::All),
    }
}

/// One server that holds everything runs what nobody can place.
fn single_holder(request: &Request<'_>, refusal: Refusal) -> Result<Verdict, Refusal> {
    let holders = request.directory.holders();
    match holders.as_slice() {
        [_] if request.directory.marks().is_empty() => of_all(request),
        _ => Err(refusal),
    }
}

/// The text without the rows that moves hide on a server; `None` where nothing is hidden.
fn hidden_text(request: &Request<'_>, server: ServerId) -> Result<Option<Arc<str>>, Refusal> {
    let hidden = request.directory.hidden_on(server);
    if hidden.is_empty() {
        return Ok(None);
    }
    request.statement.restricted(request.catalog, &Filter { tenant: None, hidden }).map(Some)
}

/// What a statement on one server must not need from another.
fn check_server(request: &Request<'_>, server: ServerId) -> Result<(), Refusal> {
    let subject = request.subject();
    let touched = references_of(request);
    if request.directory.servers().len() <= 1 {
        return Ok(());
    }
    if let Some(relation) = touched.unsafe_tables.first()
        && request.directory.holders().len() > 1
    {
        return Err(unsafe_reason(relation));
    }
    if let Kind::CreateAs { temporary: false } = request.statement.kind() {
        return Err(Refusal::unsupported(
            "a table made from sharded rows would be on one server only",
            "Create the table on all servers first, then INSERT ... SELECT.",
        ));
    }
    if let (Some(name), true) = (&subject.calls().home_only, server != ServerId::HOME) {
        return Err(Refusal::unsupported(
            format!("function {name} acts on the home server, and these rows are on another"),
            "Call it in a statement of its own.",
        ));
    }
    let of_session = !touched.unknown.is_empty() || matches!(request.statement.kind(), Kind::CreateAs { .. });
    match request.session.held {
        Some(held) if of_session && held != server => Err(Refusal::unsupported(
            "the session's temporary tables and these rows are on different servers",
            "Read the rows first, then write them into the temporary table.",
        )),
        Some(_) | None => Ok(()),
    }
}

fn over_several(
    request: &Request<'_>,
    servers: SmallVec<[ServerId; 4]>,
    placing: Placing,
    tenants: Tenants,
) -> Result<Verdict, Refusal> {
    if !request.session.fan_out {
        return Err(no_fan_out());
    }
    let subject = request.subject();
    if let Some(relation) = references_of(request).unsafe_tables.first() {
        return Err(unsafe_reason(relation));
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
            return writes::over_several(request, servers, placing, tenants, prefix);
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
        Err(refusal) if locks => return Err(refusal),
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
fn rows_first(
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
    let (plan, texts) = gather(request, request.subject().raw(), hidden)?;
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

fn several_servers(statement: &Statement) -> Refusal {
    let what = match statement.kind() {
        Kind::DeclareCursor { .. } => "a cursor",
        _ => "a write or a locking read",
    };
    Refusal::unsupported(
        format!("{what} over rows of several servers is not supported"),
        "Name one tenant: in the statement, with SET, or in a comment.",
    )
}

/// The user may not run statements over all tenants.
pub(super) fn no_fan_out() -> Refusal {
    Refusal {
        sqlstate: "42501",
        message: "the statement concerns several tenants' servers, and this user may not run such statements"
            .into(),
        hint: "Name one tenant in the statement or with SET, or allow fan_out for the user.".into(),
    }
}

pub(super) fn another_tenant(other: &TenantKey, tenant: &TenantKey) -> Refusal {
    Refusal {
        sqlstate: "42501",
        message: format!("the statement concerns tenant {other}, and the session is of tenant {tenant}"),
        hint: "Change the session's tenant with SET first.".into(),
    }
}

fn reassigned() -> Refusal {
    Refusal::unsupported(
        "an update of the tenant column would move a row to another tenant",
        "Delete the row and insert it for the other tenant.",
    )
}

fn unknown_key(reference: &Reference) -> Refusal {
    unknown_key_of(&reference.relation)
}

/// Nobody can say whose rows they are.
pub(super) fn unknown_key_of(relation: &Relation) -> Refusal {
    Refusal::unsupported(
        format!("the tenant of the rows for \"{}\" cannot be told from the statement", relation.name),
        "Write the tenant column's value as a constant or a parameter.",
    )
}

fn missing_key(reference: &Reference) -> Refusal {
    let column = reference.relation.tenant_column().map_or("tenant", |(column, _)| column.name.as_str());
    Refusal::unsupported(
        format!("INSERT into \"{}\" gives no value for column \"{column}\"", reference.relation.name),
        format!("Give \"{column}\" a constant or a parameter."),
    )
}
