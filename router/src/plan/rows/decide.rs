//! What holds for every query and write over rows, and which of the rooms plans it.

use super::super::place::Placing;
use super::super::request::Request;
use super::super::{chosen_copies, everywhere, stored};
use super::anywhere::without_tenants;
use super::keys::by_keys;
use super::several::no_plan_of_one;
use super::tenant::of_one_tenant;
use crate::plan::{Refusal, Tenants, Verdict, Way};
use crate::sql::keys::Use;
use crate::sql::{Access, Kind, Statement};

/// Plans a query or a write.
pub(in crate::plan) fn decide(request: &Request<'_>) -> Result<Verdict, Refusal> {
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
    if subject.current_of().is_some() && request.directory.servers().len() > 1 {
        return current_of(request);
    }
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
    let touched = request.touched();
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
        return without_tenants(request, request.touched());
    }
    let several = request.directory.servers().len() > 1;
    if several
        && (!request.touched().writes.is_empty() || makes_copies(request.statement))
        && let Some(verdict) = stored::over_several(request)?
    {
        return Ok(verdict);
    }
    if several && !request.touched().writes.is_empty() {
        if let Some(verdict) = copies_by_rows(request)? {
            return Ok(verdict);
        }
        return Err(Refusal::unsupported(
            "one statement writes a table of which every server has a copy, and reads or writes sharded tables",
            "Read first, then write in a statement of its own.",
        ));
    }
    let verdict = match &request.tenant {
        Some(tenant) => of_one_tenant(request, tenant),
        None => by_keys(request),
    };
    match (verdict, request.statement.kind()) {
        // Not where the session's temporary tables are.
        (Err(refusal), Kind::CreateAs { temporary: true }) if several => {
            stored::over_several(request)?.ok_or(refusal)
        }
        (verdict, _) => verdict,
    }
}

/// UPDATE and DELETE of a table of which every server has a copy, by rows of sharded tables.
fn copies_by_rows(request: &Request<'_>) -> Result<Option<Verdict>, Refusal> {
    let statement = request.statement;
    let changes = statement.word_of_change().is_some();
    let only_reads = request.touched().sharded.iter().all(|reference| reference.used == Use::Read);
    if statement.is_explain() && matches!(request.subject().kind(), Kind::Write) {
        return Err(no_plan_of_one());
    }
    match matches!(statement.kind(), Kind::Write) && changes && only_reads && !statement.has_steps() {
        true => chosen_copies::over_several(request),
        false => Ok(None),
    }
}

/// The row on which a cursor stands: it is on the cursor's server, as all the cursor's rows are.
fn current_of(request: &Request<'_>) -> Result<Verdict, Refusal> {
    let touched = request.touched();
    if !touched.writes.is_empty() || touched.sharded.iter().any(|reference| reference.used == Use::Read) {
        return Err(Refusal::unsupported(
            "WHERE CURRENT OF a cursor, in a write of a table of which every server has a copy, or that reads others",
            "Write the row by its key.",
        ));
    }
    let mut placing = Placing::default();
    placing.all(request.directory);
    let plan = request.single(request.stay(), None, Tenants::All, "the cursor's server");
    Ok(placing.verdict(request, plan))
}

/// True for a statement that makes a table of which every server has a copy, of rows of its own.
fn makes_copies(statement: &Statement) -> bool {
    matches!(statement.kind(), Kind::CreateAs { temporary: false })
}

/// EXPLAIN ANALYZE runs what it explains, and on one server: copies would no longer be equal.
fn explained_write(request: &Request<'_>, subject: &Statement) -> Result<(), Refusal> {
    let runs = request.statement.is_explain() && request.statement.access() == Access::Write;
    let several = request.directory.servers().len() > 1;
    let makes_table = matches!(subject.kind(), Kind::CreateAs { temporary: false });
    if runs && several && (makes_table || !request.touched().writes.is_empty()) {
        return Err(Refusal::unsupported(
            "EXPLAIN ANALYZE would write on one server what every server has a copy of",
            "Leave ANALYZE out.",
        ));
    }
    Ok(())
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
