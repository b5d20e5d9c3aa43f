//! The session names its tenant: it sees that tenant's rows and no others.

use super::super::copy_out;
use super::super::place::Placing;
use super::super::refusals::{another_tenant, reassigned};
use super::super::request::Request;
use super::keys::check_server;
use super::several::rows_first;
use crate::ids::{ServerId, TenantKey};
use crate::plan::{Refusal, Tenants, Verdict};
use crate::sql::keys::Use;
use crate::sql::{CopyKind, Filter, Kind};

/// The session names its tenant: it sees that tenant's rows and no others.
pub(super) fn of_one_tenant(request: &Request<'_>, tenant: &TenantKey) -> Result<Verdict, Refusal> {
    let touched = request.touched();
    let mut needs_filter = false;
    let mut computed = false;
    for reference in &touched.sharded {
        let keys = request.keys_of(reference);
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
        match request.resolve(set) {
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
