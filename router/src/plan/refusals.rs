//! Why queries and writes over rows are refused, and what to do about it: each reason is worded once.

use super::Refusal;
use crate::catalog::{Column, Relation, RelationKind};
use crate::ids::TenantKey;
use crate::sql::keys::Reference;
use crate::sql::{Kind, Statement};

/// A default that each server computes for itself.
pub(super) fn default_reason(column: &str) -> Refusal {
    Refusal::unsupported(
        format!("the default of column \"{column}\" may differ from server to server"),
        format!("Give \"{column}\" a value."),
    )
}

/// An INSERT through a view, where each server would compute a default that the view does not show.
pub(crate) fn hidden_reason(view: &Relation, column: &Column) -> Refusal {
    let (view, column) = (&view.name, &column.name);
    Refusal::unsupported(
        format!(
            "view \"{view}\" does not show column \"{column}\", whose default may differ from server to server"
        ),
        "Insert into the table.",
    )
}

/// A write through a view that each server would have to run for itself, and might not run alike.
pub(super) fn view_reason(view: &Relation) -> Refusal {
    Refusal::unsupported(
        format!("a write to view \"{}\", which is more than rows of one table and whose they are", view.name),
        "Write its table.",
    )
}

/// Triggers on a table of which every server has a copy.
pub(super) fn triggers_reason(relation: &Relation) -> Refusal {
    Refusal::unsupported(
        format!("table \"{}\" has triggers, which may do different things on each server", relation.name),
        "Drop the triggers, or write on each server itself.",
    )
}

/// A table that cannot be sharded safely.
pub(super) fn unsafe_reason(relation: &Relation) -> Refusal {
    let reason = match &relation.kind {
        RelationKind::Unsafe { reason } => reason.as_str(),
        _ => "it is not sharded",
    };
    Refusal::unsupported(
        format!("table \"{}\" cannot be used over several servers: {reason}", relation.name),
        "\"herdctl check\" lists what to change.",
    )
}

/// A temporary table is read by a write that every server runs.
pub(super) fn of_session_alone() -> Refusal {
    Refusal::unsupported(
        "one statement writes a table of which every server has a copy, and reads a temporary table of the session",
        "Read the rows first, then write them as values.",
    )
}

/// A function whose code nobody has read.
pub(super) fn opaque_reason(name: &str) -> Refusal {
    Refusal::unsupported(
        format!("function {name} may read rows of any tenant, and they are on several servers"),
        "Name a tenant with SET, or declare the function harmless in the configuration.",
    )
}

/// A write, lock or cursor that has no way over several servers.
pub(super) fn several_servers(statement: &Statement) -> Refusal {
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

/// A tenant that is not the session's.
pub(super) fn another_tenant(other: &TenantKey, tenant: &TenantKey) -> Refusal {
    Refusal {
        sqlstate: "42501",
        message: format!("the statement concerns tenant {other}, and the session is of tenant {tenant}"),
        hint: "Change the session's tenant with SET first.".into(),
    }
}

/// A row would become another tenant's.
pub(super) fn reassigned() -> Refusal {
    Refusal::unsupported(
        "an update of the tenant column would move a row to another tenant",
        "Delete the row and insert it for the other tenant.",
    )
}

/// Nobody can say whose rows an INSERT writes.
pub(super) fn unknown_key(reference: &Reference) -> Refusal {
    unknown_key_of(&reference.relation)
}

/// Nobody can say whose rows they are.
pub(super) fn unknown_key_of(relation: &Relation) -> Refusal {
    Refusal::unsupported(
        format!("the tenant of the rows for \"{}\" cannot be told from the statement", relation.name),
        "Write the tenant column's value as a constant or a parameter.",
    )
}

/// An INSERT leaves the tenant column out.
pub(super) fn missing_key(reference: &Reference) -> Refusal {
    let column = reference.relation.tenant_column().map_or("tenant", |(column, _)| column.name.as_str());
    Refusal::unsupported(
        format!("INSERT into \"{}\" gives no value for column \"{column}\"", reference.relation.name),
        format!("Give \"{column}\" a constant or a parameter."),
    )
}
