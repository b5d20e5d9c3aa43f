//! COPY TO STDOUT of rows of several servers: the query is planned by itself, and the proxy writes its rows.

use std::sync::Arc;

use super::place::Placing;
use super::request::Request;
use super::{CopyOut, Leg, Plan, Refusal, Tenants, Verdict, Way, copy_in};
use crate::catalog::Relation;
use crate::copy::OutFormat;
use crate::ids::{ServerId, quote_identifier};
use crate::sql::{CopyKind, CopyOption, Question};

/// Plans COPY TO whose rows are on these servers.
pub(super) fn over_several(
    request: &Request<'_>,
    copy: &CopyKind,
    servers: impl IntoIterator<Item = ServerId>,
    placing: Placing,
    tenants: Tenants,
) -> Result<Verdict, Refusal> {
    let (text, options): (Arc<str>, _) = match copy {
        CopyKind::OutQuery { inner, options } => (inner.text().into(), options),
        CopyKind::Out { columns, options } => (rows_of(request, columns)?.into(), options),
        CopyKind::In { .. } | CopyKind::Server => {
            return Err(Refusal::unsupported("this COPY over several servers", "Copy to standard output."));
        }
    };
    let question = Question { text, parameters: Vec::new() };
    let copy = CopyOut { question, format: format_of(options)? };
    let plan = Plan {
        way: Way::CopyOut(Arc::new(copy)),
        legs: servers.into_iter().map(Leg::on).collect(),
        role: request.role(),
        tenants,
        why: "rows of several servers".into(),
    };
    Ok(placing.verdict(request, plan))
}

/// The query that gives a table's rows.
fn rows_of(request: &Request<'_>, columns: &[String]) -> Result<String, Refusal> {
    let unknown =
        || Refusal::unsupported("COPY of this table over several servers", "Use COPY (SELECT ...) TO.");
    let reference = request.statement.touched().sharded.first().ok_or_else(unknown)?;
    let relation: &Relation = &reference.relation;
    if relation.view.is_some() || relation.tenant_column().is_none() || relation.partitioned {
        let kind = if relation.partitioned { "partitioned table" } else { "view" };
        return Err(Refusal {
            sqlstate: "42809",
            message: format!("cannot copy from {kind} \"{}\"", relation.name),
            hint: "Try the COPY (SELECT ...) TO variant.".into(),
        });
    }
    let names: Vec<String> = match columns {
        [] => relation
            .columns
            .iter()
            .filter(|column| !column.generated)
            .map(|column| quote_identifier(&column.name))
            .collect(),
        columns => columns.iter().map(|name| quote_identifier(name)).collect(),
    };
    Ok(format!("SELECT {} FROM ONLY {}", names.join(", "), relation.quoted_name()))
}

fn format_of(options: &[CopyOption]) -> Result<OutFormat, Refusal> {
    let of_reading = ["default", "force_null", "force_not_null", "freeze"];
    let quoting = |option: &&CopyOption| option.name == "force_quote";
    let matches = options.iter().any(|option| {
        option.name == "header"
            && option.values.first().is_some_and(|value| value.eq_ignore_ascii_case("match"))
    });
    if matches || options.iter().any(|option| of_reading.contains(&option.name.as_str())) {
        return Err(Refusal::unsupported("an option of COPY FROM in COPY TO", "Leave the option out."));
    }
    let force_quote = options.iter().find(quoting).map(|option| option.values.clone()).unwrap_or_default();
    let others: Vec<CopyOption> = options.iter().filter(|option| !quoting(option)).cloned().collect();
    Ok(OutFormat { layout: copy_in::layout_of(&others, "")?, force_quote })
}
