//! The statement itself says whose rows it concerns, or it concerns all.

use std::sync::Arc;

use super::super::chosen;
use super::super::place::Placing;
use super::super::refusals::{missing_key, opaque_reason, reassigned, unknown_key, unsafe_reason};
use super::super::request::Request;
use super::several::over_several;
use crate::ids::ServerId;
use crate::plan::{Refusal, TenantKeys, Tenants, Verdict};
use crate::sql::keys::Use;
use crate::sql::{Filter, Hold, Kind};

/// The statement itself says whose rows it concerns, or it concerns all.
pub(super) fn by_keys(request: &Request<'_>) -> Result<Verdict, Refusal> {
    let touched = request.touched();
    let mut keys: Option<TenantKeys> = Some(TenantKeys::new());
    let mut uncertain_insert = None;
    for reference in &touched.sharded {
        let here = request.keys_of(reference);
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
        let target: Option<Vec<TenantKeys>> = target.map(|reference| request.keys_of(reference)).collect();
        let stays = touched.reassigned.iter().all(|set| match (request.resolve(set), &target) {
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

pub(super) fn of_all(request: &Request<'_>) -> Result<Verdict, Refusal> {
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
pub(super) fn check_server(request: &Request<'_>, server: ServerId) -> Result<(), Refusal> {
    let subject = request.subject();
    let touched = request.touched();
    if request.directory.servers().len() <= 1 {
        return Ok(());
    }
    if let Some(relation) = touched.unsafe_tables.first()
        && request.directory.holders().len() > 1
    {
        return Err(unsafe_reason(relation));
    }
    if let (Some(name), true) = (&subject.calls().home_only, server != ServerId::HOME) {
        return Err(Refusal::unsupported(
            format!("function {name} acts on the home server, and these rows are on another"),
            "Call it in a statement of its own.",
        ));
    }
    let of_session = !touched.unknown.is_empty() || matches!(request.statement.kind(), Kind::CreateAs { .. });
    match request.session.held {
        Some(held) if held != server && request.statement.hold() == Some(Hold::Cursor) => Err(other_kept()),
        Some(held) if of_session && held != server => Err(Refusal::unsupported(
            "the session's temporary tables and these rows are on different servers",
            "Read the rows first, then write them into the temporary table.",
        )),
        Some(_) | None => Ok(()),
    }
}

/// A session keeps one connection for what lives on it.
pub(super) fn other_kept() -> Refusal {
    Refusal::unsupported(
        "a cursor WITH HOLD over these rows would be on another server than what the session keeps already",
        "Read the rows at once, or declare the cursor in a session of its own.",
    )
}
